"""boto3's client as we want it, and what S3 answers in our words.

with asking("read pins/9b1d….json", "s3://bucket/", "http://127.0.0.1:8333"):    # AccessDenied becomes Denied
    client.get_object(Bucket="bucket", Key="pins/9b1d….json")
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tasks.core.errors import Denied, GlueflowError, Unavailable, WrongRequest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"}
_ABSENT = {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


class Conflict(GlueflowError):
    """A conditional write was refused: somebody else was first."""


class Absent(GlueflowError):
    """There is no such object."""


@dataclass(frozen=True)
class Aged:
    """An object's size in bytes, and the seconds since it was written, by the store's own clock."""

    size: int
    age: float


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was begun and neither finished nor given up."""

    key: str
    id: str
    age: float


def client(**options: str) -> "S3Client":
    """A client with short time limits and few tries: whoever asks decides whether to try again."""
    unwanted = "urllib3.contrib.pyopenssl"  # where it is, botocore prefers it to Python's own ssl: 40 ms to import
    if hidden := unwanted not in sys.modules:
        sys.modules[unwanted] = None  # type: ignore[assignment]  # an import of it now fails
    import boto3
    from botocore.config import Config
    from botocore.session import get_session

    if hidden:
        del sys.modules[unwanted]

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=16,
        request_checksum_calculation="when_required",  # some S3-compatible stores mishandle more
        response_checksum_validation="when_required",
        signature_version="s3v4",  # else links are signed by a scheme that newer regions refuse
        s3={"payload_signing_enabled": False},  # the SHA-256 we send already covers the body
    )
    session = get_session()  # its loader would look through the folders of 400 services, three times, for that of S3
    session.get_component("data_loader").list_available_services = lambda _: ["s3"]
    return boto3.session.Session(botocore_session=session).client("s3", config=config, **options)  # type: ignore[call-overload,no-any-return]  # the stubs know no **options


@contextmanager
def asking(what: str, place: str, endpoint: str) -> Iterator[None]:
    """Turn botocore's errors into ours: denied at once, absent or conflicting, or a fault that may pass."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from s3transfer.exceptions import S3DownloadFailedError

    try:
        yield
    except NoCredentialsError:
        raise Denied(f"store: no credentials for {place}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from None
    except ClientError as error:
        raise refusal(what, place, endpoint, error.response) from error
    except (BotoCoreError, Boto3Error, S3DownloadFailedError) as error:
        raise Unavailable(f"store: cannot {what} at {endpoint}: {_first_line(error)}") from error


def refusal(what: str, place: str, endpoint: str, response: Mapping[str, Any]) -> GlueflowError:
    """The error that an answer of S3 means."""
    code = str(response.get("Error", {}).get("Code", ""))
    line = f"store: cannot {what} in {place} at {endpoint}: {code}"
    if code in _DENIED:
        return Denied(f"{line}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy")
    if code in _CONFLICT:
        return Conflict(line)
    if code == "NoSuchBucket":
        return WrongRequest(f"{line}; create the bucket, or set GLUEFLOW_BUCKET to one that exists")
    if code in _ABSENT:
        return Absent(line)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passing = status >= 500 or code in ("SlowDown", "RequestTimeout", "InternalError")
    return Unavailable(line) if passing else GlueflowError(line)


def store_time(answer: Mapping[str, Any]) -> datetime:
    """When the store gave the answer, by its own clock, in whole seconds."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def seconds_between(written: datetime, now: datetime) -> float:
    """Age in whole seconds; both times are the store's."""
    return (now - written.replace(microsecond=0)).total_seconds()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
