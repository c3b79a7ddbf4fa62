"""The real huggingface_hub client against a hub on this machine: refusals, faults, wrong bytes."""

from datetime import date
from pathlib import Path

import pytest

from tasks.core import hub
from tasks.core.errors import Denied, GlueflowError, Unavailable, WrongRequest
from tests import test_hub
from tests.hub_server import Hub
from tests.test_hub import CHECKPOINT, DATA, LONG, MATCHED, MODEL, TRAIN, blobs, held, offline, one_line

server, commit, model, cache = test_hub.server, test_hub.commit, test_hub.model, test_hub.cache


@pytest.mark.parametrize("as_of", [None, date(2024, 6, 1)])
@pytest.mark.parametrize(
    ("repo", "revision", "fault", "kind", "hint"),
    [
        ("nyu-mll/glu", "main", None, WrongRequest, "hf://nyu-mll/glu@main does not exist"),
        (DATA, "v9", None, WrongRequest, "v9: the hub has no such revision"),
        (DATA, "main", "401", Denied, "hf auth login"),
        (DATA, "main", "403", Denied, "HF_TOKEN"),
        (DATA, "main", "gated", Denied, "HF_TOKEN"),
        (DATA, "main", "404", WrongRequest, "does not exist"),
        (DATA, "main", "503", Unavailable, "HF_HUB_OFFLINE"),
        (DATA, "main", "429", Unavailable, "sample:"),
        (DATA, "main", "html", Unavailable, "no good answer"),
    ],
)
def test_what_the_hub_refuses_becomes_one_line(
    server: Hub, commit: str, repo: str, revision: str, fault: str | None, kind: type, hint: str, as_of: date | None
) -> None:
    if fault:
        server.fail("/api/", fault, times=99)
    with pytest.raises(kind) as error:
        hub.resolve(repo, revision, "dataset", as_of)
    assert hint in one_line(error)
    assert one_line(error).startswith("data: hf://")


@pytest.mark.parametrize("as_of", [None, date(2024, 6, 1)])
def test_a_silent_hub_is_given_up(
    server: Hub, commit: str, as_of: date | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    server.fail("/api/", "slow", times=99)
    with pytest.raises(Unavailable, match="Timeout"):
        hub.resolve(DATA, "main", "dataset", as_of)


def test_no_network_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Hub() as gone:
        gone.lead(monkeypatch, tmp_path)
    with pytest.raises(Unavailable, match="ConnectError") as error:
        hub.resolve(DATA, "main", "dataset")
    assert error.value.retryable
    assert "HF_HUB_OFFLINE" in one_line(error)


@pytest.mark.parametrize("kind", ["500", "503", "429", "cut", "wrong", "html"])
@pytest.mark.parametrize("where", ["GET /tiny/bert/resolve", "HEAD /tiny/bert/resolve", "/tree/"])
def test_a_passing_fault_never_leaves_a_wrong_file(server: Hub, model: str, cache: Path, where: str, kind: str) -> None:
    server.fail(where, kind)
    try:
        folder = hub.download(MODEL, model, "model", None, cache)
    except Unavailable:
        assert blobs(cache) <= set(CHECKPOINT.values())
        folder = hub.download(MODEL, model, "model", None, cache)
    assert held(folder) == CHECKPOINT
    assert blobs(cache) == set(CHECKPOINT.values())


@pytest.mark.parametrize("where", ["/revision/", "/commits/", "/tree/", "/resolve/"])
def test_a_busy_hub_is_left_alone_for_as_long_as_it_says(server: Hub, commit: str, cache: Path, where: str) -> None:
    """Until then it answers nothing at all."""
    server.fail(where, "busy")
    as_of = date(2024, 6, 1) if where == "/commits/" else None
    assert hub.resolve(DATA, "main", "dataset", as_of) == commit
    assert held(hub.download(DATA, commit, "dataset", [TRAIN], cache)) == {TRAIN: LONG}


@pytest.mark.parametrize("kind", ["500", "503", "429", "cut", "wrong", "html"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_lasting_fault_is_unavailable_and_leaves_nothing_of_the_file(
    server: Hub, model: str, cache: Path, name: str, kind: str
) -> None:
    server.fail(f"GET /tiny/bert/resolve/{model}/{name}", kind, times=999)
    with pytest.raises(Unavailable, match=name) as error:
        hub.download(MODEL, model, "model", None, cache)
    assert error.value.retryable
    one_line(error)
    kept = {path.name: path.read_bytes() for path in cache.glob(f"*/snapshots/{model}/*")}
    assert kept == {path: data for path, data in CHECKPOINT.items() if path in kept and path != name}
    assert blobs(cache) <= set(CHECKPOINT.values()) - {CHECKPOINT[name]}


@pytest.mark.parametrize(
    ("kind", "expected"), [("401", Denied), ("403", Denied), ("gated", Denied), ("404", WrongRequest)]
)
def test_a_refused_file_is_named(server: Hub, model: str, cache: Path, kind: str, expected: type) -> None:
    server.fail("/resolve/", kind, times=99)
    with pytest.raises(expected) as error:
        hub.download(MODEL, model, "model", None, cache)
    assert one_line(error).startswith(f"checkpoint: hf://tiny/bert@{model}/config.json")


def test_a_slow_hub_is_waited_for_and_a_silent_one_given_up(
    server: Hub, commit: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.fail(f"GET /datasets/{DATA}/resolve", "slow")
    assert held(hub.download(DATA, commit, "dataset", [MATCHED], cache)) == {MATCHED: b"matched"}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    server.fail(f"GET /datasets/{DATA}/resolve", "slow", times=99)
    with pytest.raises(Unavailable, match="Timeout"):
        hub.download(DATA, commit, "dataset", [TRAIN], cache)


@pytest.mark.parametrize("as_of", [None, date(2024, 6, 1)])
def test_offline_what_is_not_here_says_what_would_help(
    server: Hub, commit: str, cache: Path, as_of: date | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.download(DATA, commit, "dataset", [TRAIN], cache)
    hub.resolve(DATA, "main", "dataset")
    offline(monkeypatch)
    with pytest.raises(Unavailable) as error:
        hub.resolve(DATA, "main", "dataset", as_of)
    assert "give a full commit" in one_line(error)
    for other, path in ((commit, MATCHED), ("b" * 40, TRAIN)):
        with pytest.raises(Unavailable) as error:
            hub.download(DATA, other, "dataset", [path], cache)
        assert "HF_HUB_OFFLINE is set" in one_line(error)


OUTSIDE = ["../../../evil.json", "/etc/evil.json", "a/../../evil.json", "a\\..\\evil.json", "C:/evil.json"]


@pytest.mark.parametrize("path", [*OUTSIDE, "a//b", "./a", "a\nb"])
def test_a_repository_that_lists_a_path_outside_is_refused_whole(server: Hub, cache: Path, path: str) -> None:
    commit = server.add_commit(MODEL, "model", "2024-02-01", CHECKPOINT | {path: b"evil"})
    with pytest.raises(WrongRequest, match="could leave its folder") as error:
        hub.download(MODEL, commit, "model", None, cache)
    one_line(error)
    assert not cache.exists()
    assert not [one for one in server.requests if "/resolve/" in one.path]


def test_a_file_that_is_not_in_the_commit_is_named(server: Hub, commit: str, cache: Path) -> None:
    for path in ("mrpc/none.parquet", "../evil", "/etc/passwd"):
        with pytest.raises(WrongRequest) as error:
            hub.download(DATA, commit, "dataset", [path], cache)
        assert f"{path} does not exist on the hub" in one_line(error)


@pytest.mark.parametrize("commit_like", ["main", "abc1234", "../" + "a" * 37, ""])
def test_download_takes_full_commits_only(server: Hub, commit_like: str, cache: Path) -> None:
    with pytest.raises(WrongRequest, match="full commit"):
        hub.download(DATA, commit_like, "dataset", [TRAIN], cache)
    assert server.requests == []


def test_a_full_disk_is_said_so(commit: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(cache))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(GlueflowError, match="no space left"):
        hub.download(DATA, commit, "dataset", [TRAIN], cache)
    assert blobs(cache) == set()


@pytest.mark.parametrize("token", ["hf_secret", "hf_sec\x01ret", "hf_sécret"])
def test_a_token_is_sent_and_never_told(server: Hub, commit: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    server.fail("/api/", "403", times=99)
    with pytest.raises(GlueflowError) as error:
        hub.resolve(DATA, "main", "dataset")
    assert token not in one_line(error)
    assert error.value.__suppress_context__
    assert {one.authorization for one in server.requests} <= {f"Bearer {token}"}
