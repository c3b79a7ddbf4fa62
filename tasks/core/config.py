"""The configuration file: what the environment's GLUEFLOW_* would say, in TOML. The environment wins.

    glueflow.toml:  bucket = "s3://models/glue"  ->  given(Settings' fields) == {"bucket": "s3://models/glue"}

One file counts: the one that GLUEFLOW_CONFIG names (none if it is empty), else ./glueflow.toml, else glueflow.toml in
GLUEFLOW_HOME. It holds settings of a machine and nothing of a request, so it cannot reach a key. Nor does it hold a
secret: a key or an address that looks like one is refused.
"""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tasks.core.errors import WrongRequest

NAME = "glueflow.toml"
VARIABLE = "GLUEFLOW_CONFIG"
HOME = Path.home() / ".glueflow"
FILES = ("home", "signing_key", "public_key")  # are names of files, which count from the folder of this one
SECRET = re.compile(r"secret|passw|passphrase|token|credential|access_?key|api_?key|auth", re.IGNORECASE)
LOGIN = re.compile(r"://[^/@\s]+@")


def location() -> Path | None:
    """The file that counts, if there is one; raises WrongRequest if GLUEFLOW_CONFIG names one that is not there."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        path = Path(named).expanduser().absolute()
        if named and not path.is_file():
            raise WrongRequest.of(VARIABLE, named, "there is no such file; `glueflow init` writes one")
        return path if named else None
    home = Path(os.environ.get("GLUEFLOW_HOME", HOME)).expanduser().absolute()
    return next((path for path in (Path(NAME).absolute(), home / NAME) if path.is_file()), None)


def given(known: Collection[str]) -> dict[str, Any]:
    """What the file says, by key; raises WrongRequest that names the file for a key that is not known or a secret."""
    path = location()
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongRequest(f"{path}: is no TOML: {error}") from None
    except OSError as error:
        raise WrongRequest(f"{path}: cannot be read ({error.strerror})") from None
    for key, value in found.items():
        _check(path, key, value, known)
    return found | _placed(path.parent, found)


def _check(path: Path, key: str, value: object, known: Collection[str]) -> None:
    secret = key not in known and SECRET.search(key)
    if secret or (isinstance(value, str) and LOGIN.search(value)):
        allowed = "no credential belongs into a file; put it into the environment, such as AWS_SECRET_ACCESS_KEY"
        raise WrongRequest(f"{path}: {key} is not allowed; {allowed}")
    if key not in known:
        raise WrongRequest.of(str(path), key, f"keys are {', '.join(known)}", known)


def _placed(folder: Path, found: Mapping[str, Any]) -> dict[str, str]:
    """Names of files as whole paths."""
    names = {key: found[key] for key in FILES if isinstance(found.get(key), str)}
    return {key: str(folder / Path(name).expanduser()) for key, name in names.items()}
