"""The `glueflow` command. Exit status: 0 done, 1 the work failed, 2 the request or its data were wrong.

A command's module is imported when the command is asked for (all of them for `--help`): who plans waits for no report.
"""

import atexit
import gc
import re
import signal
import sys
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter
from cyclopts import ValidationError as CycloptsValidationError
from pydantic import ValidationError

from flows import completion, examples, screen, services
from tasks.core.errors import GlueflowError, Preempted, WrongRequest

app = App(
    name="glueflow",
    help="Fine-tune transformers on GLUE as a pipeline that can be left alone.",
    help_format="markdown",
    help_epilogue=examples.epilogue(*examples.FIRST),
    default_parameter=Parameter(negative=""),
)
GROUPS = {"models": "models", "backfill": "backfills", "cache": "cache", "report": "reports"}
COMMANDS = {
    "run": "run",
    "plan": "run",
    "benchmark": "suite",
    "predict": "ask",
    "pipeline": "ask",
    "policy": "policies",
    "deploy": "deploy",
    "up": "local",
    "down": "local",
    "init": "init",
    "doctor": "local",
    "drill": "local",
}
ROOMY = 50_000  # objects; at Python's own 700 the modules being imported are looked through again and again
for name, module in GROUPS.items():
    app.command(f"flows.{module}:app", name=name)
for name, module in COMMANDS.items():
    app.command(f"flows.{module}:{name}", name=name, help_epilogue=examples.epilogue(name))
completion.register(app)


def main() -> None:
    """Parse, run, and turn what goes wrong into one line and an exit status."""
    gc.set_threshold(ROOMY)
    atexit.register(gc.freeze)  # else the interpreter looks through all that it lets go of at its end: 0.1 s
    signal.signal(signal.SIGTERM, _told_to_end)
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsValidationError as error:
        _stop(_wrong_field(error.__cause__) if isinstance(error.__cause__, ValidationError) else str(error), 2)
    except CycloptsError as error:
        _stop(" ".join(str(error).split()), 2)
    except ValidationError as error:
        _stop(_wrong_field(error), 2)
    except GlueflowError as error:
        _stop(str(error), error.exit_status)
    except KeyboardInterrupt:
        _stop(f"interrupted; {services.LATER}", 130)


def _told_to_end(*_: object) -> NoReturn:
    raise Preempted(f"told to end; {services.LATER}")


def _stop(line: str, status: int) -> None:
    screen.fail(line)
    sys.exit(status)


def _wrong_field(error: ValidationError) -> str:
    """One line for the first field that is off, with the nearest allowed word for a typo."""
    first = error.errors()[0]
    field = ".".join(str(part).rstrip("_") for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    known = re.findall(r"'([^']+)'", first["msg"])
    return str(WrongRequest.of(field, first["input"], why[0].lower() + why[1:], known))


if __name__ == "__main__":
    main()
