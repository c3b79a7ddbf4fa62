"""The store on a real SeaweedFS: conditional creation, checksums, and what is said when it is away or shut."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from tasks.core.errors import CommitUnknown, Denied, GlueflowError, Unavailable, WrongRequest
from tasks.core.store import Absent
from tests.conftest import Corner


def test_of_many_that_create_one_key_one_succeeds(corner: Corner) -> None:
    start = threading.Barrier(16)

    def race(number: int) -> bool:
        start.wait()
        return corner.store.create("one", f"writer {number}".encode())

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(race, range(16)))
    assert won.count(True) == 1
    assert corner.store.get("one") == f"writer {won.index(True)}".encode()


def test_creating_the_same_again_is_no_conflict(corner: Corner) -> None:
    assert corner.store.create("key", b"body")
    assert corner.store.create("key", b"body")
    assert not corner.store.create("key", b"other")


@pytest.mark.parametrize("size", [None, 100_000])
def test_upload_download_copy_list_and_delete(corner: Corner, tmp_path: Path, size: int | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    corner.store.upload(path, "a/b/file", hashlib.sha256(path.read_bytes()).hexdigest())
    corner.store.copy("a/b/file", "a/c/file", size)
    corner.store.download("a/c/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert corner.store.sizes("a/") == {"a/b/file": 100_000, "a/c/file": 100_000}
    assert corner.store.folders("a/") == ["b", "c"]
    corner.store.delete("a/b/file")
    assert corner.store.get("a/b/file") is None
    with pytest.raises(Absent, match="a/b/file"):
        corner.store.copy("a/b/file", "a/c/file", size)


def test_bytes_that_differ_from_their_digest_are_not_stored(corner: Corner, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"what arrived")
    with pytest.raises(GlueflowError, match="upload file"):
        corner.store.upload(path, "file", hashlib.sha256(b"what was meant").hexdigest())
    assert corner.keys() == set()


def _fault(corner: Corner, operation: str, times: int, status: int, really_send: bool = False) -> None:
    """The next `times` answers to an operation become `status`, optionally after the request was carried out."""
    left = [times]

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        if left[0] == 0:
            return None
        left[0] -= 1
        if really_send:
            from botocore.httpsession import URLLib3Session

            URLLib3Session().send(request)
        return AWSResponse(request.url, status, {}, Empty())

    corner.store.client.meta.events.register(f"before-send.s3.{operation}", answer)


class Empty:
    def stream(self, **_: Any) -> list[bytes]:
        return [b""]


def test_a_commit_that_landed_before_its_answer_was_lost_is_read_back(corner: Corner) -> None:
    _fault(corner, "PutObject", times=1, status=500, really_send=True)
    assert corner.store.create("commit", b"mine")  # the retry meets 412 from itself
    assert corner.store.get("commit") == b"mine"


def test_a_commit_that_nobody_can_confirm_is_unknown_and_left_alone(corner: Corner) -> None:
    _fault(corner, "PutObject", times=99, status=500)
    with pytest.raises(CommitUnknown, match="commit"):
        corner.store.create("commit", b"mine")


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_that_stays_is_unavailable(corner: Corner, status: int) -> None:
    _fault(corner, "GetObject", times=99, status=status)
    with pytest.raises(Unavailable) as caught:
        corner.store.get("key")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)


def test_wrong_credentials_are_denied_at_once(corner: Corner) -> None:
    shut = Corner(corner.home, {**corner.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}, corner.prefix).store
    with pytest.raises(Denied, match="AWS_ACCESS_KEY_ID") as caught:
        shut.get("key")
    assert not caught.value.retryable
    assert "wrong" not in str(caught.value)


def test_a_store_that_is_away_is_named(corner: Corner) -> None:
    away = Corner(corner.home, {**corner.environment, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, corner.prefix).store
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        away.check()


def test_a_bucket_that_does_not_exist_is_a_wrong_request(corner: Corner) -> None:
    lost = Corner(corner.home, {**corner.environment, "GLUEFLOW_BUCKET": "s3://no-such-bucket"}, "").store
    with pytest.raises(WrongRequest, match="no-such-bucket"):
        lost.check()


def test_a_bucket_uri_is_checked(corner: Corner) -> None:
    with pytest.raises(WrongRequest, match="GLUEFLOW_BUCKET: 'models'"):
        Corner(corner.home, {**corner.environment, "GLUEFLOW_BUCKET": "models"}, "")
