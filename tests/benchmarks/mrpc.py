"""MRPC for the benchmarks, fetched and tokenized once: real where it is kept beside the checkout, else made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from transformers import TrainingArguments

from tasks.core.catalog import glue_task
from tasks.core.plan import plan
from tasks.core.process import Request
from tasks.core.resolve import packaged_folder
from tasks.core.specs import GlueRun
from tasks.data import table
from tasks.models.checkpoint import load_classifier, load_tokenizer
from tasks.steps import encode, fetch
from tests.conftest import REAL_DATA

DATA = f"file:{REAL_DATA}" if REAL_DATA.is_dir() else "sample:3668"
TASK = glue_task("mrpc")
BATCH = 16


@dataclass(frozen=True)
class Mrpc:
    """The encoded splits, and a folder for whatever needs one."""

    folder: Path
    train: pa.Table
    validation: pa.Table


@contextmanager
def mrpc() -> Iterator[Mrpc]:
    asked = plan(GlueRun(data=DATA))
    with TemporaryDirectory() as name:
        folder = Path(name)
        for step, run in zip(asked.steps, (fetch.run, encode.run), strict=False):
            (folder / step.step).mkdir()
            inputs = {each: str(folder / each) for each in step.inputs}
            run(step.spec, Request(step.step, {}, inputs, step.sources, str(folder / step.step), name, "cpu", 64))
        splits = (table.read(folder / "encode" / f"{split}.arrow") for split in ("train", "validation"))
        yield Mrpc(folder, *splits)


def model() -> Any:
    return load_classifier(packaged_folder(), TASK, "pretrained")[0]


def tokenizer() -> Any:
    return load_tokenizer(packaged_folder())


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    """One epoch on the CPU, with nothing logged, saved or evaluated on the way."""
    return TrainingArguments(
        output_dir=str(folder / "trainer"),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **options,
    )
