"""Data in files as users have them, and a fetch of them in this process.

write(folder, classic("mrpc", rows))
report, tables = fetched("file:…", "mrpc", tmp_path)
"""

import io
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.catalog import GlueTask, Split, glue_task
from tasks.core.plan import plan
from tasks.core.process import Request
from tasks.core.specs import FetchSpec, GlueRun
from tasks.data import table
from tasks.data.classic import HEADERS
from tasks.steps import fetch

Rows = Sequence[tuple[Any, ...]]


def rows(task: GlueTask, count: int, word: str = "text") -> list[tuple[Any, ...]]:
    """So many different examples: texts, then a label; every class comes in turn."""
    return [
        (*(f"{word} {side} {number} ." for side in task.text), number % 5 * 1.0 if task.is_regression else number % 2)
        for number in range(count)
    ]


def classic(name: str, examples: Rows, word: str = "text") -> dict[str, bytes]:
    """The task's files in the classic layout: those examples to train on, eight others in every other split."""
    task, found = glue_task(name), {}
    *texts, label = HEADERS.get(name, (*task.text, "label"))
    for split in task.splits:
        held = examples if split.name == "train" else rows(task, 8, f"{word} of {split.name}")
        names = ["index", *texts] + [label] * split.labelled
        lines = [names] + [[number, *row[: len(names) - 1]] for number, row in enumerate(held)]
        text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
        found[f"{task.folder}/{split.file}"] = text.encode()
    return found


def parquet(name: str, examples: Rows, word: str = "text", schema: pa.Schema | None = None) -> dict[str, bytes]:
    """The same as Parquet, one file a split."""
    task, found = glue_task(name), {}
    for split in task.splits:
        held = examples if split.name == "train" else rows(task, 8, f"{word} of {split.name}")
        found[f"{task.name}/{split.name}.parquet"] = table_bytes(task, split, held, schema)
    return found


def table_bytes(task: GlueTask, split: Split, held: Rows, schema: pa.Schema | None = None) -> bytes:
    columns: dict[str, list[Any]] = {name: [row[at] for row in held] for at, name in enumerate((*task.text, "label"))}
    if not split.labelled:
        columns["label"] = [-1] * len(held)
    out = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), out)
    return out.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> str:
    """The files in a folder, and its URI."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return f"file:{folder}"


def fetched(uri: str, task: str, folder: Path, as_of: date | None = None) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """What a fetch of that URI reports, and the tables that it writes."""
    step = plan(GlueRun.model_validate({"task": task, "data": uri, "as_of": as_of})).steps[0]
    assert isinstance(step.spec, FetchSpec)
    out = Path(mkdtemp(dir=folder))
    facts = fetch.run(step.spec, Request("fetch", {}, {}, step.sources, str(out), str(folder / "cache"), "cpu", 8))
    report = json.loads((out / "report.json").read_text())
    assert facts["odd"] == report["odd"]
    return report, {path.stem: table.read(path) for path in out.glob("*.arrow")}
