"""Training the packaged MiniLM on MRPC, batches of 16, against `Trainer` as run_glue.py uses it (float32, every row
padded to 128 tokens) and at its best documented settings (bfloat16, fused AdamW, batches by length). Seconds are
Trainer's own `train_runtime`: neither loading nor the process's start is in them."""

from collections.abc import Callable

from datasets import Dataset
from transformers import DataCollatorWithPadding, Trainer, set_seed

from tasks.core.machine import has_bfloat16
from tasks.models.packed_trainer import PackedTrainer
from tests.benchmarks.mrpc import BATCH, TASK, Mrpc, arguments, model, mrpc, tokenizer
from tests.benchmarks.timing import Row

STEPS = 40
PAIRS = 3
NARROW = has_bfloat16()


def measure() -> list[Row]:
    with mrpc() as data:
        train = data.train.slice(0, STEPS * BATCH)
        best = {"bf16": NARROW, "optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"}
        as_it_stands = Dataset(train).map(_padded, remove_columns=["idx"])
        rivals = {
            "run_glue.py as it stands": lambda: trainer(data, as_it_stands),
            "Trainer, bfloat16, fused AdamW, by length": lambda: trainer(data, Dataset(train), **best),
        }
        work = f"train {STEPS} steps of {BATCH} rows of {TASK.name.upper()}"
        return [_row(work, lambda: ours(data, train), name, rival) for name, rival in rivals.items()]


def _row(work: str, ours: Callable[[], float], name: str, theirs: Callable[[], float]) -> Row:
    pairs = [(ours(), theirs()) for _ in range(PAIRS + 1)][1:]  # the first does not count
    return Row(work, name, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def ours(data: Mrpc, train: object) -> float:
    set_seed(1)
    options = arguments(data.folder, bf16=NARROW, optim="adamw_torch_fused", remove_unused_columns=False)
    return float(PackedTrainer(model(), options, train, data.validation).train().metrics["train_runtime"])


def trainer(data: Mrpc, train: Dataset, **options: object) -> float:
    set_seed(1)
    collate = DataCollatorWithPadding(tokenizer())
    return float(Trainer(model(), arguments(data.folder, **options), collate, train).train().metrics["train_runtime"])


def _padded(row: dict[str, list[int]]) -> dict[str, list[int]]:
    missing = 128 - len(row["input_ids"])
    filled = {name: row[name] + [0] * missing for name in ("input_ids", "token_type_ids")}
    return {**filled, "attention_mask": [1] * len(row["input_ids"]) + [0] * missing}
