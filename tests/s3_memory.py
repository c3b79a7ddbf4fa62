"""A bucket in memory that answers like S3: create-once, swap by tag, every read sees the last write.

    bucket = Bucket()
    store = Store(Client(bucket, turn=lambda at: "go"), "bucket")

Every request asks `turn` first, which may let it pass, fail it, lose its answer, or have the
machine crash right after it (before it: by raising). Whoever wants to look at each
write puts a function into `bucket.watchers`: it is called with the key after every change. `bucket.damage` changes an
object behind everybody's back. The last three clients keep a promise less, to show that the model notices.
"""
# ruff: noqa: N803  # boto3 names its arguments so

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class NoSuchKey(ClientError):
    """As boto3's client has it."""


def refusal(operation: str, code: str, status: int, kind: type[ClientError] = ClientError) -> ClientError:
    return kind({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


@dataclass
class Bucket:
    """Objects by key, the number of the write that made each, and those that are not what was written."""

    objects: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    writes: int = 0
    requests: int = 0
    too_late: int = 0
    watchers: list[Callable[[str], None]] = field(default_factory=list)

    def put(self, key: str, body: bytes, damaged: bool = False) -> None:
        self.writes += 1
        self.objects[key], self.written[key] = body, self.writes
        (self.damaged.add if damaged else self.damaged.discard)(key)
        for watch in self.watchers:
            watch(key)

    def delete(self, key: str) -> None:
        self.writes += 1
        if self.objects.pop(key, None) is not None:
            for watch in self.watchers:
                watch(key)

    def damage(self, key: str, how: str, where: int) -> None:
        """Flip a bit of the object, cut it off, or remove it; no watcher is called."""
        body = bytearray(self.objects.pop(key))
        place = where % len(body)
        if how != "remove":
            flipped = body[:place] + bytes([body[place] ^ 1 << where % 8]) + body[place + 1 :]
            self.objects[key] = bytes(flipped if how == "flip" else body[:place])
        self.damaged.add(key)

    def tag(self, key: str) -> str | None:
        body = self.objects.get(key)
        return None if body is None else f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@dataclass
class Client:
    """The part of boto3's S3 client that `Store` uses. A transfer is one request."""

    bucket: Bucket
    turn: Callable[[str], str]
    die: Callable[[], None] = lambda: None
    exceptions = SimpleNamespace(NoSuchKey=NoSuchKey)
    meta = SimpleNamespace(endpoint_url="memory:")

    def _ask(self, operation: str, key: str, action: Callable[[], Any]) -> Any:
        self.bucket.requests += 1
        verdict = self.turn(f"{operation} {key}")
        if verdict == "fail":
            raise refusal(operation, "InternalError", 500)
        try:
            return action()
        finally:
            if verdict == "crash":
                self.die()
            if verdict == "lost":
                raise ReadTimeoutError(endpoint_url="memory:")

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            if Key not in self.bucket.objects:
                raise refusal("GetObject", "NoSuchKey", 404, NoSuchKey)
            body = self.bucket.objects[Key]
            return {"Body": StreamingBody(BytesIO(body), len(body)), "ETag": self.bucket.tag(Key)}

        return self._ask("GetObject", Key, get)

    def put_object(
        self,
        Bucket: str,
        Key: str,
        Body: Any,
        IfNoneMatch: str = "",
        IfMatch: str = "",
        ChecksumSHA256: str = "",
    ) -> dict[str, Any]:
        body = Body if isinstance(Body, bytes) else Body.read()

        def put() -> dict[str, Any]:
            held = self.bucket.tag(Key)
            if (IfNoneMatch and held) or (IfMatch and held != IfMatch):
                raise refusal("PutObject", "PreconditionFailed", 412)
            self.bucket.put(Key, body)
            return {"ETag": self.bucket.tag(Key)}

        return self._ask("PutObject", Key, put)

    def delete_object(self, Bucket: str, Key: str, IfMatch: str = "") -> None:
        def delete() -> None:
            if IfMatch and self.bucket.tag(Key) != IfMatch:
                self.bucket.too_late += Key.startswith("steps/")
                raise refusal("DeleteObject", "PreconditionFailed", 412)
            self.bucket.delete(Key)

        self._ask("DeleteObject", Key, delete)

    def download_file(self, bucket: str, key: str, path: str, Callback: Any = None) -> None:
        def download() -> None:
            if key not in self.bucket.objects:
                raise refusal("HeadObject", "404", 404)
            Path(path).write_bytes(self.bucket.objects[key])

        self._ask("GetObject", key, download)

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str]) -> None:
        def copy() -> None:
            source = CopySource["Key"]
            if source not in self.bucket.objects:
                raise refusal("CopyObject", "NoSuchKey", 404, NoSuchKey)
            self.bucket.put(Key, self.bucket.objects[source], source in self.bucket.damaged)

        self._ask("CopyObject", Key, copy)

    def copy(self, source: dict[str, str], bucket: str, key: str, Callback: Any = None) -> None:
        self.copy_object(bucket, key, source)

    def get_paginator(self, operation: str) -> "Client":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[dict[str, Any]]:
        def listed() -> dict[str, Any]:
            keys = sorted(key for key in self.bucket.objects if key.startswith(Prefix))
            if Delimiter:
                folders = {Prefix + key[len(Prefix) :].partition(Delimiter)[0] + Delimiter for key in keys}
                return {"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}
            return {
                "Contents": [
                    {
                        "Key": key,
                        "Size": len(self.bucket.objects[key]),
                        "LastModified": EPOCH + timedelta(seconds=self.bucket.written[key]),
                    }
                    for key in keys
                ]
            }

        yield self._ask("ListObjectsV2", Prefix, listed)


@dataclass
class FilesLast(Client):
    """Keeps files back until the manifest that names them is written: an entry's, or a version's."""

    late: list[Callable[[], Any]] = field(default_factory=list)

    def put_object(self, Bucket: str, Key: str, Body: Any, **options: Any) -> dict[str, Any]:
        if Key.startswith("steps/") and not Key.endswith("/manifest.json"):
            self.late.append(partial(super().put_object, Bucket, Key, Body.read(), **options))
            return {}
        return super().put_object(Bucket, Key, Body, **options) | self.written(Key)

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str]) -> None:
        self.late.append(partial(super().copy_object, Bucket, Key, CopySource))

    def written(self, key: str) -> dict[str, Any]:
        while self.late and key.endswith("/manifest.json"):
            self.late.pop()()
        return {}


class Unconditional(Client):
    """Knows no conditions, like an S3 of 2020."""

    def put_object(self, Bucket: str, Key: str, Body: Any, **options: Any) -> dict[str, Any]:
        return super().put_object(Bucket, Key, Body)


class Ruthless(Client):
    """Deletes an entry's manifest whatever it holds by now."""

    def delete_object(self, Bucket: str, Key: str, IfMatch: str = "") -> None:
        super().delete_object(Bucket, Key, "" if Key.startswith("steps/") else IfMatch)
