"""What is odd about data is counted right and named with rows; what no training can come of is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import findings
from tasks.core.catalog import GLUE, glue_task
from tasks.core.errors import BadData
from tasks.data.duplicates import Duplicates, digest
from tests.conftest import Corner
from tests.fetched import classic, fetched, parquet, rows, write
from tests.finished import as_typed, prepared, small

MRPC, STSB = glue_task("mrpc"), glue_task("stsb")


def odd(report: dict[str, Any], what: str) -> dict[tuple[str, ...], Any]:
    return {tuple(found["splits"]): found for found in report["odd"] if found["what"].startswith(what)}


def test_a_sound_set_has_nothing_odd_and_its_report_counts_every_label(tmp_path: Path) -> None:
    report, _ = fetched(write(tmp_path / "glue", classic("mrpc", rows(MRPC, 12))), "mrpc", tmp_path)
    assert report["odd"] == []
    assert report["splits"]["train"]["labels"] == {"not_equivalent": 6, "equivalent": 6}
    assert "labels" not in report["splits"]["test"]
    assert report["synthetic"] is report["official_rows"] is False
    report, _ = fetched(write(tmp_path / "glue", classic("stsb", rows(STSB, 10))), "stsb", tmp_path)
    assert report["splits"]["train"]["scores"] == {"least": 0.0, "greatest": 4.0, "mean": 2.0}


@pytest.mark.parametrize("files", [classic, parquet])
def test_oddities_are_counted_with_rows(tmp_path: Path, files: Any) -> None:
    train = rows(MRPC, 12)
    train[2] = (train[1][0], train[1][1], train[1][2])  # idx 2 is idx 1 again
    train[5] = (train[4][0], train[4][1], 1 - train[4][2])  # idx 5 is idx 4 with another label
    train[7] = ("  ", train[7][1], 1)
    train[9] = ("long " * 200_001, train[9][1], 1)  # a line of a megabyte
    train[10] = (*rows(MRPC, 8, "text of validation")[3][:2], 1)  # is in the validation split, too
    report, tables = fetched(write(tmp_path / "glue", files("mrpc", train)), "mrpc", tmp_path)
    duplicates = odd(report, "duplicate")
    assert duplicates["train",] == {
        "what": "duplicate",
        "splits": ["train"],
        "count": 2,
        "with_another_label": 1,
        "examples": [[1, 2], [4, 5]],
    }
    assert duplicates["train", "validation"]["examples"] == [[10, 3]]
    assert set(duplicates) == {("train",), ("train", "validation")}
    assert odd(report, "empty text")["train",]["examples"] == [[7]]
    assert odd(report, "text over")["train",]["examples"] == [[9]]
    assert report["splits"]["train"]["longest_text"] == 1_000_005
    assert len(tables["train"]["sentence1"][9].as_py()) == 1_000_005
    lines = findings.lines({**report, "rows": {"train": 12}})
    assert "data: train: 2 × duplicate, 1 with another label (idx 1 and 2; 4 and 5)" in lines


@pytest.mark.parametrize("task", ["mrpc", "stsb"])
def test_one_label_only_is_refused_to_train_on_and_reported_elsewhere(tmp_path: Path, task: str) -> None:
    same = [(*row[:-1], 1) for row in rows(GLUE[task], 12)]
    with pytest.raises(BadData, match=r"every row of train has the label (equivalent|1.0)"):
        fetched(write(tmp_path / "train", classic(task, same)), task, tmp_path)
    files = classic(task, rows(GLUE[task], 12))
    dev = f"{GLUE[task].folder}/dev.tsv"
    files[dev] = classic(task, same)[f"{GLUE[task].folder}/train.tsv"]
    report, _ = fetched(write(tmp_path / "dev", files), task, tmp_path)
    assert odd(report, "only")["validation",]["count"] == 12


ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 1)), min_size=1, max_size=40)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), ROWS, min_size=1))
def test_duplicates_equal_their_definition(tmp_path_factory: pytest.TempPathFactory, splits: dict[str, Any]) -> None:
    held = Duplicates(tmp_path_factory.mktemp("digests"))
    for split, pairs in splits.items():
        for start in range(0, len(pairs), 7):
            part = pairs[start : start + 7]
            held.add(
                split, [pa.array([str(text) for text, _ in part], pa.string())], np.array([label for _, label in part])
            )
    expected = {}
    names = list(splits)
    for at, one in enumerate(names):
        within = [
            (next(i for i, r in enumerate(splits[one]) if r[0] == row[0]), j) for j, row in enumerate(splits[one])
        ]
        expected[one,] = [(one, i, one, j) for i, j in within if i < j]
        for two in names[at + 1 :]:
            pairs = [
                (next((i for i, r in enumerate(splits[one]) if r[0] == row[0]), -1), j)
                for j, row in enumerate(splits[two])
            ]
            expected[one, two] = [(one, i, two, j) for i, j in pairs if i >= 0]
    found = {tuple(entry["splits"]): entry for entry in held.found()}
    assert set(found) == {place for place, pairs in expected.items() if pairs}
    for place, entry in found.items():
        pairs = [(splits[a][i], splits[b][j]) for a, i, b, j in expected[place]]
        assert entry["count"] == len(pairs)
        assert entry["with_another_label"] == sum(-1 not in (r[1], s[1]) and r[1] != s[1] for r, s in pairs)
        assert entry["examples"] == sorted([i, j] for _, i, _, j in expected[place])[:3]


def test_the_digest_tells_where_a_text_ends() -> None:
    assert digest(("a", "bc")) != digest(("ab", "c"))


def test_real_glue_has_the_duplicates_that_it_is_known_for(glue_data: Path, tmp_path: Path) -> None:
    """Counted by hand from the files with sort and uniq."""
    report, _ = fetched(f"file:{glue_data}", "rte", tmp_path)
    assert report["official_rows"]
    seen: dict[tuple[str, str], int] = {}
    for line in (glue_data / "RTE" / "train.tsv").read_text().splitlines()[1:]:
        _, one, two, _ = line.split("\t")
        seen[one, two] = seen.get((one, two), 0) + 1
    assert odd(report, "duplicate")["train",]["count"] == sum(seen.values()) - len(seen) > 0


def test_a_run_shows_what_is_odd(here: Corner, tiny: Path, tmp_path: Path) -> None:
    train = [*rows(MRPC, 12), rows(MRPC, 12)[0]]
    prepared(here, asked := small(tiny, data=write(tmp_path / "glue", classic("mrpc", train))))
    shown = here.glueflow(*as_typed(asked)).stdout
    assert "data: train: 1 × duplicate (idx 0 and 12)" in shown
    assert "data: not the rows of official GLUE: train 13, validation 8, test 8" in shown
    again = here.json(*as_typed(asked))
    assert again["data_report"]["odd"][0]["examples"] == [[0, 12]]
    entry = next(key for key in here.keys("steps/fetch/") if key.endswith("report.json"))
    assert json.loads(here.store.get(entry) or b"")["task"] == "mrpc"
