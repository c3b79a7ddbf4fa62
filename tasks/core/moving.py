"""Bytes on their way between this disk and the store, told while they move.

moving = Bytes("upload", {"model.safetensors": 90868376})
store.upload(path, key, sha256, partial(moving.at, "model.safetensors"))
moving.done("model.safetensors")
"""

import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from io import FileIO
from pathlib import Path
from threading import Lock

from tasks.core.progress import Progress, report

PAUSE = 0.1  # seconds between two reports
Moved = Callable[[int], None]  # is told how many bytes of a file have moved; fewer than before when they move again


class Bytes:
    """Progress of some files in bytes of all of them: at most some times a second, and at the end of each file. What a
    second try moves again counts once, so that it never goes back."""

    def __init__(self, what: str, sizes: Mapping[str, int]) -> None:
        self._what, self._sizes, self._total = what, sizes, sum(sizes.values())
        self._reached = dict.fromkeys(sizes, 0)
        self._context = copy_context()  # boto3 tells from threads of its own, in which nobody listens
        self._told = time.monotonic()
        self._lock = Lock()

    def at(self, name: str, position: int) -> None:
        """So many bytes of the file have moved."""
        self._move(name, position, PAUSE)

    def done(self, name: str) -> None:
        """All of the file has."""
        self._move(name, self._sizes[name], 0.0)

    def _move(self, name: str, position: int, pause: float) -> None:
        with self._lock:
            self._reached[name] = max(self._reached[name], min(position, self._sizes[name]))
            now = time.monotonic()
            if now - self._told >= pause:
                self._told = now
                done = sum(self._reached.values())
                self._context.run(report, Progress(self._what, done, self._total, "bytes"))


class Followed(FileIO):
    """A file that tells how far it has been read, for `put_object`, which tells nothing."""

    def __init__(self, path: Path, moved: Moved) -> None:
        super().__init__(path)
        self._moved = moved

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._moved(self.tell())
        return block


def summed(moved: Moved) -> Moved:
    """For boto3, whose threads tell what each has moved since it last told; less than nothing where it begins anew."""
    lock, so_far = Lock(), 0

    def add(count: int) -> None:
        nonlocal so_far
        with lock:
            so_far += count
            moved(so_far)

    return add


def unheard(_: int) -> None: ...
