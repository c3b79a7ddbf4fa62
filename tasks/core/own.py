"""Data of one's own, as a URI names them: columns and how the rows are divided, after the `?`.

parse("file:data/reviews.csv?text=body&label=stars&split=part")
  ->  "file:data", OwnData(text=("body",), label="stars", split="part", train="reviews.csv")
file:data?text=question&text=answer&label=fits              data/train.csv, data/validation.csv, perhaps data/test.csv
s3://bucket/votes?text=body&label=score&kind=regression&train=old.jsonl&validation=new.jsonl
"""

import re
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import parse_qsl

from pydantic import ValidationError

from tasks.core.errors import WrongRequest
from tasks.core.files import safe_path
from tasks.core.places import Place, dated, place
from tasks.core.specs import OwnData

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
SPLITS = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}
SEVERAL = ("text", "labels")  # keys that may come more than once


def is_own(uri: str) -> bool:
    return "?" in uri


def parse(uri: str) -> tuple[str, OwnData]:
    """The URI of the folder, and the rest of it; a single file becomes the folder's training file."""
    source, _, query = uri.partition("?")
    if not source.startswith(("file:", "s3://")):
        raise WrongRequest.of("data", uri, "columns are named for file: and s3:// only")
    given: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        given.setdefault(key, []).append(value)
    for key, values in given.items():
        if key not in OwnData.model_fields:
            raise WrongRequest.of(f"data: {key}", values[0], f"after ? come {', '.join(OwnData.model_fields)}")
        if len(values) > 1 and key not in SEVERAL:
            raise WrongRequest.of(f"data: {key}", " and ".join(values), "it is named once")
    fields = {key: tuple(values) if key in SEVERAL else values[0] for key, values in given.items()}
    name = source.rpartition("/" if "/" in source else ":")[2]
    if name.endswith(FORMATS):
        if "train" in given:
            raise WrongRequest.of("data: train", given["train"][0], f"the URI names {name}; name a folder, or one file")
        source, fields["train"] = source.removesuffix(name).rstrip("/"), name
        source = source if source != "file:" else "file:/" if uri.startswith("file:/") else "file:."
    try:
        own = OwnData.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise WrongRequest.of(f"data: {first['loc'][0]}", first["input"] if first["type"] != "missing" else None,
                              f"{first['msg'][0].lower()}{first['msg'][1:]}") from None  # fmt: skip
    _refuse_what_does_not_fit(own)
    return source, own


def _refuse_what_does_not_fit(own: OwnData) -> None:
    columns = [*own.text, own.label, own.split] if own.split else [*own.text, own.label]
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise WrongRequest.of("data: columns", twice[0], "each of text, label and split is another column")
    if own.split and own.validation:
        raise WrongRequest.of("data: split", own.split, "a validation file already divides the rows")
    if own.labels and (own.kind == "regression" or len(set(own.labels)) != len(own.labels)):
        raise WrongRequest.of("data: labels", ", ".join(own.labels), "a classification has different ones")
    if own.metric and (own.metric in ("pearson", "spearmanr")) != (own.kind == "regression"):
        allowed = "pearson or spearmanr" if own.kind == "regression" else "accuracy, f1 or matthews_correlation"
        raise WrongRequest.of("data: metric", own.metric, f"a {own.kind} has {allowed}")


def resolved(uri: str, as_of: date | None) -> tuple[Place, OwnData]:
    """The folder as it is on that day, and the description with its files; raises WrongRequest for one not there."""
    source, own = parse(uri)
    found = dated(place(source), as_of)
    there = found.names()
    named = {split: name for split in SPLITS if (name := getattr(own, split))}
    if not named:
        named = {split: name for split, stems in SPLITS.items() if (name := _called(stems, there, found))}
    if "train" not in named:
        wanted = f"train with one of {', '.join(FORMATS)} is expected there, or train=FILE"
        raise WrongRequest.of("data", found.uri, wanted)
    for split, name in named.items():
        if not name.endswith(FORMATS):
            raise WrongRequest.of(f"data: {split}", name, f"files end with {', '.join(FORMATS)}")
        if name not in there:
            raise WrongRequest.of(f"data: {split}", name, f"{found.uri} holds {', '.join(there) or 'no files'}")
        try:
            safe_path(name)
        except ValueError as error:
            raise WrongRequest.of(f"data: {split}", name, str(error)) from None
    own = own.model_copy(update=named)
    _refuse_what_does_not_fit(own)
    return found, own


def _called(stems: tuple[str, ...], there: list[str], found: Place) -> str | None:
    """The one file with one of those stems."""
    held = [name for name in there if PurePosixPath(name).stem in stems and name.endswith(FORMATS)]
    if len(held) > 1:
        raise WrongRequest.of("data", found.uri, f"it holds {' and '.join(held)}; say which with {stems[0]}=FILE")
    return held[0] if held else None


def files(own: OwnData) -> dict[str, str]:
    """The file of each split that has one, by the split's name."""
    return {split: name for split in SPLITS if (name := getattr(own, split))}


def model_name(uri: str) -> str:
    """What a model of the data is called if it is given no name: after the file, or the folder."""
    stem = PurePosixPath(uri.partition("?")[0].partition(":")[2].rstrip("/")).name.rpartition(".")
    return re.sub(r"[^a-z0-9._-]+", "-", (stem[0] or stem[2]).lower()).strip("-._")[:63] or "own"
