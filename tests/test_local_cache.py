"""The local cache: capped in bytes, the least recently used goes first, what is in use stays."""

import hashlib
import logging
import os
import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tasks.core import settings as settings_module
from tasks.core.cache import borrow, evict, keep
from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.files import FileEntry
from tasks.core.hold import shared
from tasks.core.settings import Settings
from tests.conftest import Corner
from tests.finished import as_typed, prepared, small

CAP, SIZE = 1_000_000, 400_000
A, B, C, MODEL = "steps/fetch/a/1", "steps/encode/b/1", "steps/encode/c/1", "models/mrpc/1"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A machine whose cache holds two copies of SIZE."""
    return Settings(home=tmp_path / "home", cache_size=CAP)


def content(place: str, path: str, size: int = SIZE) -> bytes:
    """The bytes of one of the two files of a copy."""
    return random.Random(f"{place}/{path}").randbytes(size // 2)


def use(known: Settings, place: str, size: int = SIZE) -> AbstractContextManager[Path]:
    """The copy at that place, in two files."""
    parts = {path: content(place, path, size) for path in ("a.bin", "folder/b.bin")}
    files = [FileEntry(path=p, size=len(b), sha256=hashlib.sha256(b).hexdigest()) for p, b in parts.items()]

    def fetch(fresh: Path) -> None:
        assert list(fresh.iterdir()) == []
        for path, body in parts.items():
            (fresh / path).parent.mkdir(exist_ok=True)
            (fresh / path).write_bytes(body)

    return borrow(known, place, files, fetch)


def used(known: Settings, *places: str, size: int = SIZE) -> None:
    for place in places:
        with use(known, place, size):
            pass


def held(known: Settings) -> set[str]:
    """Which copies there are."""
    folders = (path for pattern in ("steps/*/*/*", "models/*/*") for path in known.cache.glob(pattern))
    return {path.relative_to(known.cache).as_posix() for path in folders if path.is_dir()}


def total(known: Settings) -> int:
    return sum(path.lstat().st_size for path in known.cache.rglob("*") if path.is_file() and not path.is_symlink())


def left_over(known: Settings) -> list[Path]:
    """What should not outlive the work: scratch folders, and lock files of what is gone."""
    locks = [path for path in known.cache.rglob("*") if path.suffix in (".lock", ".fill") and path.name != "evict.lock"]
    ours = [path for path in locks if ".locks" not in path.parts]  # those are huggingface_hub's
    return [*known.scratch.iterdir(), *(path for path in ours if not path.with_suffix("").is_dir())]


def test_the_least_recently_used_goes_first(home: Settings) -> None:
    used(home, A, B, A, C)
    assert held(home) == {A, C}
    used(home, MODEL)
    assert held(home) == {C, MODEL}
    assert left_over(home) == []


def test_a_use_lasts_until_its_end(home: Settings) -> None:
    with use(home, A):
        used(home, B)
    used(home, C)
    assert held(home) == {A, C}


def test_what_stays_is_what_a_model_of_it_says(home: Settings) -> None:
    """60 seeded uses of 9 places of different sizes; recency is the order of the last uses."""
    draw = random.Random(1)
    sizes = {f"steps/encode/{number}/1": draw.randrange(2, 500_000, 2) for number in range(9)}
    recent: list[str] = []
    for place in draw.choices(list(sizes), k=60):
        used(home, place, size=sizes[place])
        recent = [*(other for other in recent if other != place), place]
        while sum(sizes[kept] for kept in recent) > CAP:
            recent.pop(0)
        assert held(home) == set(recent)
        assert total(home) <= CAP


def test_what_a_step_leaves_counts(home: Settings, tmp_path: Path) -> None:
    used(home, A, B)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_bytes(b"1" * SIZE)
    with keep(home, C, tmp_path / "out") as kept:
        evict(home)
        assert (kept / "file").stat().st_size == SIZE
    assert held(home) == {B, C}


def test_only_downloads_that_are_given_up_are_removed(home: Settings) -> None:
    repository = home.cache / "hub" / "models--tiny--bert"
    blobs = repository / "blobs"
    blobs.mkdir(parents=True)
    for name in ("whole", "old.1f.incomplete", "new.2e.incomplete"):
        (blobs / name).write_bytes(b"1")
    os.utime(blobs / "old.1f.incomplete", (time.time() - 90_000,) * 2)
    with shared(repository):  # who sleeps may yet go on
        used(home, A)
    assert len(list(blobs.iterdir())) == 3
    used(home, B)
    assert {path.name for path in blobs.iterdir()} == {"whole", "new.2e.incomplete"}


def test_when_all_is_in_use_work_goes_on(home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), use(home, A), use(home, B), use(home, C) as last:
        assert held(home) == {A, B, C}
        assert (last / "a.bin").is_file()
        assert caplog.messages == ["cache: 200.0KB over GLUEFLOW_CACHE_SIZE (1.0MB); what is left is in use"]
    assert total(home) <= CAP


def test_a_copy_larger_than_the_cap_works_while_it_is_used(home: Settings) -> None:
    with use(home, A, 3 * CAP) as folder:
        assert (folder / "a.bin").stat().st_size == 3 * CAP // 2
    assert held(home) == set()
    assert left_over(home) == []


def test_a_damaged_copy_is_replaced_under_who_reads_it(home: Settings) -> None:
    with use(home, A) as folder, (folder / "a.bin").open("rb") as reading:
        before = reading.read(10)
        (folder / "folder" / "b.bin").write_bytes(b"?")
        with use(home, A) as again:
            assert (again / "folder" / "b.bin").read_bytes() == content(A, "folder/b.bin")
        reading.seek(0)
        assert reading.read(10) == before


def test_a_full_disk_is_one_line_and_leaves_nothing(home: Settings) -> None:
    def fetch(fresh: Path) -> None:
        (fresh / "half").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(GlueflowError, match="disk: no space left"), borrow(home, A, [], fetch):
        pass
    assert held(home) == set()
    used(home, B)
    assert left_over(home) == []


def test_a_run_keeps_to_its_cap(corner: Corner, tiny: Path) -> None:
    """Every copy of the tiny model is larger than the cap: each is there while it is used, and no longer."""
    tight = {"GLUEFLOW_CACHE_SIZE": "1MB"}
    prepared(corner, asked := small(tiny))
    found = corner.json(*as_typed(asked), "--force", "finetune", **tight)
    assert {"finetune", "register"} <= {step["name"] for step in found["steps"] if step["state"] == "built"}
    assert total(corner.settings) <= CAP
    corner.glueflow("predict", "mrpc", "He ate.", "He had a meal.", **tight)
    assert total(corner.settings) <= CAP
    assert left_over(corner.settings) == []


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    settings_module.settings.cache_clear()
    yield
    settings_module.settings.cache_clear()


@pytest.mark.parametrize("value", ["much", "-1GB", "999kB", "0", ""])
def test_a_cap_that_makes_no_sense_is_named(fresh_settings: None, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GLUEFLOW_CACHE_SIZE", value)
    with pytest.raises(WrongRequest, match=rf"^GLUEFLOW_CACHE_SIZE: '{value}' is not allowed; .*at least 1MB"):
        settings_module.settings()


@pytest.mark.parametrize(("value", "size"), [("1MB", 10**6), ("1.5GiB", 1_610_612_736), ("20000000", 20_000_000)])
def test_a_cap_may_have_a_unit(fresh_settings: None, monkeypatch: pytest.MonkeyPatch, value: str, size: int) -> None:
    monkeypatch.setenv("GLUEFLOW_CACHE_SIZE", value)
    assert settings_module.settings().cache_size == size


def test_the_command_says_so_in_one_line(corner: Corner) -> None:
    found = corner.glueflow("models", "list", status=2, GLUEFLOW_CACHE_SIZE="much")
    assert len(found.stderr.splitlines()) == 1
    assert "GLUEFLOW_CACHE_SIZE: 'much' is not allowed" in found.stderr
