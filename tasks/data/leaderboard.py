"""A submission to the GLUE leaderboard: one zip of eleven tab-separated files, and what each of them stands on.

    RTE.tsv    index <tab> prediction          STS-B.tsv    index <tab> prediction
               0 <tab> not_entailment                       0 <tab> 3.271

Four tasks are answered in words, STS-B by a score from 0 to 5, the others by 0 and 1. The leaderboard scores a zip only
if all files are there: a task that was not run has a file of one and the same answer. `out.json` beside `out.zip` says
which those are, and which version of which model every other file is from.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from tasks.core.catalog import GLUE, GlueTask, Split
from tasks.core.errors import BadData, WrongRequest

IN_WORDS = ("mnli", "qnli", "rte", "ax")
HEADER = "index\tprediction\n"
MOMENT = (1980, 1, 1, 0, 0, 0)  # the same answers make the same zip
Prediction = int | float


@dataclass(frozen=True)
class Answers:
    """A task's predictions, a Parquet file a split, and the model that they are from."""

    folder: Path
    model: str  # name@version
    content: str  # SHA-256 of the model's files


@dataclass(frozen=True)
class Sheet:
    """One file of the submission. `note` says what is wrong with it."""

    file: str
    task: str
    split: str
    rows: int
    official_rows: int
    placeholder: bool
    model: str
    content: str
    sha256: str
    note: str = ""


def write(out: Path, answers: Mapping[str, Answers], missing: Mapping[str, str]) -> list[Sheet]:
    """Write the zip and its side file; `missing` says why a task has no answers. Raises BadData for predictions that
    are not in row order, or are none."""
    check(out)
    bodies = {file: body(task, split, answers.get(task.name)) for task, split, file in files()}
    sheets = [
        _sheet(task, split, file, bodies[file], answers.get(task.name), missing.get(task.name, "it was not run"))
        for task, split, file in files()
    ]
    half = out.with_name(f".{out.name}.half")
    try:
        with zipfile.ZipFile(half, "w") as archive:
            for file, text in bodies.items():
                archive.writestr(zipfile.ZipInfo(file, MOMENT), text, zipfile.ZIP_DEFLATED)
        record = {
            "zip": out.name,
            "sha256": hashlib.sha256(half.read_bytes()).hexdigest(),
            "placeholders": [sheet.file for sheet in sheets if sheet.placeholder],
            "files": [asdict(sheet) for sheet in sheets],
        }
        out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
        half.replace(out)
    finally:
        half.unlink(missing_ok=True)
    return sheets


def check(out: Path) -> None:
    """Raise WrongRequest unless the zip can be written there."""
    if out.suffix != ".zip":
        raise WrongRequest.of("submission", str(out), "its name ends with .zip")
    if not out.parent.is_dir():
        raise WrongRequest.of("submission", str(out), f"the folder {out.parent} does not exist")


def files() -> Iterator[tuple[GlueTask, Split, str]]:
    """The eleven files with what they answer."""
    for task in GLUE.values():
        for split, file in zip(task.test, task.submission, strict=True):
            yield task, split, file


def body(task: GlueTask, split: Split, answers: Answers | None) -> str:
    """The file's text; without answers, one and the same for every row."""
    if answers is None:
        return HEADER + "".join(f"{row}\t{word(task, 0)}\n" for row in range(split.rows))
    table = pq.read_table(answers.folder / f"{split.name}.parquet")
    indices, predicted = table["idx"].to_pylist(), table["prediction"].to_pylist()
    if indices != list(range(len(indices))):
        raise BadData(f"submission: {split.name} of {task.name} is not in row order from 0, each row once")
    return HEADER + "".join(f"{row}\t{word(task, said)}\n" for row, said in zip(indices, predicted, strict=True))


def word(task: GlueTask, predicted: Prediction) -> str:
    """A prediction as the leaderboard reads it; raises BadData for what is none."""
    if task.is_regression:
        if not math.isfinite(predicted):
            raise BadData(f"submission: {task.name} has the prediction {predicted}")
        low, high = task.score_range
        return f"{min(high, max(low, predicted)):.3f}"
    if predicted not in range(task.num_labels):
        raise BadData(f"submission: {task.name} has the prediction {predicted}; it has {task.num_labels} classes")
    return task.labels[int(predicted)] if task.name in IN_WORDS else str(int(predicted))


def _sheet(task: GlueTask, split: Split, file: str, text: str, answers: Answers | None, why: str) -> Sheet:
    rows = text.count("\n") - 1
    note = ""
    if answers is None:
        note = f"placeholder, no model: {why}; all answers are {word(task, 0)}"
    elif rows != split.rows:
        note = f"not the official test split: {rows:,} rows instead of {split.rows:,}; the leaderboard refuses it"
    return Sheet(
        file=file,
        task=task.name,
        split=split.name,
        rows=rows,
        official_rows=split.rows,
        placeholder=answers is None,
        model=answers.model if answers else "",
        content=answers.content if answers else "",
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        note=note,
    )
