"""Files from the store to this disk, each checked against its SHA-256.

download(store, folder, {file: "steps/encode/9b1d…/5f0c…/train.arrow", …})  ->  {file: "train.arrow is missing"}
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from tasks.core.files import FileEntry, damage
from tasks.core.moving import Bytes
from tasks.core.store import Absent, Store

TRIES = 2  # what was spoilt on the way is no damage


def download(store: Store, folder: Path, sources: Mapping[FileEntry, str]) -> dict[FileEntry, str]:
    """Put the files into the folder, but those that are there and sound. Those that are damaged in the store, by what
    is wrong with them."""
    wrong: dict[FileEntry, str] = {}
    moving = Bytes("download", {key: file.size for file, key in sources.items()})
    for file, key in sources.items():
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        reason = damage(folder, [file])
        for _ in range(TRIES):
            if reason:
                with suppress(Absent):  # which is damage, too
                    store.download(key, path, partial(moving.at, key))
                reason = damage(folder, [file])
        if reason:
            wrong[file] = reason
        moving.done(key)
    return wrong
