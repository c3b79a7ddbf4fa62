"""A classifier over many encoded rows, sorted by length: packed where the model has that path, else padded.

collate, reason = batches_for(model, pad=0)    # reason "" says packed; a third argument bfloat16: products in that
logits_of(model, collate, table, batch_size=64, what="evaluate validation")  ->  [[-0.3, 1.2], …], in row order
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from tasks.core.progress import Progress, report
from tasks.models.dropout import Dropout
from tasks.models.packed import pack, why_plain
from tasks.models.stream import Row, Rows, stream

Logits = NDArray[np.float32]
Collate = Callable[[Sequence[Row]], dict[str, Any]]


def batches_for(model: PreTrainedModel, pad: int, dtype: torch.dtype = torch.float32) -> tuple[Collate, str]:
    """How rows become batches of the model, which is packed if it can be, and why it is not: then it stays float32."""
    reason = why_plain(model)
    if reason:
        return partial(padded, pad=pad), reason
    pack(model, Dropout(seed=0), dtype)
    return stream, ""


def logits_of(model: PreTrainedModel, collate: Collate, encoded: pa.Table, batch_size: int, what: str = "") -> Logits:
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
            if what:
                report(Progress(what, start + len(some), len(order), "rows"))
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
