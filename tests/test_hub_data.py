"""GLUE-shaped data sets of a hub as they are found there: in two layouts, with labels as numbers or words."""

from pathlib import Path

import pytest

from tasks.core.catalog import glue_task
from tasks.core.errors import BadData, WrongRequest
from tests import test_hub
from tests.fetched import fetched, parquet, rows
from tests.hub_server import Hub

MRPC = glue_task("mrpc")
ROWS = rows(MRPC, 12)
server = test_hub.server


def sharded(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with the names that a hub's own tools give them."""
    return {name.replace(".parquet", "-00000-of-00001.parquet"): data for name, data in files.items()}


def test_the_hubs_own_conversion_is_read_as_the_other_layout_is(server: Hub, tmp_path: Path) -> None:
    files = parquet("mrpc", ROWS)
    first = server.add_commit("acme/glue", "dataset", "2026-01-05", sharded(files))
    halves = [parquet("mrpc", ROWS[at : at + 6])["mrpc/train.parquet"] for at in (0, 6)]
    converted = {name.replace(".parquet", "/0000.parquet"): data for name, data in files.items()}
    converted |= {f"mrpc/train/000{at}.parquet": half for at, half in enumerate(halves)}
    server.add_ref(
        "acme/glue",
        "dataset",
        "refs/convert/parquet",
        server.add_commit("acme/glue", "dataset", "2026-01-06", converted),
    )
    server.add_ref("acme/glue", "dataset", "main", first)
    _, usual = fetched("hf://acme/glue", "mrpc", tmp_path)
    report, tables = fetched("hf://acme/glue@refs/convert/parquet", "mrpc", tmp_path)
    assert [tuple(row.values()) for row in tables["train"].to_pylist()] == [(*row, at) for at, row in enumerate(ROWS)]
    assert tables == usual
    assert report["data"] == f"hf://acme/glue@{server.refs['dataset', 'acme/glue', 'refs/convert/parquet']}"


@pytest.mark.parametrize("lost", ["validation", "test"])
def test_a_split_that_is_not_there_is_named_beside_those_that_are(server: Hub, tmp_path: Path, lost: str) -> None:
    files = {name: data for name, data in sharded(parquet("mrpc", ROWS)).items() if lost not in name}
    server.add_commit("acme/glue", "dataset", "2026-01-05", files)
    with pytest.raises(WrongRequest) as caught:
        fetched("hf://acme/glue", "mrpc", tmp_path)
    there = sorted({"train", "validation", "test"} - {lost})
    assert str(caught.value) == f"data: hf://acme/glue has no {lost} of mrpc; it has {', '.join(there)}"


def test_labels_in_words_are_those_of_the_task(server: Hub, tmp_path: Path) -> None:
    words = ("Not_Equivalent", "equivalent")
    files = sharded(parquet("mrpc", [(*row[:2], words[row[2]]) for row in ROWS]))
    server.add_commit("acme/glue", "dataset", "2026-01-05", files)
    _, tables = fetched("hf://acme/glue", "mrpc", tmp_path)
    assert tables["train"]["label"].to_pylist() == [row[2] for row in ROWS]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("same", "label 'same' is not allowed; mrpc has not_equivalent, equivalent"),
        ("", "label '' is not allowed; mrpc has not_equivalent, equivalent"),
        (None, "label is missing"),
    ],
)
def test_a_word_that_is_no_label_is_refused_with_its_row(
    server: Hub, tmp_path: Path, label: str | None, reason: str
) -> None:
    train = [(*row[:2], MRPC.labels[row[2]]) for row in ROWS]
    train[7] = (*train[7][:2], label)
    server.add_commit("acme/glue", "dataset", "2026-01-05", sharded(parquet("mrpc", train)))
    with pytest.raises(BadData) as caught:
        fetched("hf://acme/glue", "mrpc", tmp_path)
    assert str(caught.value) == f"train-00000-of-00001.parquet: row 8: {reason}"
