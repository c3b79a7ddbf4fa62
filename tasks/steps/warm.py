"""The warm process of tasks/core/warm.py: `python -m tasks.steps.warm 5`, asked on its descriptor 5.

    asked     {"step": "finetune", "request": "…/request.json", "folder": "…", "environment": {"TMPDIR": "…"}}
              with descriptors: standard output, standard error, where the exit status goes, what else is inherited
    answered  with a descriptor of the process, by which it can be sent signals

A fork is as good as a new process as long as nothing else goes on in this one: it imports and does nothing. Where that
is enough to start threads or to open a GPU it ends at once, and steps are started the plain way.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.core.process import LOOK
from tasks.core.warm import MESSAGE, STEPS
from tasks.steps.__main__ import main as carry_out

MOST = 64 + 3  # descriptors: as many GPUs as a machine may have
GPUS = ("/dev/nvidia", "/dev/kfd", "/dev/dxg")
Asked = tuple[dict[str, Any], list[int]]


def main(requests: socket.socket) -> int:
    """In this process and in every fork of it; the exit status."""
    caller = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the caller's group is told; it then tells the step
    for step in STEPS:
        importlib.import_module(f"tasks.steps.{step}")
    if not sound():
        return 1
    gc.freeze()  # what is shared stays shared
    asked = serve(requests, caller)
    return become(*asked) if asked else 0


def sound() -> bool:
    """Whether a fork has what this process has: one thread and no GPU. A first one has libraries end their threads that
    know of forks (OpenBLAS)."""
    if not (child := os.fork()):
        os._exit(0)
    process = os.pidfd_open(child)  # raises where the kernel has no such thing
    signal.pidfd_send_signal(process, 0)
    os.close(process)
    os.waitpid(child, 0)
    threads, opened = (list(Path(f"/proc/self/{each}").iterdir()) for each in ("task", "fd"))
    return len(threads) == 1 and not any(os.path.realpath(each).startswith(GPUS) for each in opened)


def serve(requests: socket.socket, caller: int) -> Asked | None:
    """Fork whenever asked, and say how each fork has ended. In a fork, what was asked; None when the caller is gone."""
    running: dict[int, tuple[int, int]] = {}  # by the descriptor of each process: its number and where its status goes
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while os.getppid() == caller:
        for ready, _ in poll.poll(LOOK * 1000):
            if ready in running:
                child, status = running.pop(ready)
                with suppress(BrokenPipeError):
                    os.write(status, b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                poll.unregister(ready)
                os.close(ready)
                os.close(status)
                continue
            message, descriptors, *_ = socket.recv_fds(requests, MESSAGE, MOST)
            if not message:
                return None
            if not (child := os.fork()):
                requests.close()
                for process, (_, status) in running.items():
                    os.close(process)
                    os.close(status)
                return json.loads(message), descriptors
            stdout, stderr, status, *held = descriptors
            process = os.pidfd_open(child)
            running[process] = child, status
            poll.register(process, select.POLLIN)
            socket.send_fds(requests, [b"+"], [process])
            for each in (stdout, stderr, *held):
                os.close(each)
    return None


def become(asked: dict[str, Any], descriptors: list[int]) -> int:
    """Be the step's process, in the state in which `python -m tasks.steps` would begin, but that all is imported."""
    stdout, stderr, status, *_ = descriptors
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for each in (stdout, stderr, status):
        os.close(each)
    with suppress(OSError):  # where that cannot be written it keeps the warm process's
        Path("/proc/self/comm").write_text(asked["step"])  # its name in ps and top
    os.chdir(asked["folder"])
    os.environ |= asked["environment"]
    tempfile.tempdir = None  # may have been asked for before TMPDIR was this one
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    return carry_out(asked["step"], Path(asked["request"]))


if __name__ == "__main__":
    sys.exit(main(socket.socket(fileno=int(sys.argv[1]))))
