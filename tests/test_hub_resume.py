"""The real huggingface_hub client and what is on this disk already: part of a download, a cache that rots."""

import hashlib
import json
from pathlib import Path

import pytest

from tasks.core import hub
from tasks.core.errors import Unavailable
from tests import test_hub
from tests.hub_server import Hub, git_blob
from tests.test_hub import DATA, LONG, TRAIN, blobs, held

server, commit, cache = test_hub.server, test_hub.commit, test_hub.cache


def starts(server: Hub) -> list[int]:
    """The first byte that each download asked for."""
    asked = [one.range for one in server.requests if one.method == "GET" and "/resolve/" in one.path]
    return [int((each or "bytes=0-").removeprefix("bytes=").rstrip("-")) for each in asked]


def test_a_broken_download_goes_on_where_it_broke(
    server: Hub, commit: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1_000)  # 10 MB: what comes in less is lost
    server.fail(f"GET /datasets/{DATA}/resolve", "cut", times=2)
    folder = hub.download(DATA, commit, "dataset", [TRAIN], cache)
    assert held(folder) == {TRAIN: LONG}
    first, second, third = starts(server)
    assert first == 0 < second <= len(LONG) // 2 < third < len(LONG)


@pytest.mark.parametrize("kind", ["503", "429", "cut"])
def test_another_call_goes_on_where_the_last_one_was_given_up(
    server: Hub, commit: str, cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The last one may have been another process, killed on the way."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1_000)
    server.fail(f"GET /datasets/{DATA}/resolve", "cut")
    server.fail(f"GET /datasets/{DATA}/resolve", kind, times=99)
    with pytest.raises(Unavailable):
        hub.download(DATA, commit, "dataset", [TRAIN], cache)
    assert held(cache / "datasets--nyu-mll--glue" / "snapshots") == {}
    server.faults.clear()
    server.requests.clear()
    assert held(hub.download(DATA, commit, "dataset", [TRAIN], cache)) == {TRAIN: LONG}
    [start] = starts(server)
    assert 40_000 < start < len(LONG)


def test_what_was_kept_of_a_broken_download_is_not_trusted(server: Hub, commit: str, cache: Path) -> None:
    partial = cache / "datasets--nyu-mll--glue" / "partial" / hashlib.sha256(LONG).hexdigest()
    partial.parent.mkdir(parents=True)
    for kept in (b"?" * 1000, b"?" * len(LONG)):
        partial.write_bytes(kept)
        with pytest.raises(Unavailable, match="not the bytes"):
            hub.download(DATA, commit, "dataset", [TRAIN], cache)
        assert blobs(cache) == set()
        assert not partial.exists()
    partial.write_bytes(LONG + b"more")
    assert held(hub.download(DATA, commit, "dataset", [TRAIN], cache)) == {TRAIN: LONG}


def test_a_file_that_rots_in_the_cache_is_found_and_fetched_anew(server: Hub, commit: str, cache: Path) -> None:
    folder = hub.download(DATA, commit, "dataset", [TRAIN], cache)
    (folder / TRAIN).resolve().write_bytes(LONG[:-1] + b"?")
    with pytest.raises(Unavailable, match="not the bytes"):
        hub.download(DATA, commit, "dataset", [TRAIN], cache)
    assert held(folder) == {}
    assert held(hub.download(DATA, commit, "dataset", [TRAIN], cache)) == {TRAIN: LONG}


def test_a_listing_that_rots_in_the_cache_is_asked_for_anew(server: Hub, commit: str, cache: Path) -> None:
    hub.download(DATA, commit, "dataset", [TRAIN], cache)
    [listing] = cache.glob("*/listings/*")
    digest = hashlib.sha256(LONG).hexdigest()
    listing.write_text(listing.read_text().replace(digest, "0" * 64))
    with pytest.raises(Unavailable, match="not the bytes"):
        hub.download(DATA, commit, "dataset", [TRAIN], cache)
    hub.download(DATA, commit, "dataset", [TRAIN], cache)
    listing.write_bytes(b"{")
    assert held(hub.download(DATA, commit, "dataset", [TRAIN], cache)) == {TRAIN: LONG}
    assert json.loads(listing.read_text())[TRAIN] == [len(LONG), digest]
    assert json.loads(listing.read_text())["README.md"] == [6, git_blob(b"# GLUE")]
