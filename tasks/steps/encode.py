"""Encode: every split as token ids, truncated and never padded.

VERSION in tasks/core/plan.py · deterministic · identity: task, checkpoint revision, max_length · not identity: threads

    in   {"sentence1": "The cat sat.", "sentence2": "A cat sat.", "label": 1, "idx": 0}
    out  {"input_ids": [101, 1996, …, 102], "token_type_ids": [0, …, 1], "labels": 1, "idx": 0}; facts {"tokens": {…}}

A batch at a time, so that memory does not grow with the number of rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tasks.core.catalog import GlueTask
from tasks.core.errors import WrongRequest
from tasks.core.process import Request
from tasks.core.progress import Progress, report
from tasks.core.specs import EncodeSpec
from tasks.data import table
from tasks.data.definition import keep, task_of
from tasks.models.checkpoint import NO_LIMIT, checkpoint_folder, load_tokenizer
from tasks.models.wordwise import Encoded, Wordwise, splits_at_spaces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Encoder = Callable[[Sequence[pa.Array]], Encoded]


def run(spec: EncodeSpec, request: Request) -> dict[str, Any]:
    """Write every split of the fetched tables as token ids and return the facts."""
    task = task_of(spec.task, Path(request.inputs["fetch"]))
    folder = checkpoint_folder(request.sources["checkpoint"], spec.checkpoint, Path(request.cache), needs_weights=False)
    tokenizer = load_tokenizer(folder)
    if spec.max_length > tokenizer.model_max_length < NO_LIMIT:
        allowed = f"this checkpoint reads at most {tokenizer.model_max_length} tokens"
        raise WrongRequest.of("max_length", spec.max_length, allowed)
    encoder = encoder_for(tokenizer.backend_tokenizer, len(task.text), spec.max_length)
    schema = encoded_schema(task, "token_type_ids" in tokenizer.model_input_names)
    tokens, truncated = {}, {}
    for split in task.splits:
        source = Path(request.inputs["fetch"]) / f"{split.name}.arrow"
        total = table.read(source).num_rows
        counts = [0, 0]
        batches = watched(encode(task, encoder, table.stream(source), schema, counts), split.name, total)
        table.write(Path(request.out) / f"{split.name}.arrow", schema, batches)
        tokens[split.name], truncated[split.name] = counts
    keep(task, Path(request.out))
    return {"tokens": tokens, "truncated": truncated, "max_length": spec.max_length}


def encode(
    task: GlueTask,
    encoder: Encoder,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    counts: list[int],
) -> Iterator[pa.RecordBatch]:
    """The rows as token ids, in their order; adds tokens and truncated rows to `counts`."""
    for batch in batches:
        ids, types, lengths, truncated = encoder([batch[name] for name in task.text])
        offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
        arrays = {"input_ids": pa.ListArray.from_arrays(offsets, ids), "labels": batch["label"], "idx": batch["idx"]}
        if "token_type_ids" in schema.names:
            arrays["token_type_ids"] = pa.ListArray.from_arrays(offsets, types)
        counts[0] += len(ids)
        counts[1] += truncated
        yield pa.record_batch([arrays[name] for name in schema.names], schema=schema)


def encoder_for(tokenizer: "Tokenizer", texts: int, max_length: int) -> Encoder:
    """A word at a time where that gives the same tokens, else whole rows by the tokenizer's own threads."""
    tokenizer.no_padding()
    if splits_at_spaces(tokenizer):
        tokenizer.no_truncation()
        return Wordwise(tokenizer, texts, max_length).encode
    tokenizer.enable_truncation(max_length)
    return partial(whole_rows, tokenizer)


def whole_rows(tokenizer: "Tokenizer", columns: Sequence[pa.Array]) -> Encoded:
    """As `Wordwise.encode`."""
    texts = [column.to_pylist() for column in columns]
    made = tokenizer.encode_batch_fast(texts[0] if len(texts) == 1 else list(zip(*texts, strict=True)))
    lengths = np.array([len(row) for row in made], np.int64)
    ids = np.fromiter((token for row in made for token in row.ids), np.int32, lengths.sum())
    types = np.fromiter((kind for row in made for kind in row.type_ids), np.int8, lengths.sum())
    return ids, types, lengths, sum(1 for row in made if row.overflowing)


def watched(batches: Iterator[pa.RecordBatch], split: str, total: int) -> Iterator[pa.RecordBatch]:
    """The same batches; says how far they have come."""
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        report(Progress(f"tokenize {split}", done, total, "rows"))


def encoded_schema(task: GlueTask, token_types: bool) -> pa.Schema:
    """Columns by the names that `transformers` models take; no attention mask, for nothing is padded yet."""
    label, feature = table.label_field(task)
    fields = [pa.field("input_ids", pa.list_(pa.int32()))]
    features: dict[str, dict[str, object]] = {"input_ids": {"feature": table.value("int32"), "_type": "List"}}
    if token_types:
        fields.append(pa.field("token_type_ids", pa.list_(pa.int8())))
        features["token_type_ids"] = {"feature": table.value("int8"), "_type": "List"}
    fields += [label.with_name("labels"), pa.field("idx", pa.int32())]
    return table.with_features(fields, {**features, "labels": feature, "idx": table.value("int32")})
