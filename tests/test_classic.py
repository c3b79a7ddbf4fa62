"""The classic layout: every quirk of GLUE's files is read as it is, and no bad row gets through."""

from pathlib import Path

import pyarrow as pa
import pytest

from tasks.core.catalog import GLUE, Split, glue_task
from tasks.core.errors import BadData
from tasks.data import classic, table

MRPC_HEADER = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
TRAIN, DEV, TEST = glue_task("mrpc").splits


def rows(task: str, split: Split, path: Path) -> list[dict[str, object]]:
    glue = glue_task(task)
    batches = table.checked(glue, split, classic.read(glue, split, path), str(path))
    return pa.Table.from_batches(list(batches)).to_pylist()


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_byte_order_mark_and_quotes_are_not_part_of_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path, MRPC_HEADER + '1\t10\t11\t" He said it .\tHe said "it" .\n0\t12\t13\tA\tB\n')
    assert rows("mrpc", DEV, path) == [
        {"sentence1": '" He said it .', "sentence2": 'He said "it" .', "label": 1, "idx": 0},
        {"sentence1": "A", "sentence2": "B", "label": 0, "idx": 1},
    ]


def test_cola_has_no_header(tmp_path: Path) -> None:
    path = write(tmp_path, "gj04\t1\t\tThe sailors rode.\ngj04\t0\t*\tThe sailors ride the.\n")
    found = rows("cola", glue_task("cola").splits[1], path)
    assert [(row["sentence"], row["label"]) for row in found] == [
        ("The sailors rode.", 1),
        ("The sailors ride the.", 0),
    ]


@pytest.mark.parametrize(("word", "label"), [("entailment", 0), ("not_entailment", 1), ("0", 0), ("1", 1)])
def test_labels_by_name_and_by_number(tmp_path: Path, word: str, label: int) -> None:
    path = write(tmp_path, f"index\tsentence1\tsentence2\tlabel\n0\ta\tb\t{word}\n")
    assert rows("rte", glue_task("rte").splits[0], path)[0]["label"] == label


def test_a_score_is_a_float(tmp_path: Path) -> None:
    path = write(tmp_path, "index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.800\n")
    assert rows("stsb", glue_task("stsb").splits[0], path)[0]["label"] == pytest.approx(3.8)


def test_test_rows_are_marked_unlabelled(tmp_path: Path) -> None:
    path = write(tmp_path, "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n")
    assert rows("mrpc", TEST, path)[0]["label"] == -1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (MRPC_HEADER + "1\t1\t2\ta\tb\n1\t1\t2\ta\n", ["row 3", "4 columns instead of 5"]),
        (MRPC_HEADER + "1\t1\t2\ta\tb\tc\n", ["row 2", "6 columns instead of 5"]),
        (MRPC_HEADER + "1\t1\t2\ta\tb\n2\t1\t2\ta\tb\n", ["row 3", "Quality", "'2'", "not_equivalent, equivalent"]),
        (MRPC_HEADER + "\t1\t2\ta\tb\n", ["row 2", "Quality", "''"]),
        (MRPC_HEADER, ["has no rows"]),
        ("", ["column '#1 String' is not there"]),
        ("Quality\t#1 String\n1\ta\n", ["column '#2 String' is not there", "'Quality', '#1 String'"]),
        (MRPC_HEADER.encode() + b"1\t1\t2\ta\tb\n1\t1\t2\t\xff\tb\n", ["row 3", "#1 String is not UTF-8"]),
        (MRPC_HEADER + "1\t1\t2\ta\tb\n\n1\t1\t2\ta\tb\n", ["row 3", "Quality ''"]),
    ],
)
def test_bad_rows_are_refused_with_file_and_row(tmp_path: Path, text: str | bytes, names: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadData) as caught:
        rows("mrpc", TRAIN, path)
    for name in [str(path), *names]:
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("score", ["5.1", "-0.1", "nan", "inf"])
def test_a_score_outside_its_range_is_refused(tmp_path: Path, score: str) -> None:
    path = write(tmp_path, f"index\tsentence1\tsentence2\tscore\n0\ta\tb\t1.0\n1\ta\tb\t{score}\n")
    with pytest.raises(BadData, match=f"row 3: score '{score}' is not allowed; it is a number from 0 to 5"):
        rows("stsb", glue_task("stsb").splits[0], path)


@pytest.mark.parametrize("task", ["cola", "mrpc", "rte", "sst2", "stsb", "wnli", "ax"])
def test_real_glue_has_its_official_rows(glue_data: Path, task: str) -> None:
    glue = GLUE[task]
    for split in glue.splits:
        found = rows(task, split, glue_data / glue.folder / split.file)
        assert len(found) == split.rows
        assert all(row[name].strip() for row in found for name in glue.text)
        assert [row["idx"] for row in found] == list(range(split.rows))
