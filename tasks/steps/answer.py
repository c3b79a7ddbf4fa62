"""Answer: predictions on the test splits, for the leaderboard.

VERSION in tasks/core/plan.py · float32 · identity: task · not identity: device, batch size (rows are sorted by length)

    in   an encoded split without labels, a fine-tuned folder (for AX that of MNLI)
    out  test.parquet with idx, prediction in row order; facts {"rows": {"test": 1725}}
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoModelForSequenceClassification

from tasks.core.catalog import glue_task
from tasks.core.errors import WrongRequest
from tasks.core.process import Request
from tasks.core.specs import AnswerSpec
from tasks.data import table
from tasks.models.checkpoint import load_tokenizer
from tasks.models.device import device
from tasks.models.forward import batches_for, logits_of
from tasks.models.metrics import predictions


def run(spec: AnswerSpec, request: Request) -> dict[str, Any]:
    """Write the predictions on each test split; raises WrongRequest if the model has other classes than the task."""
    task = glue_task(spec.task)
    folder = Path(request.inputs["finetune"])
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    classes = tuple(model.config.id2label[index] for index in range(model.config.num_labels))
    if classes != (task.labels or ("score",)):
        raise WrongRequest(f"answer: the model's classes are {', '.join(classes)}, not those of {task.name}")
    model.to(device(request.device)).eval()
    collate, _ = batches_for(model, load_tokenizer(folder).pad_token_id)
    rows = {}
    for split in task.test:
        encoded = table.read(Path(request.inputs["encode"]) / f"{split.name}.arrow")
        logits = logits_of(model, collate, encoded, request.eval_batch_size, f"answer {split.name}")
        kind = pa.float32() if task.is_regression else pa.int64()
        found = pa.table({"idx": encoded["idx"], "prediction": pa.array(predictions(task, logits), kind)})
        pq.write_table(found, Path(request.out) / f"{split.name}.parquet")
        rows[split.name] = found.num_rows
    return {"rows": rows, "device": model.device.type}
