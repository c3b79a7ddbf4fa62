"""Run one step on a bare machine: `python -m tasks.steps encode request.json`.

The request is `tasks.core.process.Request` as JSON; `result.json` is written beside it, last.
"""

import importlib
import json
import os
import resource
import sys
from pathlib import Path

from tasks.core.errors import GlueflowError, disk_error
from tasks.core.process import RESULT, Request
from tasks.core.progress import Progress, listening
from tasks.core.specs import SPECS


def main(step: str, path: Path) -> int:
    request = Request(**json.loads(path.read_text()))
    spec = SPECS[step].model_validate(request.spec)  # type: ignore[index]
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among the progress lines

    def say(progress: Progress) -> None:
        print(json.dumps(vars(progress)), file=channel, flush=True)

    with listening(say):
        try:
            run = importlib.import_module(f"tasks.steps.{step}").run
            facts = run(spec, request)
            answer = {"facts": {**facts, "peak_memory": _peak_memory()}}
            status = 0
        except GlueflowError as error:
            answer, status = _failure(error)
        except OSError as error:
            answer, status = _failure(disk_error(error, Path(request.out)))
    result = path.with_name(RESULT)
    result.with_suffix(".part").write_text(json.dumps(answer))
    result.with_suffix(".part").rename(result)
    return status


def _failure(error: GlueflowError) -> tuple[dict[str, dict[str, str]], int]:
    return {"error": {"kind": type(error).__name__, "message": str(error)}}, error.exit_status


def _peak_memory() -> int:
    """Bytes that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
