"""Training in progress, kept in the store, so that whoever tries next goes on from there, on any machine.

    checkpoints/<key>/00000240.json               {"key": "0b7e…", "step": 240, "files": […]}, written last
    checkpoints/<key>/<sha16>/state.safetensors   each file below its digest, shared by those that hold it

What is listed is complete: the files go first. The newest two are kept, so that a damaged one can be passed over. Two
trainings of one key never harm each other: whatever either saved is a state of that same training.
"""

import logging
import shutil
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Annotated

from pydantic import Field, ValidationError

from tasks.core.errors import GlueflowError
from tasks.core.files import SHA256, FileEntry, entries
from tasks.core.moving import Bytes
from tasks.core.progress import BESIDE, Saved
from tasks.core.sealed import Sealed
from tasks.core.store import Store, object_key
from tasks.core.transfer import download

KEPT = 2
log = logging.getLogger(__name__)


class Checkpoint(Sealed):
    """A training of `key` after `step` optimizer steps."""

    key: Annotated[str, Field(pattern=SHA256)]
    step: Annotated[int, Field(ge=1)]
    files: tuple[FileEntry, ...]


def save(store: Store, key: str, saved: Saved) -> None:
    """Upload a saved state and make it visible; then let go of those that are older than the newest two."""
    mine = Checkpoint(key=key, step=saved.step, files=entries(Path(saved.folder)))
    there = store.sizes(_folder(key))
    moving = Bytes(BESIDE, {file.path: file.size for file in mine.files})
    for file in mine.files:
        target = object_key(_folder(key, ""), file)
        if there.get(target) != file.size:
            store.upload(Path(saved.folder) / file.path, target, file.sha256, partial(moving.at, file.path))
        moving.done(file.path)
    store.put(_name(key, saved.step), mine.encoded())
    _keep(store, key, KEPT)


def restore(store: Store, key: str, into: Path) -> int:
    """Download the newest state that is sound into `into` and return its step; 0 if there is none.

    A damaged one is set aside with the reason, and the one before it is taken.
    """
    for name in _names(store, key):
        found = _read(store, name)
        wrong = found if isinstance(found, str) else _download(store, found, into)
        if wrong is None and isinstance(found, Checkpoint):
            return found.step
        log.warning("%s is damaged (%s) and set aside", store.uri(name), wrong)
        _set_aside(store, name, str(wrong))
        shutil.rmtree(into, ignore_errors=True)
    return 0


def clear(store: Store, key: str) -> None:
    """Remove all that was saved of a training: it is finished, or is to begin anew."""
    for name in [*_names(store, key), *store.sizes(_folder(key))]:
        store.delete(name)


class Uploads:
    """Saved states of one training on their way to the store, one at a time, beside the training."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key = store, key
        self._thread: Thread | None = None
        self._error: Exception | None = None

    def offer(self, saved: Saved) -> None:
        """Upload the state in the background and remove its folder; raises what was wrong with the one before."""
        self.close()
        self._thread = Thread(target=copy_context().run, args=(self._upload, saved), daemon=True)
        self._thread.start()

    def close(self, seconds: float | None = None) -> None:
        """Wait for what is on its way, at most so long; raises what was wrong with it and cannot pass."""
        if self._thread:
            self._thread.join(seconds)
        if self._error:
            raise self._error

    def _upload(self, saved: Saved) -> None:
        try:
            save(self._store, self._key, saved)
        except GlueflowError as error:
            if not error.retryable:
                self._error = error
            log.warning("step %d could not be saved: %s", saved.step, error)
        except OSError as error:
            self._error = error
        finally:
            shutil.rmtree(saved.folder, ignore_errors=True)


def _folder(key: str, end: str = "/") -> str:
    return f"checkpoints/{key}{end}"


def _name(key: str, step: int) -> str:
    return f"{_folder(key)}{step:08d}.json"


def _names(store: Store, key: str) -> list[str]:
    """The manifests, the newest first."""
    found = (name for name in store.sizes(_folder(key)) if name.endswith(".json") and name.count("/") == 2)
    return sorted(found, reverse=True)


def _read(store: Store, name: str) -> Checkpoint | str:
    """The manifest, or what is wrong with it."""
    try:
        found = Checkpoint.model_validate_json(store.get(name) or b"")
    except ValidationError as error:
        return f"its manifest is damaged: {error.errors()[0]['msg']}"
    return found if _name(found.key, found.step) == name else "its manifest names another one"


def _download(store: Store, checkpoint: Checkpoint, into: Path) -> str | None:
    """Fetch the files; what is wrong with them, or None. A damaged object is removed, so that it is written again."""
    sources = {file: object_key(_folder(checkpoint.key, ""), file) for file in checkpoint.files}
    wrong = download(store, into, sources)
    for file in wrong:
        store.delete(sources[file])
    return next(iter(wrong.values()), None)


def _set_aside(store: Store, name: str, reason: str) -> None:
    place = f"quarantine/{name}/{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    store.put(f"{place}/manifest.json", store.get(name) or b"")
    store.put(f"{place}/reason.txt", reason.encode())
    store.delete(name)


def _keep(store: Store, key: str, count: int) -> None:
    """Remove the manifests but the newest, then the files that none of those names."""
    names = _names(store, key)
    for name in names[count:]:
        store.delete(name)
    kept = [found for name in names[:count] if isinstance(found := _read(store, name), Checkpoint)]
    needed = {object_key(_folder(key, ""), file) for checkpoint in kept for file in checkpoint.files}
    for name in store.sizes(_folder(key)):
        if name.count("/") > 2 and name not in needed:
            store.delete(name)
