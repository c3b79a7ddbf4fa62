"""A model by any of its names, as a folder on local disk: a version of the registry, or a checkpoint.

with opened("mrpc@3", settings, store) as model:    # also hf://OWNER/NAME[@REVISION], file:FOLDER, packaged:…
    model.name, model.content, model.folder         # "mrpc@3", "9c0d…", /home/…/cache/models/mrpc/9c0d…
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.core import registry, signing
from tasks.core.cache import borrow
from tasks.core.resolve import resolve_checkpoint
from tasks.core.settings import Settings
from tasks.core.store import Store
from tasks.core.weights import check_weights
from tasks.models.checkpoint import checkpoint_folder, refuse_code


@dataclass(frozen=True)
class Opened:
    """The model's full name, what fixes its content, and where its files are."""

    name: str
    content: str
    folder: Path


@contextmanager
def opened(reference: str, known: Settings, store: Callable[[], Store]) -> Iterator[Opened]:
    """The model's folder, every file checked, for as long as the block lasts; raises WrongRequest if there is none, or
    if it brings code of its own. The store is only asked for a version of the registry."""
    if ":" in reference:
        pinned = resolve_checkpoint(reference)
        yield Opened(reference, pinned.revision, checkpoint_folder(pinned.location, pinned.revision, known.cache))
        return
    here = store()
    version = registry.find(here, reference)
    signing.require(here, version, known)

    def fetch(fresh: Path) -> None:
        registry.pull(here, version, fresh)
        check_weights(fresh)

    with borrow(known, f"models/{version.name}/{version.content[:16]}", version.files, fetch) as folder:
        refuse_code(folder)
        yield Opened(f"{version.name}@{version.version}", version.content, folder)
