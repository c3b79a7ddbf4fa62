"""Checkpoints made to do harm, at each door: `file:`, `hf://`, and a version of the registry on pull and predict.

Each is refused in one line, exit status 2, before anything is loaded; nothing of it is left. A pickle that comes along
is never opened: the ones here leave a mark when they are.
"""

import json
import os
import pickle
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.catalog import glue_task
from tasks.core.errors import BadData, WrongRequest
from tasks.core.files import content_digest, entries
from tasks.core.registry import Version
from tasks.core.resolve import resolve_checkpoint
from tasks.models.checkpoint import checkpoint_folder, load_classifier, load_tokenizer
from tests.conftest import Corner
from tests.hub_server import Hub

INDEX = "model.safetensors.index.json"
Made = tuple[str, Callable[[Path], object]]  # what is refused, and how a sound folder becomes so


def header(described: Any, payload: bytes = b"\0" * 8, length: int | None = None) -> Callable[[Path], None]:
    """Weights with that header, whose length is told as `length`."""

    def make(folder: Path) -> None:
        body = described if isinstance(described, bytes) else json.dumps(described).encode()
        told = struct.pack("<Q", len(body) if length is None else length)
        (folder / "model.safetensors").write_bytes(told + body + payload)

    return make


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def index(body: Any, beside: str = "") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / INDEX).write_text(body if isinstance(body, str) else json.dumps(body))
        if beside:
            shutil.copy(folder / "model.safetensors", folder.parent / beside)
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")

    return make


def setting(name: str, key: str, value: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).write_text(json.dumps({**json.loads((folder / name).read_text()), key: value}))

    return make


WEIGHTS: list[Made] = [
    ("not fully covered", header({"a": tensor([4], 0, 16)})),
    ("invalid offset", header({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, b"\0" * 12)),
    ("invalid offset", header({"a": tensor([2], 0, 8), "b": tensor([2], 12, 20)}, b"\0" * 20)),
    ("not fully covered", header({"a": tensor([2], 0, 8)}, b"\0" * 4096)),
    ("header too large", header({}, length=2**63)),
    ("invalid header length", header({}, length=90_000_000)),
    ("invalid shape", header({"a": tensor([2], 0, 4)}, b"\0" * 4)),
    ("overflow", header({"a": tensor([2**62, 4], 0, 8)})),
    ("invalid JSON", header({"a": tensor([-2], 0, 8)})),
    ("invalid JSON", header({"a": tensor([1], 0, 8, "PICKLE")})),
    ("recursion limit", header(b'{"a":' * 5000 + b"1" + b"}" * 5000)),
    ("header too small", lambda folder: (folder / "model.safetensors").write_bytes(b"")),
    ("header too large", lambda folder: (folder / "model.safetensors").write_bytes(pickle.dumps([0] * 64))),
    ("names '../model.safetensors'", index({"weight_map": {"a": "../model.safetensors"}}, "model.safetensors")),
    ("names '/etc/passwd'", index({"weight_map": {"a": "/etc/passwd"}})),
    ("names 'pytorch_model.bin'", index({"weight_map": {"a": "pytorch_model.bin"}})),
    ("names 7", index({"weight_map": {"a": 7}})),
    ("names 'other.safetensors', which is not there", index({"weight_map": {"a": "other.safetensors"}})),
    ("has no weight_map", index({"metadata": {}})),
    ("has no weight_map", index("[" * 100_000)),
]
CODE: list[Made] = [
    ("auto_map", setting("config.json", "auto_map", {"AutoModel": "evil.Model"})),
    ("auto_map", setting("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["evil.T", None]})),
    ("custom_pipelines", setting("config.json", "custom_pipelines", {"x": {"impl": "evil.P"}})),
    ("trust_remote_code", setting("config.json", "trust_remote_code", True)),
    ("attn_implementation", setting("config.json", "attn_implementation", "evil/kernel")),
    ("is no JSON", lambda folder: (folder / "config.json").write_text("[" * 100_000)),
]
EACH = [WEIGHTS[1], WEIGHTS[13], CODE[0]]  # one of a kind, for the doors that cost a process


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def copied(tiny: Path, folder: Path, make: Callable[[Path], object]) -> Path:
    shutil.copytree(tiny, folder)
    make(folder)
    return folder


def one_line(found: subprocess.CompletedProcess[str], what: str) -> bool:
    """Whether all that a command said was one line with those words in it."""
    return what in found.stderr and found.stderr.count("\n") == 1 and found.stdout == ""


def forged(corner: Corner, folder: Path) -> None:
    """The folder as version 1 of the model `evil`."""
    files = entries(folder)
    version = Version(
        name="evil",
        version=1,
        content=content_digest(files),
        created="2026-11-23T00:00:00+00:00",
        record={"metrics": {}},
        files=files,
        sources={},
    )
    for file in files:
        corner.store.upload(folder / file.path, f"{version.folder}/{file.path}", file.sha256)
    corner.store.put(f"{version.folder}/manifest.json", version.encoded())


@pytest.mark.parametrize(("what", "make"), WEIGHTS)
def test_a_folder_with_weights_that_lie_is_refused(
    tiny: Path, tmp_path: Path, what: str, make: Callable[[Path], object]
) -> None:
    with pytest.raises(BadData) as refused:
        resolve_checkpoint(f"file:{copied(tiny, tmp_path / 'hostile', make)}")
    assert what in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("what", "make"), CODE)
def test_a_folder_with_code_is_refused(tiny: Path, tmp_path: Path, what: str, make: Callable[[Path], object]) -> None:
    place = f"file:{copied(tiny, tmp_path / 'hostile', make)}"
    with pytest.raises(WrongRequest, match=what):
        checkpoint_folder(place, resolve_checkpoint(place).revision, tmp_path)


@pytest.mark.parametrize(("what", "make"), EACH)
def test_a_download_is_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, make: Callable[[Path], object]
) -> None:
    folder = copied(tiny, tmp_path / "hostile", make)
    with Hub() as hub:
        hub.lead(monkeypatch, tmp_path)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        commit = hub.add_commit("evil/model", "model", "2026-01-01", files)
        place = resolve_checkpoint(f"hf://evil/model@{commit}")
        with pytest.raises(WrongRequest, match=re.escape(what)):
            checkpoint_folder(place.location, place.revision, tmp_path / "cache")


@pytest.mark.parametrize(("what", "make"), [WEIGHTS[1], WEIGHTS[13]])
def test_a_version_of_the_registry_is_refused(
    corner: Corner, tiny: Path, tmp_path: Path, what: str, make: Callable[[Path], object]
) -> None:
    """Put there by somebody who may write to the bucket: its digests and its seal are right."""
    forged(corner, copied(tiny, tmp_path / "hostile", make))
    said = corner.glueflow("models", "pull", "evil@1", str(tmp_path / "pulled"), status=2)
    assert one_line(said, what)
    assert list((tmp_path / "pulled").iterdir()) == []
    assert one_line(corner.glueflow("predict", "evil@1", "a", "b", status=2), what)
    assert [path for path in corner.settings.cache.rglob("*") if path.suffix == ".safetensors"] == []


def test_code_in_a_version_of_the_registry_is_not_run(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    what, make = CODE[0]
    forged(corner, copied(tiny, tmp_path / "hostile", make))
    assert one_line(corner.glueflow("predict", "evil@1", "a", "b", status=2), what)


def test_pickles_are_never_opened(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """Left out of what is pinned and loaded; a version that names one is refused whole."""
    mark, folder = tmp_path / "opened", copied(tiny, tmp_path / "trapped", lambda _: None)
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(pickle.dumps(Trap(mark)))
    assert resolve_checkpoint(f"file:{folder}").revision == resolve_checkpoint(f"file:{tiny}").revision
    load_classifier(folder, glue_task("mrpc"), "pretrained")
    load_tokenizer(folder)
    forged(corner, folder)
    for command in (["models", "pull", "evil@1", str(tmp_path / "pulled")], ["predict", "evil@1", "a", "b"]):
        assert one_line(corner.glueflow(*command, status=2), "which no version may hold")
    assert not (tmp_path / "pulled").exists()
    assert not mark.exists()
    pickle.loads((folder / "optimizer.pt").read_bytes())  # noqa: S301  # the trap works
    assert mark.exists()


def test_one_line_is_all_that_a_user_sees(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    what, make = WEIGHTS[13]
    place = f"file:{copied(tiny, tmp_path / 'hostile', make)}"
    assert one_line(corner.glueflow("run", "mrpc", "--data", "sample:8", "--checkpoint", place, status=2), what)
    assert corner.keys() == set()
