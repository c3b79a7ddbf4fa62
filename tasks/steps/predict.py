"""Predict: label and score of every row of a file, part by part, handed over as they are done.

VERSION in tasks/core/predictions.py · float32 · identity: PredictSpec · not identity: device, batch size

    in   rows.csv with a column text; a model's folder
    out  part.parquet for each part: {"row": 0, "text": "Good.", "label": "positive", "score": 0.98}

Rows are sorted by length within a part and stand in their order in the result. A part is all that memory holds.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tasks.core.process import Request
from tasks.core.progress import Progress, Saved, hand_over, report
from tasks.core.specs import PredictSpec
from tasks.data import rows
from tasks.models.checkpoint import load_tokenizer, loaded, longest_input
from tasks.models.classifier import names, probabilities
from tasks.models.device import device
from tasks.models.forward import Collate, Logits, batches_for, logits_of


def run(spec: PredictSpec, request: Request) -> dict[str, Any]:
    """Hand over every part that is not there yet, and return how many there are and how many rows."""
    folder = Path(request.inputs["model"])
    model = loaded("AutoModelForSequenceClassification", folder).to(device(request.device))
    tokenizer = load_tokenizer(folder)
    collate, limit = batches_for(model, tokenizer.pad_token_id or 0)[0], longest_input(model, tokenizer)
    there = set(json.loads((Path(request.resume) / "there.json").read_text()))
    text = [column for column in (spec.text, spec.second) if column]
    done = count = 0
    for part in rows.parts(Path(request.inputs["input"]), spec.format, text, spec.keep, spec.part_rows, "input"):
        if count not in there:
            logits = asked(model, collate, encoded(part, text, tokenizer, limit), request.eval_batch_size)
            place = Path(request.out) / str(count)
            place.mkdir()
            pq.write_table(answers(model, part, logits, done), place / "part.parquet")
            hand_over(Saved(count, str(place)))
        done += part.num_rows
        count += 1
        report(Progress("predict", done, int(request.sources["rows"]), "rows"))
    return {"rows": done, "parts": count}


def encoded(part: pa.Table, text: list[str], tokenizer: Any, limit: int | None) -> pa.Table:
    """The rows as token ids; what is longer than the model reads is truncated. There are no labels: all are 0."""
    if not part.num_rows:
        return pa.table({"labels": pa.array([], pa.int64())})
    found = tokenizer(*(part[column].to_pylist() for column in text), truncation=limit is not None, max_length=limit)
    kinds = {"input_ids": pa.int32(), "token_type_ids": pa.int8()}
    columns = {name: pa.array(found[name], pa.list_(kind)) for name, kind in kinds.items() if name in found}
    return pa.table({**columns, "labels": np.zeros(part.num_rows, np.int64)})


def asked(model: Any, collate: Collate, table: pa.Table, batch_size: int) -> Logits:
    """Logits `(rows, labels)`."""
    if not table.num_rows:
        return np.empty((0, model.config.num_labels), np.float32)
    return logits_of(model, collate, table, batch_size)


def answers(model: Any, part: pa.Table, logits: Logits, first: int) -> pa.Table:
    """The part with its rows' numbers, labels and scores: a probability, or of a regression the score itself."""
    shares = probabilities(model, torch.from_numpy(logits))
    scores = logits if shares is None else shares.numpy()
    best = scores.argmax(axis=1)  # (rows,)
    labels = pa.array([names(model)[index] for index in best], pa.string())
    found = part.add_column(0, "row", pa.array(range(first, first + part.num_rows), pa.int64()))
    found = found.append_column("label", labels)
    return found.append_column("score", pa.array(scores[np.arange(len(best)), best], pa.float32()))
