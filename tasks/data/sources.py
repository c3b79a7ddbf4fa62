"""A task's data, split by split, from wherever they lie: every source's rows as batches of `schema(task)`.

    task, splits = opened(FetchSpec(task="mrpc", data="sha256:9c0d…"), request, scratch)
    for split, batches in splits: …

A source that changed since it was pinned is refused: what is read is what stands in the key.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from tasks.core import hub
from tasks.core.catalog import GlueTask, Split, glue_task
from tasks.core.errors import WrongRequest
from tasks.core.layout import files
from tasks.core.own import files as own_files
from tasks.core.places import place
from tasks.core.process import Request
from tasks.core.specs import FetchSpec, OwnData
from tasks.data import classic, own, parquet, sample, table

Splits = Iterator[tuple[Split, Iterator[pa.RecordBatch]]]


def opened(spec: FetchSpec, request: Request, scratch: Path) -> tuple[GlueTask, Splits]:
    """The task, and each split with its rows in order; raises BadData for the first row that cannot be trusted."""
    scheme, _, rest = request.sources["data"].partition(":")
    if spec.own:
        return _own(spec, spec.own, request.sources["data"], scratch)
    task = glue_task(spec.task)
    if scheme == "hf":
        return task, _from_hub(task, rest.removeprefix("//"), Path(request.cache) / "hub")
    if scheme == "sample":
        return task, ((split, _sampled(task, split, int(rest))) for split in task.splits)
    return task, _from_folder(task, spec.data, request.sources["data"], scratch)


def _own(spec: FetchSpec, described: OwnData, uri: str, scratch: Path) -> tuple[GlueTask, Splits]:
    source, named = place(uri), own_files(described)
    folder = source.fetch(list(named.values()), spec.data, scratch)
    paths = {split: folder / name for split, name in named.items()}
    task = own.define(described, paths)

    def splits() -> Splits:
        for split in task.splits:
            yield split, table.checked(task, split, own.read(task, described, split, paths), f"data: {split.name}")
        source.check(list(named.values()), spec.data)

    return task, splits()


def _from_folder(task: GlueTask, pinned: str, uri: str, scratch: Path) -> Splits:
    source = place(uri)
    found = files(task, source)
    names = [name for names in found.values() for name in names]
    folder = source.fetch(names, pinned, scratch)
    for split in task.splits:
        paths = [folder / name for name in found[split.name]]
        if paths[0].suffix == ".parquet":
            yield split, parquet.read(task, split, paths)
        else:
            yield split, classic.read(task, split, paths[0])
    source.check(names, pinned)


def _from_hub(task: GlueTask, rest: str, cache: Path) -> Splits:
    repo, _, commit = rest.partition("@")
    paths = hub.parquet_files(repo, commit, task.name, cache)
    for split in task.splits:
        if split.name not in paths:
            raise WrongRequest(f"data: hf://{repo} has no {split.name} of {task.name}; it has {', '.join(paths)}")
    wanted = [path for split in task.splits for path in paths[split.name]]
    folder = hub.download(repo, commit, "dataset", wanted, cache)
    for split in task.splits:
        yield split, parquet.read(task, split, [folder / path for path in paths[split.name]])


def _sampled(task: GlueTask, split: Split, train_rows: int) -> Iterator[pa.RecordBatch]:
    """Made-up examples: so many to train on, and a quarter of that in every other split."""
    rows = train_rows if split.name == "train" else max(16, train_rows // 4)
    examples = sample.examples(task, split, rows)
    schema, done = table.schema(task), 0
    while batch := list(islice(examples, table.BATCH_ROWS)):
        texts, labels = zip(*batch, strict=True)
        idx = range(done, done + len(batch))
        columns = zip([*zip(*texts, strict=True), labels, idx], schema, strict=True)
        made = pa.record_batch([pa.array(column, field.type) for column, field in columns], schema=schema)
        yield from table.checked(task, split, [made], f"sample {split.name}", done + 1)
        done += len(batch)
