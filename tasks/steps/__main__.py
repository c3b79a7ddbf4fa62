"""Run one step on a bare machine: `python -m tasks.steps encode request.json`.

The request is `tasks.core.process.Request` as JSON; progress and then the result come as JSON lines.
"""

import errno
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from tasks.core.errors import GlueflowError, disk_error
from tasks.core.process import Request, leave_with
from tasks.core.progress import listening
from tasks.core.specs import SPECS


def main(step: str, path: Path) -> int:
    Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller too, which then ends us in good order
    request = Request(**json.loads(path.read_text()))
    spec = SPECS[step].model_validate(request.spec)
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among the progress lines

    def say(event: dict[str, Any]) -> None:
        print(json.dumps(event), file=channel, flush=True)

    with listening(lambda progress: say(vars(progress)), lambda saved: say(vars(saved))):
        try:
            run = importlib.import_module(f"tasks.steps.{step}").run
            facts = run(spec, request)
            answer = {"facts": {**facts, "peak_memory": _peak_memory()}}
            status = 0
        except GlueflowError as error:
            answer, status = _failure(error)
        except OSError as error:
            answer, status = _failure(disk_error(error, Path(request.out)))
        except Exception as error:  # a full disk by another name, such as safetensors' own
            if os.strerror(errno.ENOSPC) not in str(error):
                raise
            answer, status = _failure(disk_error(OSError(errno.ENOSPC, str(error)), Path(request.out)))
    say(answer)
    return status


def _failure(error: GlueflowError) -> tuple[dict[str, dict[str, str]], int]:
    return {"error": {"kind": type(error).__name__, "message": str(error)}}, error.exit_status


def _peak_memory() -> int:
    """Bytes that this process held at most. What getrusage says begins at the caller's peak, for a fork inherits it."""
    try:
        text = Path("/proc/self/status").read_text()
    except FileNotFoundError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
