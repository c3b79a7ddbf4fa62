"""Where bytes are: objects of one bucket below one prefix, on any S3-compatible store.

A commit is a small object created once (`create`). Its outcome can be unknown: the first attempt may land and its
answer be lost, so that the retry is told 412 by its own success. After a refusal or a fault the object is therefore
read back and compared; if that does not settle it, everything is left in place and `CommitUnknown` is raised. Cleaning
up there lost data elsewhere (Iceberg #3717, Trino #14869).
"""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import CommitUnknown, Unavailable, disk_error
from tasks.core.files import FileEntry
from tasks.core.moving import Followed, Moved, summed, unheard
from tasks.core.s3 import Absent as Absent
from tasks.core.s3 import Aged, Upload, asking, client, refusal, seconds_between, store_time
from tasks.core.s3 import Conflict as Conflict
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

ONE_PUT = 1 << 30  # bytes; above it an upload goes in parts
ONE_COPY = 1 << 28  # bytes; above it a copy goes in parts: the store is silent until a part is copied
BLOCK = 1 << 20  # bytes
TRIES = 3  # of a conditional write that was refused although nothing stood in its way


@dataclass(frozen=True)
class Store:
    """Objects below `prefix` of `bucket`. Keys are relative to the prefix and never begin with a slash."""

    client: "S3Client"
    bucket: str
    prefix: str = ""

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    def check(self) -> None:
        """Ask for the bucket, so that a store that is away or shut is known before any work is done."""
        with self._asking("open the bucket"):
            self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)  # HEAD would not say why it refuses

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None if there is none."""
        found = self.read(key)
        return found[0] if found else None

    def read(self, key: str) -> tuple[bytes, str] | None:
        """The object's bytes and its tag for `swap`, or None if there is none."""
        with self._asking(f"read {key}"):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
                return answer["Body"].read(), answer["ETag"]
            except self.client.exceptions.NoSuchKey:
                return None

    def create(self, key: str, body: bytes) -> bool:
        """Create the object unless it is there. True if it now holds `body`, False if it holds something else."""
        return self.created(key, body) is not None

    def created(self, key: str, body: bytes) -> str | None:
        """As `create`; the object's tag instead of True, None instead of False."""
        return self._commit(key, body, None)

    def swap(self, key: str, body: bytes, tag: str) -> str | None:
        """Replace the object if it still has that tag. Its new tag, or None if another writer was first."""
        return self._commit(key, body, tag)

    def _commit(self, key: str, body: bytes, tag: str | None) -> str | None:
        """The tag of `body` if the object now holds it, None if it is another's; tried again while the object is still
        what the write was to replace (`tag`, or nothing). Raises CommitUnknown if the outcome cannot be told."""
        condition: Any = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
        for _ in range(TRIES):
            try:
                with self._asking(f"write {key}"):
                    answer = self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body, **condition)
                    return answer["ETag"]
            except (Conflict, Absent):  # 409: it met another write, and neither may have landed
                found = self.read(key)
            except Unavailable as error:
                found = self._read_back(key, error)
            if found and found[0] == body:
                return found[1]
            if (found[1] if found else None) != tag:
                return None
        raise CommitUnknown(f"store: {self.uri(key)} was refused {TRIES} times with nothing in its way; try again")

    def _read_back(self, key: str, error: Unavailable) -> tuple[bytes, str]:
        """What the object holds after a write without an answer; nothing at all may yet become our write."""
        try:
            found = self.read(key)
        except Unavailable:
            found = None
        if found is None:
            raise CommitUnknown(
                f"store: whether {self.uri(key)} was written is unknown; try again ({error})"
            ) from error
        return found

    def put(self, key: str, body: bytes) -> None:
        """Write the object, whatever was there."""
        with self._asking(f"write {key}"):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body)

    def delete(self, key: str) -> None:
        with self._asking(f"delete {key}"):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def remove(self, key: str, tag: str) -> bool:
        """Delete the object if it still has that tag. False if it is another's; one that is gone is removed."""
        try:
            with self._asking(f"delete {key}"):
                self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key, IfMatch=tag)
        except (Conflict, Absent):
            return self.read(key) is None
        return True

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete up to 1,000 objects with one request; one that is not there is no error."""
        with self._asking(f"delete {len(keys)} objects"):
            answer = self.client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": self.prefix + key} for key in keys], "Quiet": True}
            )
        for error in answer.get("Errors", []):
            raise refusal(f"delete {error.get('Key')}", self.uri(""), self.client.meta.endpoint_url, {"Error": error})

    def upload(self, path: Path, key: str, sha256: str, moved: Moved = unheard) -> None:
        """Write a file; the store checks the bytes it received against the file's SHA-256 (up to 1 GiB)."""
        with self._asking(f"upload {key}"):
            if path.stat().st_size > ONE_PUT:
                self.client.upload_file(str(path), self.bucket, self.prefix + key, Callback=summed(moved))
                return
            checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
            with Followed(path, moved) as file:
                self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=file, ChecksumSHA256=checksum)

    def download(self, key: str, path: Path, moved: Moved = unheard) -> None:
        """Write the object's bytes to `path`; whoever asked compares them with the digest that it knows."""
        with self._asking(f"download {key}"):
            try:
                self.client.download_file(self.bucket, self.prefix + key, str(path), Callback=summed(moved))
            except OSError as error:
                raise disk_error(error, path.parent) from error

    def blocks(self, key: str) -> Iterator[bytes]:
        """The object's bytes, a block at a time; raises Absent if there is none."""
        with self._asking(f"read {key}"):
            yield from self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].iter_chunks(BLOCK)

    def copy(self, source: str, target: str, size: int | None = None, moved: Moved = unheard) -> None:
        """Copy an object, of that size if it is known, inside the store; its bytes do not pass through this machine."""
        origin: Any = {"Bucket": self.bucket, "Key": self.prefix + source}
        with self._asking(f"copy {source}"):
            if size is None or size > ONE_COPY:
                self.client.copy(origin, self.bucket, self.prefix + target, Callback=summed(moved))
            else:
                self.client.copy_object(Bucket=self.bucket, Key=self.prefix + target, CopySource=origin)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Size in bytes of every object below the prefix, by key."""
        return {item["Key"][len(self.prefix) :]: item["Size"] for item in self._list(prefix)}

    def newest(self, prefix: str, suffix: str, count: int) -> list[str]:
        """At most `count` keys below the prefix that end so, the last written first."""
        found = [item for item in self._list(prefix) if item["Key"].endswith(suffix)]
        found.sort(key=lambda item: item["LastModified"], reverse=True)
        return [item["Key"][len(self.prefix) :] for item in found[:count]]

    def ages(self, prefix: str = "") -> dict[str, Aged]:
        """Size and age of every object below the prefix, by key. Its clock is the Date of the store's first answer."""
        with self._asking(f"list {prefix}"):
            pages = list(
                self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
            )
        now = store_time(pages[0])
        return {
            item["Key"][len(self.prefix) :]: Aged(item["Size"], seconds_between(item["LastModified"], now))
            for page in pages
            for item in page.get("Contents", [])
        }

    def uploads(self, prefix: str = "") -> list[Upload]:
        """Multipart uploads below the prefix that were never finished; their parts are paid for and shown nowhere."""
        with self._asking(f"list uploads of {prefix}"):
            pages = list(
                self.client.get_paginator("list_multipart_uploads").paginate(
                    Bucket=self.bucket, Prefix=self.prefix + prefix
                )
            )
        now = store_time(pages[0])
        return [
            Upload(item["Key"][len(self.prefix) :], item["UploadId"], seconds_between(item["Initiated"], now))
            for page in pages
            for item in page.get("Uploads", [])
        ]

    def abort(self, upload: Upload) -> None:
        """Give a multipart upload up; one that is gone already is no error."""
        with suppress(Absent), self._asking(f"abort the upload of {upload.key}"):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=self.prefix + upload.key, UploadId=upload.id)

    def _list(self, prefix: str) -> list["ObjectTypeDef"]:
        with self._asking(f"list {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            return [item for page in pages for item in page.get("Contents", [])]

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below the prefix (which ends with a slash)."""
        with self._asking(f"list {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, Delimiter="/"
            )
            found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return [name[len(self.prefix) + len(prefix) : -1] for name in found]

    def _asking(self, what: str) -> AbstractContextManager[None]:
        return asking(what, self.uri(""), self.client.meta.endpoint_url)


def open_store(settings: Settings) -> Store:
    """The store of these settings: GLUEFLOW_BUCKET, or the embedded one; raises Unavailable if that is not running."""
    if settings.bucket:
        bucket, _, prefix = settings.bucket.removeprefix("s3://").partition("/")
        return Store(client(), bucket, prefix.rstrip("/") + "/" if prefix else "")
    try:
        stack = json.loads((settings.stack / "stack.json").read_text())
    except FileNotFoundError:
        raise Unavailable("store: the embedded store is not running; start it with `glueflow up`") from None
    local = client(
        endpoint_url=stack["endpoint"],
        aws_access_key_id=stack["access_key"],
        aws_secret_access_key=stack["secret_key"],
        region_name="us-east-1",
    )
    return Store(local, stack["bucket"])


def object_key(folder: str, file: FileEntry) -> str:
    """The object of one file of an entry: below its digest, so that two builders never write over each other."""
    return f"{folder}/{file.sha256[:16]}/{file.path}"
