"""`glueflow init`: a configuration file with every setting, its meaning and its default, each line a comment."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ByteSize

from flows import screen
from flows.screen import Json
from tasks.core import config
from tasks.core.errors import WrongRequest, disk_error
from tasks.core.settings import Settings, variable

HEAD = f"""\
# glueflow's settings on this machine. Every line shows a default: take the # away to change it.
# Variables of the environment win over this file. No credential belongs here: AWS_ACCESS_KEY_ID and its like,
# PREFECT_API_AUTH_STRING and HF_TOKEN stay in the environment.
# One file is read: that of {config.VARIABLE}, else ./{config.NAME}, else {config.NAME} in GLUEFLOW_HOME.
"""
UNSET = {"bucket": "s3://models/glue", "gpus": 1, "signing_key": "signing.pem", "public_key": "public.pem"}  # examples


def init(
    file: Annotated[Path, Parameter(help="Where to write it.")] = Path(config.NAME), /, *, as_json: Json = False
) -> None:
    """Write a configuration file in which every setting is a comment with its default; one that is there stays."""
    try:
        with file.open("x") as new:
            new.write(text())
    except FileExistsError:
        raise WrongRequest.of("file", str(file), "it is there already; remove it first, or name another") from None
    except (FileNotFoundError, NotADirectoryError):
        raise WrongRequest.of("file", str(file), f"the folder {file.parent} does not exist") from None
    except OSError as error:
        raise disk_error(error, file.parent) from error
    if as_json:
        return screen.print_json({"file": str(file.absolute())})
    screen.tell(f"{file} is written; every line of it is a comment yet")
    return screen.say("next: glueflow doctor")


def text() -> str:
    """The file."""
    return "\n".join([HEAD, *(_setting(name) for name in Settings.model_fields)])


def _setting(name: str) -> str:
    about, default = Settings.model_fields[name].description, Settings.model_fields[name].default
    value = UNSET.get(name, default) if default is None else default
    if isinstance(value, ByteSize):
        value = value.human_readable(decimal=True)
    elif isinstance(value, Path):
        value = f"~/{value.relative_to(Path.home())}"
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    unset = "; not set, for example" if default is None else ""
    return f"# {about} ({variable(name)}){unset}\n# {name} = {shown}\n"
