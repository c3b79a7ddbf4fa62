"""Who uses a folder: flock on the `.lock` file beside it, shared by its users, exclusive for who would remove it.

    with shared(folder):            # nobody removes it within the block; its last use is the lock file's time
    with alone(folder) as mine:     # True if nobody uses it; nobody begins to within the block

The kernel lets go of a lock when its holder ends, however it ends. A lock file goes with its folder: who has locked one
that lost its name meanwhile holds nothing, and begins again.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

LOCK, FILL = ".lock", ".fill"  # who uses the folder; who puts it there
ATTEMPTS = 100
_until_exit: dict[Path, int] = {}


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Keep the folder, there already or still to come, from removal within the block."""
    lock = _locked(beside(folder, LOCK), fcntl.LOCK_SH)
    try:
        _used(lock)
        yield
    finally:
        _used(lock)
        os.close(lock)


def until_exit(folder: Path) -> None:
    """As `shared`, for as long as this process lives."""
    if folder not in _until_exit:
        _until_exit[folder] = _locked(beside(folder, LOCK), fcntl.LOCK_SH)
    _used(_until_exit[folder])


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether nobody uses the folder. If so, nobody can within the block, which may remove or rename it."""
    try:
        lock = _locked(beside(folder, LOCK), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock = None
    try:
        yield lock is not None
    finally:
        if lock is not None:
            _let_go(folder, lock)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new empty folder, removed at the end. Nobody is left to hold one whose owner was killed."""
    folder = parent / f"{name}-{uuid4().hex[:12]}"
    lock = _locked(beside(folder, LOCK), fcntl.LOCK_EX)
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed keeps its lock file, for the next to try
        _let_go(folder, lock)


def beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(folder.name + suffix)


def last_use(folder: Path) -> int:
    """When the folder was last used, in nanoseconds; when it was changed, if nobody ever locked it."""
    try:
        return beside(folder, LOCK).stat().st_mtime_ns
    except FileNotFoundError:
        return folder.stat().st_mtime_ns


def _locked(path: Path, operation: int) -> int:
    """A descriptor that holds the lock of the file at that path; raises BlockingIOError if LOCK_NB is refused."""
    attempt = 0
    while True:
        attempt += 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):  # the parent, empty, was removed in between
            if attempt == ATTEMPTS:
                raise
            continue
        try:
            fcntl.flock(lock, operation)
        except BaseException:
            os.close(lock)
            raise
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)


def _used(lock: int) -> None:
    now = time.time_ns()
    os.utime(lock, ns=(now, now))


def _let_go(folder: Path, lock: int) -> None:
    """End an exclusive hold. While it lasts, nobody else can use or make the files beside the folder."""
    if not folder.exists():
        for suffix in (FILL, LOCK):
            beside(folder, suffix).unlink(missing_ok=True)
    os.close(lock)
