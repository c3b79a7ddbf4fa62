"""Tokenizing to Arrow, against `Dataset.map(batched=True)` with the same tokenizer and against the tokenizer's own
`encode_batch`, which writes nothing: SST-2, and made-up pairs, as many as MNLI has."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from tasks.core.plan import plan
from tasks.core.process import Request
from tasks.core.specs import EncodeSpec, GlueRun, Task
from tasks.data import table
from tasks.data.definition import task_of
from tasks.steps import encode, fetch
from tests.benchmarks.mrpc import tokenizer
from tests.benchmarks.timing import Row, compare
from tests.conftest import REAL_DATA

WORK: tuple[tuple[Task, str, int], ...] = (  # task, data, runs
    ("sst2", f"file:{REAL_DATA}" if REAL_DATA.is_dir() else "sample:67349", 3),
    ("mnli", "sample:200000", 1),  # with its other splits 400,000 rows
)
BATCH = 10_000  # rows of a call to `encode_batch`


def measure() -> list[Row]:
    return [row for task, data, runs in WORK for row in _rows(task, data, runs)]


def _rows(task: Task, data: str, runs: int) -> list[Row]:
    with fetched(task, data) as found:
        rivals: dict[str, Callable[[], None]] = {
            "Dataset.map, num_proc=1": lambda: found.mapped(1),
            "Dataset.map, num_proc=2": lambda: found.mapped(2),
            "encode_batch alone": found.tokenized,
        }
        return [compare(found.work, found.ours, *rival, runs=runs, warm=runs > 1) for rival in rivals.items()]


@dataclass(frozen=True)
class Fetched:
    """A task's splits as Arrow tables, to be tokenized."""

    folder: Path
    spec: EncodeSpec
    request: Request

    @property
    def splits(self) -> list[Path]:
        return sorted((self.folder / "fetch").glob("*.arrow"))

    @property
    def work(self) -> str:
        rows = sum(table.read(split).num_rows for split in self.splits)
        return f"tokenize {rows:,} rows of {self.spec.task.upper()} to Arrow"

    def ours(self) -> None:
        encode.run(self.spec, self.request)

    def mapped(self, workers: int) -> None:
        reads, texts = tokenizer(), task_of(self.spec.task, self.folder / "fetch").text
        for split in self.splits:
            Dataset.from_file(str(split)).map(
                lambda batch: reads(*(batch[name] for name in texts), truncation=True, max_length=128),
                batched=True,
                num_proc=workers,
                load_from_cache_file=False,
                cache_file_name=str(self.folder / f"{split.stem}-map.arrow"),
            )

    def tokenized(self) -> None:
        reads, texts = tokenizer().backend_tokenizer, task_of(self.spec.task, self.folder / "fetch").text
        reads.no_padding()
        reads.enable_truncation(128)
        for split in self.splits:
            for batch in table.read(split).select(list(texts)).to_batches(BATCH):
                reads.encode_batch(_inputs(batch))


def _inputs(batch: pa.RecordBatch) -> list[Any]:
    columns = [column.to_pylist() for column in batch.columns]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


@contextmanager
def fetched(task: Task, data: str) -> Iterator[Fetched]:
    first, second = plan(GlueRun(task=task, data=data)).steps[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for step in ("fetch", "encode"):
            (folder / step).mkdir()
        source = str(folder / "fetch")
        fetch.run(first.spec, Request("fetch", {}, {}, first.sources, source, name, "cpu", 64))
        out = str(folder / "encode")
        yield Fetched(
            folder, second.spec, Request("encode", {}, {"fetch": source}, second.sources, out, name, "cpu", 64)
        )
