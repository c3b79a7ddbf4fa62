"""A classifier over many encoded rows, sorted by length: packed where the model has that path, else padded.

collate, reason = batches_for(model, pad=0)    # reason "" says packed; a third argument bfloat16: products in that
logits_of(model, collate, table, batch_size=64, what="evaluate validation")  ->  [[-0.3, 1.2], …], in row order
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    @torch.inference_mode()
    def one(some: NDArray[np.int64]) -> Logits:
        batch = collate([rows[row] for row in some])
        del batch["labels"]
        on_device = {name: to_device(value, model.device) for name, value in batch.items()}
        return model(**on_device).logits.float().cpu().numpy()  # type: ignore[no-any-return]  # a model's output is Any

    logits, done = np.empty((len(order), model.config.num_labels), np.float32), 0
    with side_by_side(len(batches) if model.device.type == "cpu" else 1) as each:
        for some, found in zip(batches, each(one, batches), strict=True):
            logits[some] = found
            done += len(some)
            if what:
                report(Progress(what, done, len(order), "rows"))
    return logits


@contextmanager
def side_by_side(pieces: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` in as many threads as torch has, one for each piece: all the way, where a product alone is shared out
    and what lies between waits. With one piece, or one thread, the `map` of Python."""
    threads = torch.get_num_threads()
    if min(pieces, threads) < 2:
        yield map
        return
    try:
        with ThreadPoolExecutor(min(pieces, threads), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(threads)  # some libraries' threads are counted for the process


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
