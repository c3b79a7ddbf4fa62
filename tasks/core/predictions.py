"""What a model says of the rows of a file, in the store, part by part.

    predictions/<key>/part-00003-<sha16>.parquet    immutable, named by its content
    predictions/<key>/manifest.json                 which parts there are, in order; written last

The key is made of the model's content, the input's bytes, the columns and the size of a part: the same question has the
same answer, and a batch that was cut off goes on with the first part that is not there. Parts that lie there without a
manifest count for nobody but the batch that made them, and each is compared with its name's digest first.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tasks.core.errors import Damaged, StepFailed
from tasks.core.files import SHA256, FileEntry, sha256_of
from tasks.core.keys import digest, identity
from tasks.core.progress import Saved
from tasks.core.sealed import Sealed
from tasks.core.specs import PredictSpec
from tasks.core.store import Absent, Store

VERSION = 1  # raised when other bytes are written for the same spec
LIBRARIES = ("pyarrow", "tokenizers", "torch", "transformers")
MANIFEST = "manifest.json"
PART = re.compile(r"part-(\d{5,})-([0-9a-f]{16})\.parquet")


class Predictions(Sealed):
    """A finished batch: what it was made from, and its parts in the order of the rows."""

    key: Annotated[str, Field(pattern=SHA256)]
    identity: dict[str, Any]
    model: str
    rows: int
    parts: tuple[FileEntry, ...]
    created: str


def identity_of(spec: PredictSpec) -> dict[str, Any]:
    return identity("predict", VERSION, spec.model_dump(), {}, {name: version(name) for name in LIBRARIES})


def key_of(spec: PredictSpec) -> str:
    return digest(identity_of(spec))


def folder(key: str) -> str:
    return f"predictions/{key}"


def find(store: Store, key: str) -> Predictions | None:
    """The finished batch, if its manifest and all its parts are there at their sizes."""
    body = store.get(f"{folder(key)}/{MANIFEST}")
    if body is None:
        return None
    try:
        found = Predictions.model_validate_json(body)
    except ValidationError:
        return None  # damaged: the parts say it all, and it is written again
    there = store.sizes(folder(key) + "/")
    whole = all(there.get(f"{folder(key)}/{part.path}") == part.size for part in found.parts)
    return found if whole and found.key == key else None


def bodies(store: Store, found: Predictions) -> Iterator[bytes]:
    """Each part's bytes, one in memory at a time; a damaged part is removed, so that it is made anew, and Damaged
    raised."""
    for part in found.parts:
        key = f"{folder(found.key)}/{part.path}"
        body = store.get(key)
        if body is None or hashlib.sha256(body).hexdigest() != part.sha256:
            store.delete(key)
            raise Damaged(f"store: {store.uri(key)} was damaged and removed; run again")
        yield body


@dataclass
class Parts:
    """The parts of a batch on their way: those that are there, and those that its process hands over."""

    store: Store
    key: str
    there: dict[int, FileEntry] = field(default_factory=dict)

    def survey(self) -> set[int]:
        """The numbers of the parts that are there and sound; others are removed."""
        for name in sorted(self.store.sizes(folder(self.key) + "/")):
            path = name.removeprefix(folder(self.key) + "/")
            if not (match := PART.fullmatch(path)):
                continue
            digest_of, size = hashlib.sha256(), 0
            try:
                for block in self.store.blocks(name):
                    digest_of.update(block)
                    size += len(block)
            except Absent:
                continue
            number = int(match[1])
            if number in self.there or digest_of.hexdigest()[:16] != match[2]:
                self.store.delete(name)
            else:
                self.there[number] = FileEntry(path=path, size=size, sha256=digest_of.hexdigest())
        return set(self.there)

    def offer(self, saved: Saved) -> None:
        """Upload the part and remove its folder."""
        made = Path(saved.folder) / "part.parquet"
        sha256 = sha256_of(made)
        part = FileEntry(path=f"part-{saved.step:05}-{sha256[:16]}.parquet", size=made.stat().st_size, sha256=sha256)
        self.store.upload(made, f"{folder(self.key)}/{part.path}", sha256)
        self.there[saved.step] = part
        shutil.rmtree(saved.folder)

    def close(self, seconds: float | None = None) -> None:
        """Nothing is ever on its way."""

    def commit(self, spec: PredictSpec, model: str, rows: int, count: int, created: str) -> Predictions:
        """Write the manifest; raises StepFailed if a part is missing."""
        if sorted(self.there) != list(range(count)):
            raise StepFailed(f"predict: {len(self.there)} parts are there instead of {count}; run again")
        parts = tuple(self.there[number] for number in range(count))
        mine = Predictions(
            key=self.key, identity=identity_of(spec), model=model, rows=rows, parts=parts, created=created
        )
        self.store.put(f"{folder(self.key)}/{MANIFEST}", mine.encoded())
        return mine
