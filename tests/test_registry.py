"""The registry on a real SeaweedFS: dense immutable versions, whoever registers, however many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.core import registry
from tasks.core.errors import BadData, Damaged, WrongRequest
from tasks.core.files import FileEntry, entry
from tasks.core.registration import Candidate
from tasks.core.registration import register as commit
from tests.conftest import Corner

NOW = "2026-11-23T00:00:00+00:00"


def source(corner: Corner, folder: Path, content: str) -> Candidate:
    """Two files of a checkpoint, uploaded where a step would have put them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in {"config.json": "{}", "model.safetensors": content}.items():
        (folder / name).write_text(body)
    files = {name: entry(folder, name) for name in ("config.json", "model.safetensors")}
    sources = {name: f"steps/finetune/{content}/{name}" for name in files}
    for name, file in files.items():
        corner.store.upload(folder / name, sources[name], file.sha256)
    return Candidate(files, sources, {"metrics": {"f1": 0.9}})


def register(corner: Corner, folder: Path, content: str) -> int:
    return commit(corner.store, "mrpc", source(corner, folder, content), NOW).version


def test_the_same_checkpoint_is_one_version(corner: Corner, tmp_path: Path) -> None:
    numbers = [register(corner, tmp_path / name, name) for name in ("a", "b", "a", "c", "b")]
    assert numbers == [1, 2, 1, 3, 2]
    assert registry.versions(corner.store, "mrpc") == [1, 2, 3]


def test_32_writers_at_once_get_32_dense_versions(corner: Corner, tmp_path: Path) -> None:
    prepared = [source(corner, tmp_path / str(number), f"w{number}") for number in range(32)]
    start = threading.Barrier(32)

    def race(number: int) -> int:
        start.wait()
        return commit(corner.store, "mrpc", prepared[number], NOW).version

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(race, range(32)))
    assert sorted(found) == list(range(1, 33))
    for number, version in enumerate(found):
        body = corner.store.get(f"models/mrpc/versions/{version}/model.safetensors")
        assert body == f"w{number}".encode()


def test_32_writers_of_the_same_content_get_one_version(corner: Corner, tmp_path: Path) -> None:
    prepared = source(corner, tmp_path, "same")
    start = threading.Barrier(32)

    def race(_: int) -> int:
        start.wait()
        return commit(corner.store, "mrpc", prepared, NOW).version

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(race, range(32))) == {1}
    assert registry.versions(corner.store, "mrpc") == [1]


@pytest.mark.parametrize("writes", range(1, 5))
def test_a_writer_killed_between_two_writes_leaves_no_hole(
    corner: Corner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Its claim is completed by the next writer; its own retry finds its version."""
    dead = source(corner, tmp_path / "dead", "dead")
    left = [writes]

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    with monkeypatch.context() as patch:
        create, copy = type(corner.store).create, type(corner.store).copy
        patch.setattr(type(corner.store), "create", lambda *given: (die(), create(*given))[1])
        patch.setattr(type(corner.store), "copy", lambda *given: (die(), copy(*given))[1])
        with pytest.raises(Killed):
            commit(corner.store, "mrpc", dead, NOW)
    assert registry.versions(corner.store, "mrpc") == []
    assert register(corner, tmp_path / "next", "next") == 2
    assert registry.missing(corner.store, "mrpc", 1) is None
    assert commit(corner.store, "mrpc", dead, NOW).version == 1


def test_a_version_that_lost_a_file_is_mended_under_its_number(corner: Corner, tmp_path: Path) -> None:
    register(corner, tmp_path / "a", "a")
    corner.store.delete("models/mrpc/versions/1/model.safetensors")
    assert registry.missing(corner.store, "mrpc", 1)
    assert register(corner, tmp_path / "a", "a") == 1
    assert registry.missing(corner.store, "mrpc", 1) is None


def test_a_claim_of_what_is_gone_is_named(corner: Corner, tmp_path: Path) -> None:
    lost = source(corner, tmp_path, "lost")
    corner.store.delete(lost.sources["model.safetensors"])
    with pytest.raises(BadData, match=r"claims/1\.json is to hold is gone"):
        commit(corner.store, "mrpc", lost, NOW)
    assert registry.versions(corner.store, "mrpc") == []


def test_references(corner: Corner, tmp_path: Path) -> None:
    for name in ("a", "b"):
        register(corner, tmp_path / name, name)
    found = [registry.find(corner.store, name).version for name in ("mrpc", "mrpc@latest", "mrpc@1")]
    assert found == [2, 2, 1]


@pytest.mark.parametrize("reference", ["", "../x", "mrpc@", "mrpc@0", "mrpc@-1", "mrpc@../2", "MRPC", "a/b", "mrpc@3"])
def test_references_that_name_nothing(corner: Corner, tmp_path: Path, reference: str) -> None:
    register(corner, tmp_path / "a", "a")
    with pytest.raises(WrongRequest, match="model: "):
        registry.find(corner.store, reference)


def test_pull_checks_every_file(corner: Corner, tmp_path: Path) -> None:
    register(corner, tmp_path / "a", "a")
    version = registry.find(corner.store, "mrpc")
    registry.pull(corner.store, version, tmp_path / "pulled")
    assert (tmp_path / "pulled" / "model.safetensors").read_text() == "a"
    corner.store.put("models/mrpc/versions/1/model.safetensors", b"b")
    with pytest.raises(Damaged, match=r"model\.safetensors has another SHA-256"):
        registry.pull(corner.store, version, tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "../config.json",
        "/etc/config.json",
        "a/../../config.json",
        "a\\b.json",
        "a\0.json",
        "a.json\n",
        "manifest.json",
        "training_args.bin",
        "x.py",
    ],
)
def test_files_that_may_not_be_registered(corner: Corner, path: str) -> None:
    file = FileEntry.model_construct(path=path, size=1, sha256="0" * 64)
    with pytest.raises(WrongRequest, match="file: "):
        commit(corner.store, "mrpc", Candidate({path: file}, {path: "steps/x"}, {}), NOW)
    assert corner.keys() == set()


def test_a_manifest_that_was_tampered_with_is_refused(corner: Corner, tmp_path: Path) -> None:
    register(corner, tmp_path / "a", "a")
    key = "models/mrpc/versions/1/manifest.json"
    body = corner.store.get(key)
    assert body
    corner.store.put(key, body.replace(b'"size": 1', b'"size": 2'))
    with pytest.raises(BadData, match="its seal is broken"):
        registry.load(corner.store, "mrpc", 1)
    corner.store.put(key, body.replace(b'"config.json"', b'"../config.json"'))
    with pytest.raises(BadData, match="damaged"):
        registry.load(corner.store, "mrpc", 1)
