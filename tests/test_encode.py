"""Token ids: those of transformers' own tokenizer, in row order, memory-mapped, in memory that stays flat."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset

from tasks.core.catalog import Split, glue_task
from tasks.core.errors import WrongRequest
from tasks.core.process import Request
from tasks.core.resolve import PACKAGED, resolve_checkpoint
from tasks.core.specs import EncodeSpec
from tasks.data import classic, table
from tasks.models.checkpoint import load_tokenizer
from tasks.steps import encode
from tests.conftest import full

CHECKPOINT = resolve_checkpoint(PACKAGED)
PAIRS = [
    ("He said it .", 'She said " no " .', 1),
    ("Short.", "A much longer second sentence, " * 12, 0),
    ("Ünïcödé ½ 日本語", "emoji 🙂 and\u200bzero width", 1),
    ("", "empty first", 0),
]


def request(folder: Path, step: str = "encode") -> Request:
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    sources = {"checkpoint": CHECKPOINT.location}
    return Request(step, {}, {"fetch": str(folder / "in")}, sources, str(out), str(folder / "cache"), "cpu", 8)


def spec(task: str, max_length: int = 32) -> EncodeSpec:
    return EncodeSpec(task=task, checkpoint=CHECKPOINT.revision, max_length=max_length)


def fetched(folder: Path, task: str, rows: list[tuple[Any, ...]]) -> None:
    glue = glue_task(task)
    (folder / "in").mkdir(parents=True)
    for split in glue.splits:
        columns = [*zip(*rows, strict=True), range(len(rows))]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, table.schema(glue), strict=True)]
        batch = pa.record_batch(arrays, schema=table.schema(glue))
        table.write(folder / "in" / f"{split.name}.arrow", table.schema(glue), [batch])


def test_ids_equal_those_of_the_tokenizer(tmp_path: Path) -> None:
    fetched(tmp_path, "mrpc", PAIRS)
    facts = encode.run(spec("mrpc"), request(tmp_path))
    tokenizer = load_tokenizer(Path(CHECKPOINT.location.removeprefix("file:")))
    wanted = tokenizer([row[0] for row in PAIRS], [row[1] for row in PAIRS], truncation=True, max_length=32)
    found = table.read(tmp_path / "out" / "train.arrow")
    assert found["input_ids"].to_pylist() == wanted["input_ids"]
    assert found["token_type_ids"].to_pylist() == wanted["token_type_ids"]
    assert found["labels"].to_pylist() == [row[2] for row in PAIRS]
    assert found["idx"].to_pylist() == [0, 1, 2, 3]
    assert len({len(ids) for ids in wanted["input_ids"]}) > 1  # nothing is padded
    assert facts["truncated"]["train"] == 1
    assert facts["tokens"]["train"] == sum(map(len, wanted["input_ids"]))


def test_single_sentences_and_scores(tmp_path: Path) -> None:
    fetched(tmp_path / "sst2", "sst2", [("charming .", 1), ("dull", 0)])
    encode.run(spec("sst2"), request(tmp_path / "sst2"))
    assert set(map(tuple, table.read(tmp_path / "sst2/out/train.arrow")["token_type_ids"].to_pylist())) <= {
        (0,) * n for n in range(9)
    }
    fetched(tmp_path / "stsb", "stsb", [("a", "b", 3.8)])
    encode.run(spec("stsb"), request(tmp_path / "stsb"))
    assert table.read(tmp_path / "stsb/out/train.arrow")["labels"].to_pylist() == pytest.approx([3.8])


def test_the_files_open_as_a_dataset_by_memory_map(tmp_path: Path) -> None:
    fetched(tmp_path, "mrpc", PAIRS)
    encode.run(spec("mrpc"), request(tmp_path))
    for folder in ("in", "out"):
        dataset = Dataset.from_file(str(tmp_path / folder / "train.arrow"))
        label = dataset.features["label" if folder == "in" else "labels"]
        assert isinstance(label, ClassLabel)
        assert label.names == ["not_equivalent", "equivalent"]
        assert dataset.num_rows == len(PAIRS)
        assert dataset.cache_files == [{"filename": str(tmp_path / folder / "train.arrow")}]
    assert len(dataset[1]["input_ids"]) == 32


def test_more_tokens_than_the_checkpoint_reads_are_refused(tmp_path: Path) -> None:
    fetched(tmp_path, "mrpc", PAIRS)
    with pytest.raises(WrongRequest, match=r"max_length: 600 .* at most 512 tokens"):
        encode.run(spec("mrpc", 600), request(tmp_path))


def _peak_memory(folder: Path, data: Path, times: int) -> int:
    """Bytes that the encode step's process held at most for SST-2 repeated so many times."""
    glue = glue_task("sst2")
    (folder / "in").mkdir(parents=True)

    def repeated(split: Split) -> Iterator[pa.RecordBatch]:
        for _ in range(times if split.name == "train" else 1):
            yield from classic.read(glue, split, data / glue.folder / split.file)

    for split in glue.splits:
        table.write(folder / "in" / f"{split.name}.arrow", table.schema(glue), repeated(split))
    asked = {**asdict(request(folder)), "spec": spec("sst2", 128).model_dump()}
    (folder / "request.json").write_text(json.dumps(asked))
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "tasks.steps", "encode", str(folder / "request.json")]
    lines = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()
    assert table.read(folder / "out" / "train.arrow").num_rows == times * 67_349
    return int(json.loads(lines[-1])["facts"]["peak_memory"])


@pytest.mark.slow
@full
def test_ten_times_the_rows_need_no_more_memory(tmp_path: Path, glue_data: Path) -> None:
    once, tenfold = _peak_memory(tmp_path / "1", glue_data, 1), _peak_memory(tmp_path / "10", glue_data, 10)
    print(f"peak memory: SST-2 {once / 1e6:.0f} MB, ten times over {tenfold / 1e6:.0f} MB")
    assert tenfold < 600e6
    assert tenfold - once < 0.15 * once
