"""Fetch: one task's data at one revision, as typed Arrow tables.

VERSION in tasks/core/plan.py · deterministic · identity: task, data revision · not identity: the folder, the download

    in   FetchSpec(task="mrpc", data="sha256:9c0d…")
    out  train.arrow, validation.arrow, test.arrow of sentence1, sentence2, label, idx; facts {"rows": {…}}
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.core import hub
from tasks.core.catalog import GlueTask, Split, glue_task
from tasks.core.errors import BadData
from tasks.core.process import Request
from tasks.core.progress import Progress, report
from tasks.core.resolve import resolve_data
from tasks.core.specs import FetchSpec
from tasks.data import classic, parquet, sample, table


def run(spec: FetchSpec, request: Request) -> dict[str, Any]:
    """Write every split and return the facts; raises BadData for the first row that cannot be trusted."""
    task = glue_task(spec.task)
    rows = {}
    for split, batches, where in _source(task, spec, request):
        counted = _counted(table.checked(task, split, batches, where), split)
        rows[split.name] = table.write(Path(request.out) / f"{split.name}.arrow", table.schema(task), counted)
    official = {split.name: split.rows for split in task.splits}
    if spec.data.startswith("hf://nyu-mll/glue@") and rows != official:
        raise BadData(f"data: {spec.data} has {rows} rows of {task.name} instead of the official {official}")
    return {"rows": rows, "official_rows": rows == official, "synthetic": spec.data.startswith("sample:")}


def _source(task: GlueTask, spec: FetchSpec, request: Request) -> Iterator[tuple[Split, Iterator[pa.RecordBatch], str]]:
    """Each split with its batches and the name that an error gives them."""
    scheme, _, rest = request.sources["data"].partition(":")
    if scheme == "file":
        for split in task.splits:
            path = Path(rest) / task.folder / split.file
            yield split, classic.read(task, split, path), str(path)
        if resolve_data(f"file:{rest}", task.name, None).revision != spec.data:
            raise BadData(f"data: the files in {rest} changed while they were read; run again")
    elif scheme == "hf":
        repo, _, commit = rest.removeprefix("//").partition("@")
        cache = Path(request.cache) / "hub"
        paths = hub.parquet_files(repo, commit, task.name, cache)
        wanted = [path for split in task.splits for path in paths.get(split.name, [])]
        folder = hub.download(repo, commit, "dataset", wanted, cache, _downloaded)
        for split in task.splits:
            files = [folder / path for path in paths.get(split.name, [])]
            yield split, parquet.read(task, split, files), f"{repo}@{commit[:8]} {split.name}"
    else:
        for split in task.splits:
            yield split, _sampled(task, split, int(rest)), f"sample {split.name}"


def _sampled(task: GlueTask, split: Split, train_rows: int) -> Iterator[pa.RecordBatch]:
    """Made-up examples: so many to train on, and a quarter of that in every other split."""
    rows = train_rows if split.name == "train" else max(16, train_rows // 4)
    examples = sample.examples(task, split, rows)
    done = 0
    while batch := list(islice(examples, table.BATCH_ROWS)):
        texts, labels = zip(*batch, strict=True)
        idx = range(done, done + len(batch))
        columns = [*zip(*texts, strict=True), labels, idx]
        schema = table.schema(task)
        yield pa.record_batch(
            [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)], schema=schema
        )
        done += len(batch)


def _counted(batches: Iterator[pa.RecordBatch], split: Split) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        report(Progress(f"fetch {split.name}", done, 0, "rows"))


def _downloaded(done: int, total: int) -> None:
    report(Progress("download", done, total, "bytes"))
