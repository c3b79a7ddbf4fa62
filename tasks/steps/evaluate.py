"""Evaluate: predictions, logits and official metrics on the validation splits, and how far the metrics can be trusted.

VERSION in tasks/core/plan.py · float32 · identity: task · not identity: device, batch size (rows are sorted by length)

    in   an encoded split, a fine-tuned folder
    out  validation.parquet with idx, label, prediction, logits in row order
         metrics.json {"metrics": {"f1": 0.897, …}, "intervals": {"f1": [0.872, 0.920], …}, "collapsed": false,
                       "majority": {"f1": 0.812, …}, "examples": {"validation": 408}}
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tasks.core.catalog import GlueTask, glue_task
from tasks.core.process import Request
from tasks.core.progress import Progress, report
from tasks.core.specs import EvaluateSpec
from tasks.data import table
from tasks.models.checkpoint import load_tokenizer
from tasks.models.device import device
from tasks.models.dropout import Dropout
from tasks.models.intervals import intervals
from tasks.models.metric import GlueMetric
from tasks.models.metrics import collapsed, majority, predictions
from tasks.models.packed import pack, why_plain
from tasks.models.stream import Row, Rows, stream

Logits = NDArray[np.float32]
Collate = Callable[[Sequence[Row]], dict[str, Any]]


def run(spec: EvaluateSpec, request: Request) -> dict[str, Any]:
    """Write the predictions on each validation split and return how good they are: what is in `metrics.json`."""
    task = glue_task(spec.task)
    folder = Path(request.inputs["finetune"])
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    model.to(device(request.device)).eval()
    reason = why_plain(model)
    if reason:
        collate: Collate = partial(padded, pad=load_tokenizer(folder).pad_token_id)
    else:
        collate = stream
        pack(model, Dropout(seed=0), torch.float32)
    inputs = Path(request.inputs["encode"])
    training = table.read(inputs / "train.arrow")["labels"].to_numpy()
    facts: dict[str, Any] = {"metrics": {}, "intervals": {}, "majority": {}, "collapsed": False, "examples": {}}
    for split in task.validation:
        encoded = table.read(inputs / f"{split.name}.arrow")
        logits = predict(model, collate, encoded, request.eval_batch_size, split.name)
        predicted, labels = predictions(task, logits), encoded["labels"].to_numpy()
        pq.write_table(_rows(task, encoded, predicted, logits), Path(request.out) / f"{split.name}.parquet")
        suffix = split.name.removeprefix(task.validation[0].name).removeprefix("validation")
        for name, found in {
            "metrics": GlueMetric(task).compute(predictions=predicted, references=labels),
            "intervals": intervals(task, predicted, labels),
            "majority": majority(task, training, labels),
        }.items():
            facts[name] |= {f"{metric}{suffix}": value for metric, value in found.items()}
        facts["collapsed"] |= collapsed(task, predicted, labels)
        facts["examples"][split.name] = len(labels)
    (Path(request.out) / "metrics.json").write_text(json.dumps(facts, indent=1))
    return {**facts, "device": model.device.type, "path": "plain" if reason else "packed", "why_plain": reason}


def predict(model: PreTrainedModel, collate: Collate, encoded: pa.Table, batch_size: int, what: str) -> Logits:
    """Logits `(rows, labels)` in row order. Batches are made of rows of like length, so that little is padded."""
    rows = Rows(encoded)
    order = np.argsort(-rows.lengths, kind="stable")
    logits = np.empty((len(order), model.config.num_labels), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            some = order[start : start + batch_size]
            batch = collate([rows[row] for row in some])
            del batch["labels"]
            on_device = {name: to_device(value, model.device) for name, value in batch.items()}
            logits[some] = model(**on_device).logits.float().cpu().numpy()
            report(Progress(f"evaluate {what}", start + len(some), len(order), "rows"))
    return logits


def to_device(value: Any, place: torch.device) -> Any:
    return value.to(place) if isinstance(value, torch.Tensor) else value


def padded(rows: Sequence[Row], pad: int) -> dict[str, torch.Tensor]:
    """The rows as tensors `(B, T)`, padded on the right."""
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])  # (B)
    mask = torch.arange(int(lengths.max())) < lengths[:, None]  # (B, T)
    batch = {"attention_mask": mask.long(), "labels": torch.tensor([row["labels"] for row in rows])}
    for name, filler in (("input_ids", pad), ("token_type_ids", 0)):
        if name in rows[0]:
            values = [torch.from_numpy(row[name].astype(np.int64)) for row in rows]
            batch[name] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True, padding_value=filler)
    return batch


def _rows(task: GlueTask, encoded: pa.Table, predicted: Any, logits: NDArray[np.float32]) -> pa.Table:
    return pa.table(
        {
            "idx": encoded["idx"],
            "label": encoded["labels"],
            "prediction": pa.array(predicted, pa.float32() if task.is_regression else pa.int64()),
            "logits": pa.array(list(logits), pa.list_(pa.float32())),
        }
    )
