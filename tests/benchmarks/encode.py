"""Tokenizing 67,349 made-up SST-2 rows to Arrow, against `Dataset.map(batched=True)` with the same tokenizer."""

import tempfile
from pathlib import Path

from datasets import Dataset

from tasks.core.catalog import glue_task
from tasks.core.process import Request
from tasks.core.resolve import PACKAGED, resolve_checkpoint
from tasks.core.specs import EncodeSpec, FetchSpec
from tasks.models.checkpoint import load_tokenizer
from tasks.steps import encode, fetch
from tests.benchmarks.timing import Row, compare

ROWS = 67_349


def measure() -> list[Row]:
    checkpoint = resolve_checkpoint(PACKAGED)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "fetch", Path(folder) / "encode"
        source.mkdir()
        out.mkdir()
        data = FetchSpec(task="sst2", data=f"sample:v1:{ROWS}")
        fetch.run(data, Request("fetch", {}, {}, {"data": f"sample:{ROWS}"}, str(source), folder, "cpu", 64))
        spec = EncodeSpec(task="sst2", checkpoint=checkpoint.revision, max_length=128)
        sources = {"checkpoint": checkpoint.location}
        request = Request("encode", {}, {"fetch": str(source)}, sources, str(out), folder, "cpu", 64)
        tokenizer = load_tokenizer(Path(checkpoint.location.removeprefix("file:")))
        splits = [split.name for split in glue_task("sst2").splits]

        def peer(workers: int) -> None:
            for split in splits:
                Dataset.from_file(str(source / f"{split}.arrow")).map(
                    lambda batch: tokenizer(batch["sentence"], truncation=True, max_length=128),
                    batched=True,
                    num_proc=workers,
                    load_from_cache_file=False,
                    cache_file_name=str(Path(folder) / f"{split}-map.arrow"),
                )

        work = f"tokenize {ROWS:,} rows of SST-2 to Arrow"
        return [
            compare(work, lambda: encode.run(spec, request), f"Dataset.map, num_proc={n}", lambda n=n: peer(n))
            for n in (1, 2)
        ]
