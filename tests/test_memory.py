"""Fetch and encode need the same memory for ten thousand and for a million rows, whatever the format."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.core.plan import plan
from tasks.core.process import run_step
from tasks.core.settings import Settings
from tasks.core.specs import GlueRun
from tests.conftest import FULL

WORDS = [f"word{number}" for number in range(5_000)]


def lines(rows: int) -> Iterator[tuple[str, int]]:
    """Texts of nine words and labels, the same each time."""
    seeded = random.Random(0)
    return ((" ".join(seeded.choices(WORDS, k=9)), number % 2) for number in range(rows))


def classic(folder: Path, rows: int) -> GlueRun:
    (folder / "SST-2").mkdir(parents=True)
    for stem, count in {"train": rows, "dev": 1_000}.items():
        with (folder / "SST-2" / f"{stem}.tsv").open("w") as file:
            file.write("sentence\tlabel\n")
            file.writelines(f"{text}\t{label}\n" for text, label in lines(count))
    with (folder / "SST-2" / "test.tsv").open("w") as file:
        file.write("index\tsentence\n")
        file.writelines(f"{number}\t{text}\n" for number, (text, _) in enumerate(lines(1_000)))
    return GlueRun(task="sst2", data=f"file:{folder}")


def own(folder: Path, rows: int) -> GlueRun:
    folder.mkdir(parents=True)
    with (folder / "reviews.csv").open("w") as file:
        file.write("text,label\n")
        file.writelines(f"{text},{label}\n" for text, label in lines(rows))
    return GlueRun(task="own", data=f"file:{folder}/reviews.csv?text=text&label=label")


def peaks(folder: Path, asked: GlueRun) -> list[float]:
    """Megabytes that the processes of fetch and encode held at most; of fetch alone where encode is as in the other."""
    found = []
    folders: dict[str, Path] = {}
    for step in plan(asked).steps[: 2 if FULL or asked.task != "own" else 1]:
        folders[step.step] = folder / step.step
        folders[step.step].mkdir()
        facts = run_step(Settings(home=folder / "home"), step, folders[step.step], lambda: folders)
        found.append(facts["peak_memory"] / 1e6)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", [classic, own])
def test_a_million_rows_need_no_more_memory_than_ten_thousand(
    tmp_path: Path, source: Callable[[Path, int], GlueRun]
) -> None:
    small = peaks(tmp_path, source(tmp_path / "data", 10_000))
    (tmp_path / "million").mkdir()
    large = peaks(tmp_path / "million", source(tmp_path / "million" / "data", 1_000_000))
    for step, before, after in zip(("fetch", "encode"), small, large, strict=False):
        print(
            f"peak memory: {step} of {source.__name__} data, 10 thousand rows {before:.0f} MB, a million {after:.0f} MB"
        )
        assert after < 1.2 * before
    assert max(large) < 600
