"""A folder of data files, on this disk or in a bucket: which files it holds, what pins them, the files themselves.

    place("s3://bucket/glue").names("MRPC/")              -> ["MRPC/dev.tsv", "MRPC/test.tsv", "MRPC/train.tsv"]
    place("s3://bucket/glue").pin(["MRPC/dev.tsv", ...])  -> "etags:4f0a…"    # of a folder on disk "sha256:9c0d…"

A folder is pinned by the bytes of its files, a bucket by the size and ETag of each object: S3 gives an object another
ETag whenever its bytes change, and a GET with that ETag reads those bytes or is refused.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tasks.core import s3
from tasks.core.errors import BadData, WrongRequest
from tasks.core.files import content_digest, entry
from tasks.core.keys import digest
from tasks.core.moving import Bytes
from tasks.core.settings import BUCKET_URI

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
BLOCK = 1 << 20  # bytes


class Place(Protocol):
    """A folder. Names are relative to it, with `/` between their parts."""

    @property
    def uri(self) -> str: ...
    def folders(self) -> list[str]:
        """Names of the folders directly inside."""

    def inside(self, folder: str) -> "Place": ...
    def names(self, below: str = "") -> list[str]:
        """Files directly inside, or inside the folder `below`, which ends with a slash; sorted."""

    def part(self, name: str, start: int, length: int) -> bytes:
        """At most so many bytes of a file, from its end where `start` is negative."""

    def pin(self, names: Sequence[str]) -> str:
        """What stands for the content of those files: another if and only if a name or its bytes are others."""

    def fetch(self, names: Sequence[str], pinned: str, into: Path) -> Path:
        """A folder on this disk with those files; raises BadData if they are known to be no longer what was pinned."""

    def check(self, names: Sequence[str], pinned: str) -> None:
        """Once they were read: raises BadData unless that was what was pinned."""


@dataclass(frozen=True)
class Disk:
    """A folder on this disk."""

    folder: Path

    @property
    def uri(self) -> str:
        return f"file:{self.folder}"

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def inside(self, folder: str) -> "Disk":
        return Disk(self.folder / folder)

    def names(self, below: str = "") -> list[str]:
        folder = self.folder / below
        return sorted(below + path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []

    def part(self, name: str, start: int, length: int) -> bytes:
        with (self.folder / name).open("rb") as file:
            file.seek(start if start >= 0 else max(0, file.seek(0, SEEK_END) + start))
            return file.read(length)

    def pin(self, names: Sequence[str]) -> str:
        return f"sha256:{content_digest(entry(self.folder, name) for name in names)}"

    def fetch(self, names: Sequence[str], pinned: str, into: Path) -> Path:  # noqa: ARG002  # they are here already
        return self.folder

    def check(self, names: Sequence[str], pinned: str) -> None:
        if self.pin(names) != pinned:
            raise BadData(f"data: the files in {self.folder} changed since they were pinned; run again")


@dataclass(frozen=True)
class Bucket:
    """Objects below a prefix, by the credentials and endpoint of boto3's own variables."""

    bucket: str
    prefix: str  # empty, or with a slash at its end

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def folders(self) -> list[str]:
        return [item[len(self.prefix) : -1] for item in self._listing("")[1]]

    def inside(self, folder: str) -> "Bucket":
        return Bucket(self.bucket, f"{self.prefix}{folder}/")

    def names(self, below: str = "") -> list[str]:
        return sorted(self._listing(below)[0])

    def part(self, name: str, start: int, length: int) -> bytes:
        size = self._tags([name])[name][0]
        first = start if start >= 0 else max(0, size + start)
        last = min(first + length, size) - 1
        if last < first:
            return b""  # there is no range without bytes
        with self._asking(f"read {name}"):
            wanted = f"bytes={first}-{last}"
            return self._client.get_object(Bucket=self.bucket, Key=self.prefix + name, Range=wanted)["Body"].read()

    def pin(self, names: Sequence[str]) -> str:
        return _pin(self._tags(names))

    def fetch(self, names: Sequence[str], pinned: str, into: Path) -> Path:
        changed = BadData(f"data: the objects in {self.uri} changed since they were pinned; run again")
        tags = self._tags(names)
        if _pin(tags) != pinned:
            raise changed
        moving = Bytes("download", {name: size for name, (size, _) in tags.items()})
        for name, (_, etag) in tags.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._asking(f"read {name}"), (into / name).open("wb") as file:
                    answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + name, IfMatch=etag)
                    for block in answer["Body"].iter_chunks(BLOCK):
                        file.write(block)
                        moving.at(name, file.tell())
            except (s3.Absent, s3.Conflict):
                raise changed from None
            moving.done(name)
        return into

    def check(self, names: Sequence[str], pinned: str) -> None:
        """What was read is a copy of what was pinned, whatever is in the bucket by now."""

    @cached_property
    def _client(self) -> "S3Client":
        return s3.client()

    def _tags(self, names: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Size in bytes and ETag of those of the files that are there."""
        found: dict[str, tuple[int, str]] = {}
        for below in sorted({name[: name.rfind("/") + 1] for name in names}):
            found |= self._listing(below)[0]
        return {name: found[name] for name in names if name in found}

    def _listing(self, below: str) -> tuple[dict[str, tuple[int, str]], list[str]]:
        """Objects directly below, by name, and full prefixes of the folders there."""
        try:
            with self._asking(f"list {below or 'the objects'}"):
                pages = list(
                    self._client.get_paginator("list_objects_v2").paginate(
                        Bucket=self.bucket, Prefix=self.prefix + below, Delimiter="/"
                    )
                )
        except WrongRequest:
            raise WrongRequest.of("data", self.uri, f"there is no bucket {self.bucket}") from None
        objects = [item for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]
        folders = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return {item["Key"][len(self.prefix) :]: (item["Size"], item["ETag"]) for item in objects}, folders

    def _asking(self, what: str) -> AbstractContextManager[None]:
        return s3.asking(what, self.uri, self._client.meta.endpoint_url)


def _pin(tags: dict[str, tuple[int, str]]) -> str:
    return f"etags:{digest([[name, *tag] for name, tag in sorted(tags.items())])}"


def place(uri: str) -> Place:
    """The folder or the bucket's prefix of a URI; raises WrongRequest if it is no such name or not there."""
    scheme, _, rest = uri.partition(":")
    if scheme == "file" and rest:
        folder = Path(rest).expanduser().absolute()
        if not folder.is_dir():
            raise WrongRequest.of("data", uri, f"the folder {folder} does not exist")
        return Disk(folder)
    if not re.match(BUCKET_URI, uri.rstrip("/")):
        raise WrongRequest.of("data", uri, "a bucket is named s3://bucket/prefix")
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return Bucket(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")


def dated(root: Place, as_of: date | None) -> Place:
    """The newest folder YYYY-MM-DD inside that is not after that day. Without a day the place itself, or, where it
    holds nothing but dated folders, the newest of them."""
    folders = root.folders()
    days = sorted(name for name in folders if DAY.fullmatch(name))
    if as_of is None:
        return root.inside(days[-1]) if days and len(days) == len(folders) and not root.names() else root
    if not days:
        raise WrongRequest.of("as_of", str(as_of), f"{root.uri} has no dated folders YYYY-MM-DD")
    if days[0] > str(as_of):
        raise WrongRequest.of("as_of", str(as_of), f"the first dated folder in {root.uri} is {days[0]}")
    return root.inside(next(day for day in reversed(days) if day <= str(as_of)))
