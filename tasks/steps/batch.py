"""A batch of predictions: what it is named, what of it is there, and the process that makes the rest.

    run(store, settings, Batch(model="sst2@3", input="reviews.csv"))
      ->  Made("built", Predictions(rows=10000, …))    # predictions/<key>/part-00000-….parquet, …, manifest.json

The input is copied first, so that what is read is what was named. All of it is checked before the model is loaded.
"""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core import predictions
from tasks.core.batch import Batch
from tasks.core.catalog import GLUE
from tasks.core.errors import Damaged, WrongRequest, disk_error
from tasks.core.files import sha256_of
from tasks.core.hold import scratch_folder
from tasks.core.lease import exclusive
from tasks.core.predictions import Parts, Predictions
from tasks.core.process import Request, run_process
from tasks.core.settings import Settings
from tasks.core.specs import PredictSpec
from tasks.core.store import Absent, Store
from tasks.data import export, rows
from tasks.models.opened import Opened, opened

PAIRS = (*dict.fromkeys(task.text for task in GLUE.values()), ("text", "text_pair"), ("text",))
OWN = ("row", "label", "score")  # columns of the output


@dataclass(frozen=True)
class Made:
    """What came of a batch."""

    state: Literal["built", "reused"]
    found: Predictions


def run(store: Store, known: Settings, batch: Batch) -> Made:
    """The batch's predictions, those in the store or new ones; raises WrongRequest or BadData before any is made."""
    check(batch)
    with (
        opened(batch.model, known, lambda: store) as model,
        scratch_folder(known.scratch, "predict") as scratch,
    ):
        try:
            source = copied(batch.input, store, scratch)
        except OSError as error:
            raise disk_error(error, known.home) from error
        spec = specified(batch, model, source)
        key = predictions.key_of(spec)
        total = sum(part.num_rows for part in read(spec, source, batch.input))
        with exclusive(store, f"leases/{key}.json", known.lease, lambda: _there(store, key)) as lease:
            if lease is None:
                return Made("reused", _found(store, key))
            parts = Parts(store, key)
            (scratch / "there.json").write_text(json.dumps(sorted(parts.survey())))
            facts = run_process(known, _request(known, spec, model, source, scratch, total), scratch, parts)
            lease.check()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            return Made("built", parts.commit(spec, model.name, facts["rows"], facts["parts"], now))


def write(store: Store, found: Predictions, output: str) -> None:
    """All parts as one file on this disk; none of it if one is damaged."""
    tables = (pq.read_table(io.BytesIO(body)) for body in predictions.bodies(store, found))
    export.write(Path(output).expanduser(), tables)


def check(batch: Batch) -> None:
    """Raise WrongRequest for what can be told without reading anything."""
    if not batch.input:
        raise WrongRequest("input: is missing; give a .csv, .jsonl or .parquet file")
    export.format_of("input", batch.input)
    if not batch.output:
        return
    export.format_of("output", batch.output)
    target = Path(batch.output).expanduser()
    if not target.parent.is_dir():
        raise WrongRequest.of("output", batch.output, f"the folder {target.parent} does not exist")
    if target.exists() and target.resolve() == Path(batch.input).expanduser().resolve():
        raise WrongRequest.of("output", batch.output, "it is the input, which stays as it is")


def copied(uri: str, store: Store, scratch: Path) -> Path:
    """The input as a file of our own, which nobody changes while it is read."""
    target = scratch / f"input.{export.format_of('input', uri)}"
    if uri.startswith("s3://"):
        if not uri.startswith(store.uri("")):
            raise WrongRequest.of("input", uri, f"of objects, only those below {store.uri('')} are read")
        try:
            store.download(uri.removeprefix(store.uri("")), target)
        except Absent:
            raise WrongRequest.of("input", uri, "there is no such object") from None
        return target
    source = Path(uri).expanduser()
    if not source.is_file():
        raise WrongRequest.of("input", uri, "there is no such file")
    shutil.copyfile(source, target)
    return target


def specified(batch: Batch, model: Opened, source: Path) -> PredictSpec:
    """The batch by its content: which columns are read is settled, the model and the input are digests."""
    form = export.format_of("input", batch.input)
    there = rows.columns(source, form, Path(batch.input).name)
    text, second = chosen(batch, there)
    for field, column in (("text", text), ("second", second), *(("keep", each) for each in batch.keep)):
        if column and column not in there:
            raise WrongRequest.of(field, column, f"columns that are there: {', '.join(there) or 'none'}")
        if column in OWN:
            raise WrongRequest.of(field, column, f"the output has {', '.join(OWN)} of its own; rename it")
    used = [column for column in (text, second, *batch.keep) if column]
    for column in used:
        if used.count(column) > 1 or there.count(column) > 1:
            raise WrongRequest(f"input: column {column!r} is there or asked for twice; each has a name of its own")
    return PredictSpec(
        model=model.content, input=f"sha256:{sha256_of(source)}", format=form, text=text, second=second,
        keep=batch.keep, part_rows=batch.part_rows,
    )  # fmt: skip


def chosen(batch: Batch, there: list[str]) -> tuple[str, str]:
    """The text columns: those that were named, else a pair or a text by a name that GLUE's tasks use, else the only
    column there is. Raises WrongRequest if none of that fits."""
    if batch.text or batch.second:
        if not batch.text:
            raise WrongRequest("text: is missing; name the first text column beside the second")
        return batch.text, batch.second
    for names in sorted(PAIRS, key=len, reverse=True):
        if set(names) <= set(there):
            return names[0], names[1] if len(names) == 2 else ""
    if len(there) == 1:
        return there[0], ""
    raise WrongRequest(f"text: name the text column; columns that are there: {', '.join(there) or 'none'}")


def read(spec: PredictSpec, source: Path, name: str) -> Iterator[pa.Table]:
    """The parts of the input; raises BadData, with the file's own name, for the first row that is no text."""
    text = [column for column in (spec.text, spec.second) if column]
    return rows.parts(source, spec.format, text, spec.keep, spec.part_rows, Path(name).name)


def _request(known: Settings, spec: PredictSpec, model: Opened, source: Path, scratch: Path, total: int) -> Request:
    out = scratch / "out"
    out.mkdir()
    return Request(
        step="predict",
        spec=spec.model_dump(mode="json"),
        inputs={"model": str(model.folder), "input": str(source)},
        sources={"rows": str(total)},
        out=str(out),
        cache=str(known.cache),
        device=known.device,
        eval_batch_size=known.eval_batch_size,
        resume=str(scratch),
    )


def _there(store: Store, key: str) -> bool:
    return predictions.find(store, key) is not None


def _found(store: Store, key: str) -> Predictions:
    found = predictions.find(store, key)
    if found is None:
        raise Damaged(f"store: {store.uri(predictions.folder(key))} vanished while it was read; run again")
    return found
