"""One run of a suite in a process of its own: `python -m flows.cell`, with the request as JSON on standard input.

Progress and then the result come as JSON lines on standard output, {"result": {…}} or {"error": {"kind", "message"}}. A
crash here, or its memory, costs this run alone; and it ends when the suite is gone.
"""

import json
import os
import signal
import sys
from threading import Lock, Thread
from typing import Any, NoReturn

from httpx import HTTPError

from flows.glue import glue
from tasks.core.errors import GlueflowError, Preempted
from tasks.core.process import leave_with
from tasks.core.progress import listening
from tasks.core.specs import GlueRun


def main() -> int:
    Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    signal.signal(signal.SIGTERM, _told_to_end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the suite too, which then ends us in good order
    request = GlueRun.model_validate_json(sys.stdin.read())
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    turn = Lock()  # a training's state is uploaded, and told of, beside it

    def say(event: dict[str, Any]) -> None:
        with turn:
            print(json.dumps(event), file=channel, flush=True)

    with listening(lambda progress: say(vars(progress))):
        try:
            answer, status = {"result": glue(request)}, 0
        except GlueflowError as error:
            answer, status = _failure(error), error.exit_status
        except HTTPError as error:
            answer, status = _failure(error, "prefect: "), 1
    say(answer)
    return status


def _failure(error: Exception, of: str = "") -> dict[str, Any]:
    return {"error": {"kind": type(error).__name__, "message": f"{of}{error}"}}


def _told_to_end(*_: object) -> NoReturn:
    raise Preempted("told to end; what was finished or saved stays")


if __name__ == "__main__":
    sys.exit(main())
