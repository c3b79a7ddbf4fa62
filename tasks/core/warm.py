"""The warm process: it has imported what steps need, and their processes are forked from it, so a run imports it once.

    prepare(environment)                       starts it; its import goes on while the caller does other things
    fork(asked, environment, descriptors)      a step's process, or None; then one is started the plain way

It is the caller's only one and ends with it. It never knows a step's own environment, which the fork adds to its own.
The standard library's forkserver would import the caller's main module, Prefect and all, into each fork.
"""

import atexit
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

STEPS = ("encode", "finetune", "evaluate", "answer")  # those that import torch or transformers
POSSIBLE = sys.platform == "linux"  # elsewhere a fork is not sound once a library has been loaded
MESSAGE = 1 << 16  # bytes at most
log = logging.getLogger(__name__)
_lock = Lock()
_warm: "_Warm | None" = None


class Forked:
    """A step's process, with what process.py uses of subprocess.Popen."""

    def __init__(self, stdout: int, stderr: int, status: int, process: int) -> None:
        self.stdout, self.stderr = os.fdopen(stdout), os.fdopen(stderr)
        self._status, self._process = io.FileIO(status), io.FileIO(process)  # closed with this object
        self._returncode: int | None = None

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def wait(self) -> int:
        if self._returncode is None:
            said = self._status.read(16)
            self._returncode = int(said) if said else -signal.SIGKILL  # the warm process is gone, and it with that
        return self._returncode

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process.fileno(), number)


class _Warm:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tasks.steps.warm", str(theirs.fileno())],
                cwd="/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(self, asked: Mapping[str, Any], descriptors: tuple[int, ...]) -> Forked | None:
        """None if it ended before, as it does if it would not be sound to fork."""
        pipes = [os.pipe() for _ in range(3)]
        ours, theirs = zip(*pipes, strict=True)
        try:
            socket.send_fds(self.requests, [json.dumps(asked).encode()], [*theirs, *descriptors])
            _, process, *_ = socket.recv_fds(self.requests, 1, 1)
        except OSError:
            process = []
        finally:
            for each in theirs:
                os.close(each)
        if not process:
            for each in ours:
                os.close(each)
            return None
        return Forked(*ours, *process)

    def end(self) -> None:
        """With all that was forked from it."""
        self.requests.close()
        self.process.kill()
        self.process.wait()


def prepare(environment: Mapping[str, str]) -> None:
    """Have it started, unless it was before."""
    global _warm
    with _lock:
        if POSSIBLE and _warm is None:
            _warm = _Warm(environment)


def fork(asked: Mapping[str, Any], environment: Mapping[str, str], descriptors: tuple[int, ...]) -> Forked | None:
    """The process of the step that is `asked` for, which inherits the descriptors; None if there is none to be had."""
    prepare(environment)
    with _lock:
        try:
            child = _warm.fork(asked, descriptors) if _warm and _warm.environment == environment else None
        except BaseException:  # its answer would be taken for the next one's
            end()
            raise
    if POSSIBLE and not child:
        log.info("%s: could not be forked; a process of its own imports what it needs", asked["step"])
    return child


def end() -> None:
    """With all that was forked from it; whoever asks next has another started."""
    global _warm
    if _warm:
        _warm.end()
    _warm = None


def _forget() -> None:
    """In a fork of the caller: it is the caller's alone."""
    global _lock, _warm
    _lock, _warm = Lock(), None


atexit.register(end)
os.register_at_fork(after_in_child=_forget)
