"""The leaderboard's layout: eleven files, their words and rows; what is out of order or is no answer is refused."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.catalog import GLUE, glue_task
from tasks.core.errors import BadData, WrongRequest
from tasks.data.leaderboard import Answers, body, write

LAYOUT = {  # file: rows of its official test split
    "CoLA.tsv": 1063,
    "SST-2.tsv": 1821,
    "MRPC.tsv": 1725,
    "STS-B.tsv": 1379,
    "QQP.tsv": 390_965,
    "MNLI-m.tsv": 9796,
    "MNLI-mm.tsv": 9847,
    "QNLI.tsv": 5463,
    "RTE.tsv": 3000,
    "WNLI.tsv": 146,
    "AX.tsv": 1104,
}


def read(path: Path) -> dict[str, list[list[str]]]:
    """Each file's lines as their columns, header first."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {
            name: [line.split("\t") for line in archive.read(name).decode().split("\n")[:-1]]
            for name in archive.namelist()
        }


def answered(folder: Path, task: str, predicted: Sequence[float], indices: Sequence[int] | None = None) -> Answers:
    for split in glue_task(task).test:
        table = {"idx": indices or list(range(len(predicted))), "prediction": predicted}
        pq.write_table(pa.table(table), folder / f"{split.name}.parquet")
    return Answers(folder, f"{task}@3", "c" * 64)


def test_a_whole_zip_reads_back(tmp_path: Path) -> None:
    rows = glue_task("rte").test[0].rows
    answers = {"rte": answered(tmp_path, "rte", [row % 2 for row in range(rows)])}
    sheets = {sheet.file: sheet for sheet in write(tmp_path / "out.zip", answers, {"cola": "its data were bad"})}
    found = read(tmp_path / "out.zip")
    assert {name: len(lines) - 1 for name, lines in found.items()} == LAYOUT
    for lines in found.values():
        assert lines[0] == ["index", "prediction"]
        assert [int(line[0]) for line in lines[1:]] == list(range(len(lines) - 1))
    assert [line[1] for line in found["RTE.tsv"][1:4]] == ["entailment", "not_entailment", "entailment"]
    assert {line[1] for line in found["QQP.tsv"][1:]} == {"0"}
    assert {line[1] for line in found["AX.tsv"][1:]} == {"entailment"}
    record = json.loads((tmp_path / "out.json").read_text())
    assert set(record["placeholders"]) == set(LAYOUT) - {"RTE.tsv"}
    assert (sheets["RTE.tsv"].model, sheets["RTE.tsv"].content, sheets["RTE.tsv"].note) == ("rte@3", "c" * 64, "")
    assert sheets["CoLA.tsv"].note == "placeholder, no model: its data were bad; all answers are 0"
    first = (tmp_path / "out.zip").read_bytes()
    write(tmp_path / "out.zip", answers, {})
    assert (tmp_path / "out.zip").read_bytes() == first
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.json", "out.zip"]


@pytest.mark.parametrize(
    ("task", "predicted", "said"),
    [
        ("cola", [1, 0], ["1", "0"]),
        ("mnli", [0, 1, 2], ["entailment", "neutral", "contradiction"]),
        ("ax", [2], ["contradiction"]),
        ("qnli", [1, 0], ["not_entailment", "entailment"]),
        ("wnli", [1, 0], ["1", "0"]),
        ("stsb", [-0.3, 2.71828, 7.0], ["0.000", "2.718", "5.000"]),
    ],
)
def test_words(tmp_path: Path, task: str, predicted: list[float], said: list[str]) -> None:
    text = body(glue_task(task), glue_task(task).test[0], answered(tmp_path, task, predicted))
    assert text == "index\tprediction\n" + "".join(f"{row}\t{word}\n" for row, word in enumerate(said))


@pytest.mark.parametrize(
    ("task", "predicted", "indices", "names"),
    [
        ("rte", [0, 1, 0], [0, 2, 1], ["rte", "row order"]),
        ("rte", [0, 1, 0], [0, 1, 1], ["rte", "each row once"]),
        ("rte", [0, 2], None, ["rte", "2", "2 classes"]),
        ("stsb", [float("nan")], None, ["stsb", "nan"]),
    ],
)
def test_what_is_no_answer_is_refused(
    tmp_path: Path, task: str, predicted: list[float], indices: list[int] | None, names: list[str]
) -> None:
    with pytest.raises(BadData) as error:
        write(tmp_path / "out.zip", {task: answered(tmp_path, task, predicted, indices)}, {})
    assert all(name in str(error.value) for name in names)
    assert not (tmp_path / "out.zip").exists()


def test_another_number_of_rows_is_flagged(tmp_path: Path) -> None:
    (sheet,) = (s for s in write(tmp_path / "o.zip", {"rte": answered(tmp_path, "rte", [0])}, {}) if s.task == "rte")
    assert not sheet.placeholder
    assert sheet.note == "not the official test split: 1 rows instead of 3,000; the leaderboard refuses it"


@pytest.mark.parametrize("name", ["out.tar", "nowhere/out.zip"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongRequest, match="submission"):
        write(tmp_path / name, {}, {})


def test_every_task_has_its_files() -> None:
    assert [file for task in GLUE.values() for file in task.submission] == list(LAYOUT)
