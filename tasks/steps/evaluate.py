"""Evaluate: predictions, logits and official metrics on the validation splits, and how far the metrics can be trusted.

VERSION in tasks/core/plan.py · identity: task, precision · not identity: device, batch size (rows are sorted by length)

On the packed path products are done in the training's precision, as they were when its best epoch was chosen.

    in   an encoded split, a fine-tuned folder
    out  validation.parquet with idx, label, prediction, logits in row order
         metrics.json {"metrics": {"f1": 0.897, …}, "intervals": {"f1": [0.872, 0.920], …}, "collapsed": false,
                       "majority": {"f1": 0.812, …}, "examples": {"validation": 408}, "suspicions": []}
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from tasks.core.catalog import GlueTask
from tasks.core.process import Request
from tasks.core.specs import EvaluateSpec
from tasks.data import table
from tasks.data.definition import task_of
from tasks.models.checkpoint import load_tokenizer
from tasks.models.device import device
from tasks.models.forward import batches_for, logits_of
from tasks.models.intervals import intervals
from tasks.models.metric import GlueMetric
from tasks.models.metrics import collapsed, majority, predictions
from tasks.models.relabel import suspicion


def run(spec: EvaluateSpec, request: Request) -> dict[str, Any]:
    """Write the predictions on each validation split and return how good they are: what is in `metrics.json`."""
    task = task_of(spec.task, Path(request.inputs["encode"]))
    folder = Path(request.inputs["finetune"])
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    model.to(device(request.device)).eval()
    collate, reason = batches_for(model, load_tokenizer(folder).pad_token_id, getattr(torch, spec.precision))
    inputs = Path(request.inputs["encode"])
    training = table.read(inputs / "train.arrow")["labels"].to_numpy()
    facts: dict[str, Any] = {"metrics": {}, "intervals": {}, "majority": {}, "collapsed": False, "examples": {}}
    facts["suspicions"] = []
    for split in task.validation:
        encoded = table.read(inputs / f"{split.name}.arrow")
        logits = logits_of(model, collate, encoded, request.eval_batch_size, f"evaluate {split.name}")
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
        if found := suspicion(task, predicted, labels):
            facts["suspicions"].append(f"{split.name}: {found}")
    (Path(request.out) / "metrics.json").write_text(json.dumps(facts, indent=1))
    return {**facts, "device": model.device.type, "path": "plain" if reason else "packed", "why_plain": reason}


def _rows(task: GlueTask, encoded: pa.Table, predicted: Any, logits: NDArray[np.float32]) -> pa.Table:
    return pa.table(
        {
            "idx": encoded["idx"],
            "label": encoded["labels"],
            "prediction": pa.array(predicted, pa.float32() if task.is_regression else pa.int64()),
            "logits": pa.array(list(logits), pa.list_(pa.float32())),
        }
    )
