"""Fetch: one task's data at one revision, as typed and checked Arrow tables, with a report of what is odd about them.

VERSION in tasks/core/plan.py · deterministic · not identity: the folder, the download
identity: task, data revision; of data of one's own also their columns and how they are divided

    in   FetchSpec(task="mrpc", data="sha256:9c0d…")
    out  train.arrow, validation.arrow, test.arrow of sentence1, sentence2, label, idx; report.json; facts {"rows": {…}}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from tasks.core.catalog import Split
from tasks.core.errors import BadData
from tasks.core.process import Request
from tasks.core.progress import Progress, report
from tasks.core.specs import FetchSpec
from tasks.data import own, sources, table
from tasks.data.checks import Checks
from tasks.data.definition import keep


def run(spec: FetchSpec, request: Request) -> dict[str, Any]:
    """Write every split and return the facts; raises BadData for the first row that cannot be trusted."""
    out = Path(request.out)
    with TemporaryDirectory() as scratch:
        task, splits = sources.opened(spec, request, Path(scratch))
        checks = Checks(task, Path(scratch))
        for split, batches in splits:
            counted = _counted(checks.watched(split, batches), split)
            table.write(out / f"{split.name}.arrow", table.schema(task), counted)
        checks.verdict()
        found = checks.report()
    rows = {name: split["rows"] for name, split in found["splits"].items()}
    official = {split.name: split.rows for split in task.splits}
    if spec.data.startswith("hf://nyu-mll/glue@") and rows != official:
        raise BadData(f"data: {spec.data} has {rows} rows of {task.name} instead of the official {official}")
    about = {
        "synthetic": spec.data.startswith("sample:"),
        "official_rows": None if spec.own else rows == official,
        "divided": own.divided(spec.own) if spec.own else "by file",
    }
    keep(task, out)
    (out / "report.json").write_text(json.dumps({"task": task.name, "data": spec.data, **about, **found}, indent=1))
    return {"rows": rows, **about, "odd": found["odd"]}


def _counted(batches: Iterator[pa.RecordBatch], split: Split) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        report(Progress(f"fetch {split.name}", done, 0, "rows"))
