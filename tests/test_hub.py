"""The real huggingface_hub client against a hub on this machine: names, files, and what is asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tasks.core import hub
from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.progress import listening
from tests.hub_server import Hub

DATA, MODEL = "nyu-mll/glue", "tiny/bert"
TRAIN, MATCHED = "mrpc/train-00000-of-00001.parquet", "mnli/validation_matched-00000-of-00001.parquet"
LONG = bytes(range(256)) * 400  # 100 kB, so that half of it is worth resuming
TABLES = {
    "README.md": b"# GLUE",
    TRAIN: LONG,
    "mrpc/test-00000-of-00001.parquet": b"test",
    "mnli/train-00000-of-00002.parquet": b"first",
    "mnli/train-00001-of-00002.parquet": b"second",
    MATCHED: b"matched",
}
CHECKPOINT = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": LONG,
    "tokenizer.json": b"{}",
    "vocab.txt": b"[PAD]",
    "spiece.model": b"pieces",
}
NOT_LOADED = {
    "pytorch_model.bin": b"\x80\x04pickle",
    "training_args.bin": b"\x80\x04pickle",
    "modeling_tiny.py": b"print('hello')",
    "README.md": b"# tiny",
    "onnx/model.onnx": b"graph",
    "1_Pooling/config.json": b"{}",
    "nested/spiece.model": b"pieces",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub(page=2) as running:
        running.lead(monkeypatch, tmp_path / "home")
        yield running


@pytest.fixture
def commit(server: Hub) -> str:
    """The only commit of the data set."""
    return server.add_commit(DATA, "dataset", "2024-01-30T22:19:43", TABLES)


@pytest.fixture
def model(server: Hub) -> str:
    return server.add_commit(MODEL, "model", "2024-02-01", CHECKPOINT | NOT_LOADED)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As HF_HUB_OFFLINE=1 does, which the client reads when it is imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def held(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def blobs(cache: Path) -> set[bytes]:
    """All bytes that the client's cache keeps as content of some repository, partial files too."""
    return {path.read_bytes() for path in cache.glob("*/blobs/*") if path.is_file()}


def one_line(error: pytest.ExceptionInfo[GlueflowError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 320
    return text


def test_a_branch_a_tag_and_the_default_stand_for_their_commit(server: Hub) -> None:
    first = server.add_commit(DATA, "dataset", "2023-05-01", {"a.txt": b"1"})
    server.add_ref(DATA, "dataset", "v1", first)
    second = server.add_commit(DATA, "dataset", "2024-05-01", {"a.txt": b"2"})
    server.add_ref(DATA, "dataset", "refs/pr/3", first)
    assert hub.resolve(DATA, "v1", "dataset") == first
    assert hub.resolve(DATA, "refs/pr/3", "dataset") == first
    assert hub.resolve(DATA, "main", "dataset") == second
    assert hub.resolve(DATA, None, "dataset") == second


def test_a_full_commit_is_not_asked_about(server: Hub) -> None:
    assert hub.resolve(DATA, "a" * 40, "dataset") == "a" * 40
    assert server.requests == []


@pytest.mark.parametrize(
    ("day", "position"),
    [("2023-05-01", 0), ("2023-06-30", 1), ("2023-07-01", 2), ("2023-12-31", 3), ("2024-01-01", 4), ("2030-01-01", 4)],
)
def test_as_of_is_the_newest_commit_of_that_day_in_utc(server: Hub, day: str, position: int) -> None:
    dates = [
        "2023-05-01",
        "2023-06-30T23:59:59",
        "2023-07-01T00:00:00",
        "2024-01-01T01:00:00+02:00",
        "2024-01-01T12:00",
    ]
    commits = [server.add_commit(DATA, "dataset", when, {"a.txt": when.encode()}) for when in dates]
    assert hub.resolve(DATA, "main", "dataset", date.fromisoformat(day)) == commits[position]


def test_as_of_before_the_first_commit_names_its_date(server: Hub, commit: str) -> None:
    with pytest.raises(WrongRequest) as error:
        hub.resolve(DATA, None, "dataset", date(2020, 1, 1))
    assert "2024-01-30" in one_line(error)


@pytest.mark.parametrize("repo", ["../etc", "a/b/c", "/glue", "nyu-mll\\glue", "a--b/c", "", "glue@main"])
def test_a_name_that_is_no_repository_is_not_asked_for(server: Hub, repo: str) -> None:
    with pytest.raises(WrongRequest, match="owner/name"):
        hub.resolve(repo, "main", "dataset")
    assert server.requests == []


@pytest.mark.parametrize("revision", ["..", "../main", "a/../b", ".hidden", "a b", "a\\b", "a?b", "a#b", "-x", "a\n"])
def test_a_name_that_is_no_revision_is_not_asked_for(server: Hub, revision: str) -> None:
    with pytest.raises(WrongRequest, match="revision"):
        hub.resolve(DATA, revision, "dataset")
    assert server.requests == []


def test_parquet_files_by_split(commit: str) -> None:
    assert hub.parquet_files(DATA, commit, "mrpc") == {"train": [TRAIN], "test": ["mrpc/test-00000-of-00001.parquet"]}
    assert hub.parquet_files(DATA, commit, "mnli") == {
        "train": ["mnli/train-00000-of-00002.parquet", "mnli/train-00001-of-00002.parquet"],
        "validation_matched": [MATCHED],
    }


def test_a_configuration_that_is_not_there_names_those_that_are(commit: str) -> None:
    with pytest.raises(WrongRequest) as error:
        hub.parquet_files(DATA, commit, "mr")
    assert "mnli, mrpc" in one_line(error)


@pytest.mark.parametrize("lost", ["mnli/train-00000-of-00002.parquet", "mnli/train-00001-of-00002.parquet"])
def test_a_split_with_a_missing_part_is_refused(server: Hub, lost: str) -> None:
    rest = {path: data for path, data in TABLES.items() if path != lost}
    with pytest.raises(WrongRequest, match="1 part"):
        hub.parquet_files(DATA, server.add_commit(DATA, "dataset", "2024-01-01", rest), "mnli")


def test_download_holds_the_files_that_were_asked_for(server: Hub, commit: str, cache: Path) -> None:
    folder = hub.download(DATA, commit, "dataset", [TRAIN, MATCHED], cache)
    assert held(folder) == {TRAIN: LONG, MATCHED: b"matched"}


def test_download_of_a_model_takes_no_pickle_and_no_code(server: Hub, model: str, cache: Path) -> None:
    assert held(hub.download(MODEL, model, "model", None, cache)) == CHECKPOINT
    assert not [one for one in server.requests if one.path.rpartition(f"/resolve/{model}/")[2] in NOT_LOADED]
    assert blobs(cache) == set(CHECKPOINT.values())


def test_a_model_with_pickled_weights_only_is_refused(server: Hub, cache: Path) -> None:
    files = {"config.json": b"{}", "pytorch_model.bin": b"\x80\x04pickle", "onnx/model.safetensors": b"elsewhere"}
    commit = server.add_commit(MODEL, "model", "2024-02-01", files)
    with pytest.raises(WrongRequest, match="only safetensors are loaded"):
        hub.download(MODEL, commit, "model", None, cache)
    assert blobs(cache) == set()


def test_progress_counts_bytes_up_to_all_of_them(commit: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    seen: list[tuple[int, int]] = []
    with listening(lambda event: seen.append((event.done, event.total))):
        hub.download(DATA, commit, "dataset", [MATCHED, TRAIN], cache)
    done = [count for count, _ in seen]
    assert done == sorted(done)
    assert {total for _, total in seen} == {len(LONG) + 7}
    assert seen[-1] == (len(LONG) + 7, len(LONG) + 7)
    assert len(set(done)) > 10


def test_a_second_download_asks_for_nothing(server: Hub, commit: str, cache: Path) -> None:
    first = hub.download(DATA, commit, "dataset", [TRAIN], cache)
    server.requests.clear()
    assert hub.download(DATA, commit, "dataset", [TRAIN], cache) == first
    assert server.requests == []


def test_offline_a_downloaded_commit_is_enough(
    server: Hub, commit: str, model: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.download(DATA, commit, "dataset", [TRAIN], cache)
    hub.download(MODEL, model, "model", None, cache)
    server.requests.clear()
    offline(monkeypatch)
    assert hub.resolve(DATA, commit, "dataset") == commit
    assert hub.parquet_files(DATA, commit, "mrpc", cache)["train"] == [TRAIN]
    assert held(hub.download(DATA, commit, "dataset", [TRAIN], cache)) == {TRAIN: LONG}
    assert held(hub.download(MODEL, model, "model", None, cache)) == CHECKPOINT
    assert server.requests == []


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr[-2000:]


def test_importing_it_is_light() -> None:
    code = "import sys, tasks.core.hub; print(sorted({'huggingface_hub', 'httpx2', 'tqdm'} & set(sys.modules)))"
    assert run(code) == "[]\n"


def test_another_process_finds_the_hub_and_the_files_through_its_environment(
    server: Hub, model: str, cache: Path, tmp_path: Path
) -> None:
    code = f"""
from pathlib import Path
from tasks.core import hub
commit = hub.resolve({MODEL!r}, {{revision!r}}, "model")
print(sorted(path.name for path in hub.download({MODEL!r}, commit, "model", None, Path({str(cache)!r})).iterdir()))
"""
    there = f"{sorted(CHECKPOINT)}\n"
    assert run(code.format(revision="main"), **server.env(tmp_path / "home")) == there
    asked = len(server.requests)
    assert run(code.format(revision=model), HF_HUB_OFFLINE="1", **server.env(tmp_path / "home")) == there
    assert len(server.requests) == asked
