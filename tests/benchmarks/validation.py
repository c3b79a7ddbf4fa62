"""Logits of MRPC's validation split by MiniLM, float32, against `Trainer.predict` with its defaults."""

from datasets import Dataset
from transformers import DataCollatorWithPadding, Trainer

from tasks.models.forward import batches_for, logits_of
from tests.benchmarks.mrpc import TASK, arguments, model, mrpc, tokenizer
from tests.benchmarks.timing import Row, compare

BATCH = 64  # GLUEFLOW_EVAL_BATCH_SIZE's default


def measure() -> list[Row]:
    with mrpc() as data:
        ours = model().eval()
        collate, _ = batches_for(ours, tokenizer().pad_token_id)
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
