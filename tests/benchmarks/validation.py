"""Logits of MRPC's validation split by MiniLM, as the evaluate step makes them by default (bfloat16 where the machine
has it), against `Trainer.predict` with its defaults (float32)."""

import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding, Trainer

from tasks.core.machine import has_bfloat16
from tasks.models.forward import batches_for, logits_of
from tests.benchmarks.mrpc import TASK, arguments, model, mrpc, tokenizer
from tests.benchmarks.timing import Row, compare

BATCH = 64  # GLUEFLOW_EVAL_BATCH_SIZE's default


def measure() -> list[Row]:
    with mrpc() as data:
        ours = model().eval()
        collate, _ = batches_for(ours, tokenizer().pad_token_id, torch.bfloat16 if has_bfloat16() else torch.float32)
        peer = Trainer(model(), arguments(data.folder), DataCollatorWithPadding(tokenizer()))
        rows = Dataset(data.validation)
        return [
            compare(
                f"logits of {len(rows)} rows of {TASK.name.upper()}",
                lambda: logits_of(ours, collate, data.validation, BATCH),
                "Trainer.predict",
                lambda: peer.predict(rows),
            )
        ]
