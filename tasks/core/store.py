"""Where bytes are: objects of one bucket below one prefix, on any S3-compatible store.

A commit is a small object created once (`create`). Its outcome can be unknown: the first attempt may land and its
answer be lost, so that the retry is told 412 by its own success. After a refusal or a fault the object is therefore
read back and compared; if that does not settle it, everything is left in place and `CommitUnknown` is raised. Cleaning
up there lost data elsewhere (Iceberg #3717, Trino #14869).
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import CommitUnknown, Denied, GlueflowError, Unavailable, WrongRequest
from tasks.core.files import FileEntry
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

ONE_PUT = 1 << 30  # bytes; above it an upload goes in parts
_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"}
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


class Conflict(GlueflowError):
    """A conditional write was refused: somebody else was first."""


class Absent(GlueflowError):
    """There is no such object."""


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
        return self._commit(key, body, lambda whole: self._put(whole, body, IfNoneMatch="*"))

    def swap(self, key: str, body: bytes, tag: str) -> str | None:
        """Replace the object if it still has that tag. Its new tag, or None if another writer was first."""
        return self._commit(key, body, lambda whole: self._put(whole, body, IfMatch=tag))

    def _put(self, whole: str, body: bytes, **condition: str) -> str:
        return self.client.put_object(Bucket=self.bucket, Key=whole, Body=body, **condition)["ETag"]  # type: ignore[arg-type]

    def _commit(self, key: str, body: bytes, write: Callable[[str], str]) -> str | None:
        """The tag of `body` if it is what the object now holds; raises CommitUnknown if that cannot be told."""
        try:
            with self._asking(f"write {key}"):
                return write(self.prefix + key)
        except (Conflict, Absent):
            found = self.read(key)
        except Unavailable as error:
            found = self._read_back(key, error)
        return found[1] if found and found[0] == body else None

    def _read_back(self, key: str, error: Unavailable) -> tuple[bytes, str]:
        """What the object holds after a write without an answer; nothing at all may yet become our write."""
        try:
            found = self.read(key)
        except Unavailable:
            found = None
        if found is None:
            line = f"store: whether {self.uri(key)} was written is unknown; try again ({error})"
            raise CommitUnknown(line) from error
        return found

    def put(self, key: str, body: bytes) -> None:
        """Write the object, whatever was there."""
        with self._asking(f"write {key}"):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body)

    def delete(self, key: str) -> None:
        with self._asking(f"delete {key}"):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Write a file; the store checks the bytes it received against the file's SHA-256 (up to 1 GiB)."""
        with self._asking(f"upload {key}"):
            if path.stat().st_size > ONE_PUT:
                self.client.upload_file(str(path), self.bucket, self.prefix + key)
                return
            checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
            with path.open("rb") as file:
                self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=file, ChecksumSHA256=checksum)

    def download(self, key: str, path: Path) -> None:
        """Write the object's bytes to `path`; whoever asked compares them with the digest that it knows."""
        with self._asking(f"download {key}"):
            self.client.download_file(self.bucket, self.prefix + key, str(path))

    def copy(self, source: str, target: str) -> None:
        """Copy an object inside the store; its bytes do not pass through this machine."""
        with self._asking(f"copy {source}"):
            self.client.copy({"Bucket": self.bucket, "Key": self.prefix + source}, self.bucket, self.prefix + target)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Size in bytes of every object below the prefix, by key."""
        return {item["Key"][len(self.prefix) :]: item["Size"] for item in self._list(prefix)}

    def newest(self, prefix: str, suffix: str, count: int) -> list[str]:
        """At most `count` keys below the prefix that end so, the last written first."""
        found = [item for item in self._list(prefix) if item["Key"].endswith(suffix)]
        found.sort(key=lambda item: item["LastModified"], reverse=True)
        return [item["Key"][len(self.prefix) :] for item in found[:count]]

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

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn botocore's errors into ours: denied at once, absent or conflicting, or a fault that may pass."""
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except NoCredentialsError:
            raise Denied(
                f"store: no credentials for {self.uri('')}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from None
        except ClientError as error:
            raise self._refusal(what, error.response) from error
        except (BotoCoreError, S3UploadFailedError) as error:
            raise Unavailable(f"store: cannot {what} at {self._endpoint()}: {_first_line(error)}") from error

    def _refusal(self, what: str, response: Mapping[str, object]) -> GlueflowError:
        error = response.get("Error")
        code = str(error.get("Code", "")) if isinstance(error, dict) else ""
        line = f"store: cannot {what} in {self.uri('')} at {self._endpoint()}: {code}"
        if code in _DENIED:
            return Denied(f"{line}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy")
        if code in _CONFLICT:
            return Conflict(line)
        if code == "NoSuchBucket":
            return WrongRequest(f"{line}; create the bucket, or set GLUEFLOW_BUCKET to one that exists")
        if code in _ABSENT:
            return Absent(line)
        meta = response.get("ResponseMetadata")
        status = meta.get("HTTPStatusCode", 0) if isinstance(meta, dict) else 0
        return Unavailable(line) if status >= 500 or code in ("SlowDown", "RequestTimeout") else GlueflowError(line)

    def _endpoint(self) -> str:
        return self.client.meta.endpoint_url


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def open_store(settings: Settings) -> Store:
    """The store of these settings: GLUEFLOW_BUCKET, or the embedded one; raises Unavailable if that is not running."""
    if settings.bucket:
        bucket, _, prefix = settings.bucket.removeprefix("s3://").partition("/")
        return Store(_client(), bucket, prefix.rstrip("/") + "/" if prefix else "")
    try:
        stack = json.loads((settings.stack / "stack.json").read_text())
    except FileNotFoundError:
        raise Unavailable("store: the embedded store is not running; start it with `glueflow up`") from None
    client = _client(
        endpoint_url=stack["endpoint"],
        aws_access_key_id=stack["access_key"],
        aws_secret_access_key=stack["secret_key"],
        region_name="us-east-1",
    )
    return Store(client, stack["bucket"])


def _client(**options: str) -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=16,
        request_checksum_calculation="when_required",  # some S3-compatible stores mishandle more
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": False},  # the SHA-256 we send already covers the body
    )
    return boto3.session.Session().client("s3", config=config, **options)  # type: ignore[call-overload,no-any-return]


def object_key(folder: str, file: FileEntry) -> str:
    """The object of one file of an entry: below its digest, so that two builders never write over each other."""
    return f"{folder}/{file.sha256[:16]}/{file.path}"
