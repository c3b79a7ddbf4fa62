"""Copies on this machine's disk: checked when handed out, capped in bytes, the least recently used removed first.

    with borrow(settings, "models/mrpc/9c0d…", version.files, fetch) as folder:    # nobody removes it within the block

    <home>/cache/steps/<step>/<key>/<digest>/    an entry       …/<digest>.lock   who uses it; when it was last used
    <home>/cache/models/<name>/<content>/        a model        …/<digest>.fill   who puts it there
    <home>/cache/hub/<repository>/               downloads      <home>/scratch/   what is being made or removed

A folder appears and disappears by one rename, from and to a scratch folder: a kill in between leaves a scratch folder
without an owner, which the next eviction removes, and never half a copy.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import ByteSize

from tasks.core.errors import disk_error
from tasks.core.files import FileEntry, damage
from tasks.core.hold import FILL, LOCK, alone, beside, last_use, scratch_folder, shared
from tasks.core.settings import Settings

UNITS = ("steps/*/*/*", "models/*/*", "hub/*")  # what is removed as a whole
ABANDONED = 86_400.0  # seconds after which nobody goes on with a download
log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Unit:
    """A folder of the cache, by its last use; one that is gone has left its lock files."""

    used: int
    folder: Path
    size: int


@contextmanager
def borrow(
    settings: Settings, place: str, files: Iterable[FileEntry], fetch: Callable[[Path], object]
) -> Iterator[Path]:
    """The folder at that place of the cache with those files, each checked against its SHA-256 now. If need be,
    `fetch(folder)` puts them into an empty folder, or raises. It stays as it is until the block is left."""
    target = settings.cache / place
    with ExitStack() as held:
        with _told(settings):
            held.enter_context(shared(target))
            added = _fill(settings, target, tuple(files), fetch)
        if added:
            evict(settings)
        yield target
    if added:
        evict(settings)  # it alone may be more than is allowed


def _fill(settings: Settings, target: Path, files: tuple[FileEntry, ...], fetch: Callable[[Path], object]) -> bool:
    """Put the folder in place unless it is there and sound. True if it was put; one process at a time."""
    with FileLock(beside(target, FILL)):
        if target.is_dir() and damage(target, files) is None:
            return False
        with scratch_folder(settings.scratch, target.name) as scratch:
            fresh = scratch / "fresh"
            fresh.mkdir()
            fetch(fresh)
            if target.exists():
                target.rename(scratch / "damaged")
            fresh.rename(target)
    return True


@contextmanager
def keep(settings: Settings, place: str, made: Path) -> Iterator[Path]:
    """Move a folder that was just made into the cache, unless its like is there; yields where it is, and holds it."""
    target = settings.cache / place
    with shared(target):
        with FileLock(beside(target, FILL)):
            found = made if target.exists() else made.rename(target)
        yield found


def evict(settings: Settings) -> None:
    """Bring the cache below its cap: the least recently used goes first, and nothing that is in use. Removes what
    killed processes left as well."""
    with _told(settings):
        settings.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.cache / "evict.lock"):
            _sweep(settings)
            units = sorted(_units(settings.cache))
            excess = sum(unit.size for unit in units) - settings.cache_size
            for unit in units:
                if (excess > 0 or not unit.folder.exists()) and _removed(settings, unit.folder):
                    excess -= unit.size
    if excess > 0:
        over, cap = (ByteSize(size).human_readable(decimal=True) for size in (excess, settings.cache_size))
        log.warning("cache: %s over GLUEFLOW_CACHE_SIZE (%s); what is left is in use", over, cap)


def _removed(settings: Settings, folder: Path) -> bool:
    """Remove a unit, unless it is in use."""
    with scratch_folder(settings.scratch, "evicted") as scratch:  # whose removal comes last, when nobody waits for it
        with alone(folder) as mine:
            if mine and folder.exists():
                folder.rename(scratch / folder.name)
        if mine:
            with suppress(OSError):  # it holds something else
                folder.parent.rmdir()
    return mine


def _sweep(settings: Settings) -> None:
    """Remove scratch folders whose owner is gone, and files of the hub that nobody goes on downloading."""
    for lock in settings.scratch.glob(f"*{LOCK}"):
        folder = lock.with_suffix("")
        with alone(folder) as mine:
            if mine:
                shutil.rmtree(folder, ignore_errors=True)
    for half in settings.cache.glob("hub/*/blobs/*.incomplete"):
        with alone(half.parents[1]) as mine:
            if mine and time.time() - half.stat().st_mtime > ABANDONED:
                half.unlink()


def _units(cache: Path) -> Iterator[Unit]:
    found = (path for pattern in UNITS for path in cache.glob(pattern) if not path.name.startswith("."))
    folders = {path.with_suffix("") if path.suffix in (LOCK, FILL) else path for path in found}
    for folder in folders:
        with suppress(FileNotFoundError):  # a lock file without a folder is gone as soon as its holder fails
            yield Unit(last_use(folder), folder, _size(folder))


def _size(folder: Path) -> int:
    """Bytes of the files below the folder; others may be adding and removing some."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(root) / name).lstat().st_size
    return total


@contextmanager
def _told(settings: Settings) -> Iterator[None]:
    """A disk that is full or cannot be written, in one line."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, settings.home) from error
