"""Run one step on a bare machine: `python -m tasks.steps encode request.json`.

The request is `tasks.core.process.Request` as JSON; progress and then the result come as JSON lines. A request for
several devices starts as many processes like this one; the first of them speaks.
"""

import errno
import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

from tasks.core.errors import GlueflowError, Preempted, disk_error
from tasks.core.process import Request, leave_with
from tasks.core.progress import listening
from tasks.core.specs import SPECS

RANK = int(os.environ.get("RANK", "0"))  # among the processes of one step
TURN = 10.0  # seconds in which the first process can say what is wrong, before another that found it ends


def main(step: str, path: Path) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller too, which then ends us in good order
    request = Request(**json.loads(path.read_text()))
    if request.devices > 1 and "RANK" not in os.environ:
        return _launch(step, path, request.devices)
    Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    spec = SPECS[step].model_validate(request.spec)
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among the progress lines

    def say(event: dict[str, Any]) -> None:
        if RANK == 0:
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
    if RANK and status not in (0, Preempted.exit_status):  # of the latter the first process has told this one
        print(f"process {RANK}: {answer['error']['message']}", file=sys.stderr)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(TURN)  # whoever ends badly first has the others ended
    return status


def _launch(step: str, path: Path, processes: int) -> int:
    """The step in so many processes like this one, which end when the caller is gone."""
    from tasks.models.launch import end_processes, launch

    Thread(target=leave_with, args=(os.getppid(), end_processes), daemon=True).start()
    return launch(processes, ["-m", "tasks.steps", step, str(path)])


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
