"""What a batch reads: three formats in parts of any size; what cannot be read is refused before anything is written."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core import predictions
from tasks.core.batch import Batch
from tasks.core.errors import BadData, WrongRequest
from tasks.core.specs import PredictSpec
from tasks.data import rows
from tasks.steps import batch
from tests.conftest import Corner
from tests.test_batch import TEXTS, csv_file
from tests.test_cli import assert_refused


@pytest.mark.parametrize(
    ("name", "content", "options", "names"),
    [
        ("in.txt", "text\na\n", {}, ["input", "in.txt", ".csv, .jsonl, .parquet"]),
        ("in.csv", "id,body\n1,a\n", {}, ["text", "id, body"]),
        ("in.csv", "id,body\n1,a\n", {"text": "corpus"}, ["text", "corpus", "id, body"]),
        ("in.csv", "id,body\n1,a\n", {"text": "body", "keep": ("x",)}, ["keep", "'x'", "id, body"]),
        ("in.csv", "id,body\n1,a\n", {"text": "body", "second": "body"}, ["body", "twice"]),
        ("in.csv", "label,text\n1,a\n", {"keep": ("label",)}, ["keep", "label", "row, label, score"]),
        ("in.csv", "id,text\n1,a\n2\n", {}, ["in.csv", "record 3", "1 columns instead of 2"]),
        ("in.csv", 'id,text\n1,"a\n', {}, ["in.csv", "no CSV"]),
        ("in.csv", b"id,text\n1,\xff\n", {}, ["in.csv", "UTF-8"]),
        ("in.jsonl", '{"text": "a"}\nnothing\n', {}, ["in.jsonl", "line 2", "no JSON object"]),
        ("in.jsonl", '{"text": "a"}\n{"text": null}\n', {}, ["in.jsonl", "line 2", "text", "null"]),
        ("in.jsonl", '{"text": "a"}\n{"body": "b"}\n', {}, ["in.jsonl", "line 2", "'text'", "body"]),
        ("in.parquet", "PAR1 or not", {}, ["in.parquet", "no Parquet"]),
        ("in.parquet", pa.table({"text": [1]}), {}, ["in.parquet", "text", "int64"]),
        ("in.parquet", pa.table({"text": ["a", None]}), {}, ["in.parquet", "row 2", "text is missing"]),
        ("in.csv", "text\na\n", {"output": "out.xls"}, ["output", "out.xls", ".csv"]),
        ("in.csv", "text\na\n", {"output": "/no/such/out.csv"}, ["output", "/no/such"]),
        ("in.csv", "text\na\n", {"input": "s3://elsewhere/in.csv"}, ["input", "s3://elsewhere/in.csv"]),
        ("in.csv", "text\na\n", {"input": "missing.csv"}, ["input", "missing.csv", "no such file"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_nothing_is_written(
    corner: Corner, tiny: Path, tmp_path: Path, name: str, content: Any, options: dict[str, Any], names: list[str]
) -> None:
    path = tmp_path / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((WrongRequest, BadData)) as refused:
        batch.run(corner.store, corner.settings, Batch(**{"model": f"file:{tiny}", "input": str(path), **options}))
    for word in names:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)
    assert corner.keys() == set()


def test_a_missing_column_as_a_user_sees_it(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    source = csv_file(tmp_path / "in.csv")
    asked = ("predict", f"file:{tiny}", "--input", str(source), "--text", "body")
    assert_refused(corner, *asked, names=["text", "'body'", "id, sentence, note"])
    assert corner.made() == set()


@pytest.mark.parametrize("size", [1, 3, 40, 100])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_parts_put_together_are_the_file(tmp_path: Path, form: Any, size: int) -> None:
    table = pa.table({"id": [f"r{number}" for number in range(40)], "text": TEXTS})
    path = tmp_path / f"in.{form}"
    if form == "csv":
        csv_file(path)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pq.write_table(table, path, row_group_size=7)
    text = "sentence" if form == "csv" else "text"
    found = list(rows.parts(path, form, [text], ["id"], size, "in"))
    assert {part.num_rows for part in found[:-1]} <= {size}
    together = pa.concat_tables(found)
    assert together.column(text).to_pylist() == TEXTS
    assert together["id"].to_pylist() == table["id"].to_pylist()


def test_the_name_of_a_batch_is_its_content_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden, too: what is written for the same spec has changed, so raise its VERSION."""
    monkeypatch.setattr(predictions, "version", lambda _: "1.0")
    spec = PredictSpec(model="aa", input="sha256:bb", format="csv", text="text", second="", keep=(), part_rows=4096)
    changes = {"model": "ab", "input": "sha256:bc", "format": "jsonl", "text": "t", "second": "s", "keep": ("k",)}
    others = {predictions.key_of(spec.model_copy(update={field: value})) for field, value in changes.items()}
    others.add(predictions.key_of(spec.model_copy(update={"part_rows": 1})))
    assert predictions.key_of(spec) == "22a7f0a6afb32ab4eb780c701c2ec2bbb6aa0ce7fba6f1f7086e244e202dc25c"
    assert len(others | {predictions.key_of(spec)}) == 8
