"""Folders on disk and prefixes of a real bucket: both layouts, pinned before they are read, by date where dated."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.core import resolve
from tasks.core.catalog import glue_task
from tasks.core.errors import BadData, Denied, WrongRequest
from tasks.core.places import Bucket, place
from tasks.core.plan import plan
from tasks.core.process import Request
from tasks.core.specs import GlueRun
from tasks.data.table import value, with_features
from tasks.steps import fetch
from tests.conftest import Corner
from tests.fetched import classic, fetched, parquet, rows, write

MRPC = glue_task("mrpc")
ROWS = rows(MRPC, 12)
LAYOUTS = {"classic": classic("mrpc", ROWS), "parquet": parquet("mrpc", ROWS)}


def upload(corner: Corner, files: dict[str, bytes], below: str = "data") -> str:
    for name, body in files.items():
        corner.store.put(f"{below}/{name}", body)
    return corner.store.uri(below)


def revision(uri: str, as_of: date | None = None) -> str:
    return resolve.resolve_data(uri, "mrpc", as_of).revision


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scheme", ["file", "s3"])
def test_both_layouts_from_both_places_give_the_same_tables(
    inside: Corner, tmp_path: Path, layout: str, scheme: str
) -> None:
    files = LAYOUTS[layout]
    uri = upload(inside, files) if scheme == "s3" else write(tmp_path / "glue", files)
    report, tables = fetched(uri, "mrpc", tmp_path)
    assert [tuple(row.values()) for row in tables["train"].to_pylist()] == [(*row, at) for at, row in enumerate(ROWS)]
    assert {name: table.num_rows for name, table in tables.items()} == {"train": 12, "validation": 8, "test": 8}
    assert tables["test"]["label"].to_pylist() == [-1] * 8
    assert report["data"].startswith("etags:" if scheme == "s3" else "sha256:")
    assert not report["official_rows"]


def test_parquet_in_parts_is_read_in_order_and_must_be_whole(tmp_path: Path) -> None:
    files = parquet("mrpc", ROWS)
    del files["mrpc/train.parquet"]
    for part in range(2):
        half = parquet("mrpc", ROWS[part * 6 : part * 6 + 6])["mrpc/train.parquet"]
        files[f"mrpc/train-0000{part}-of-00002.parquet"] = half
    _, tables = fetched(write(tmp_path / "whole", files), "mrpc", tmp_path)
    assert tables["train"]["sentence1"].to_pylist() == [row[0] for row in ROWS]
    assert tables["train"]["idx"].to_pylist() == list(range(12))
    del files["mrpc/train-00001-of-00002.parquet"]
    with pytest.raises(WrongRequest, match=r"1 part\(s\) of train"):
        revision(write(tmp_path / "half", files))


def test_a_pin_follows_the_content_and_not_the_place(inside: Corner, tmp_path: Path) -> None:
    files = LAYOUTS["classic"]
    one, other = upload(inside, files, "one"), upload(inside, files, "other")
    assert revision(one) == revision(other)
    assert revision(write(tmp_path / "a", files)) == revision(write(tmp_path / "b", files))
    inside.store.put("other/MRPC/dev.tsv", files["MRPC/dev.tsv"].replace(b"text", b"tent"))
    assert revision(one) != revision(other)
    inside.store.put("one/README.md", b"not among the files of the task")
    assert revision(one) == revision(upload(inside, files, "third"))


@pytest.mark.parametrize("when", ["before", "while"])
def test_an_object_that_changes_after_it_was_pinned_is_refused(
    inside: Corner, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = upload(inside, LAYOUTS["classic"])
    found = place(uri)
    names = [f"MRPC/{split.file}" for split in MRPC.splits]
    pinned = found.pin(names)
    other = LAYOUTS["classic"]["MRPC/test.tsv"].replace(b"text", b"tent")
    if when == "before":
        inside.store.put("data/MRPC/test.tsv", other)
    else:
        listing = Bucket._listing

        def then_changed(self: Bucket, below: str) -> object:
            seen = listing(self, below)
            inside.store.put("data/MRPC/test.tsv", other)
            return seen

        monkeypatch.setattr(Bucket, "_listing", then_changed)
    with pytest.raises(BadData, match="changed since they were pinned"):
        place(uri).fetch(names, pinned, tmp_path)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    uri = write(tmp_path / "glue", LAYOUTS["classic"])
    step = plan(GlueRun(task="mrpc", data=uri)).steps[0]
    write(tmp_path / "glue", classic("mrpc", rows(MRPC, 13)))
    request = Request("fetch", {}, {}, step.sources, str(tmp_path), str(tmp_path), "cpu", 8)
    with pytest.raises(BadData, match="changed since they were pinned"):
        fetch.run(step.spec, request)


@pytest.mark.parametrize("scheme", ["file", "s3"])
def test_as_of_is_the_newest_dated_folder_at_or_before_that_day(inside: Corner, tmp_path: Path, scheme: str) -> None:
    days = ["2024-01-30", "2024-02-29", "2025-01-01"]
    files = {f"{day}/{name}": data for day in days for name, data in classic("mrpc", ROWS, day).items()}
    uri = upload(inside, files) if scheme == "s3" else write(tmp_path / "dated", files)
    single = {day: revision(f"{uri}/{day}") for day in days}
    assert len(set(single.values())) == 3
    for day, expected in {"2024-01-30": 0, "2024-02-28": 0, "2024-02-29": 1, "2024-12-31": 1, "2030-01-01": 2}.items():
        assert revision(uri, date.fromisoformat(day)) == single[days[expected]]
    assert revision(uri) == single["2025-01-01"]
    _, tables = fetched(uri, "mrpc", tmp_path, date(2024, 6, 1))
    assert "2024-02-29" in tables["validation"]["sentence1"][0].as_py()
    with pytest.raises(WrongRequest, match=r"as_of: '2024-01-29' .* first dated folder .* is 2024-01-30"):
        revision(uri, date(2024, 1, 29))
    with pytest.raises(WrongRequest, match=r"as_of: '2026-01-01' .* has no dated folders"):
        revision(f"{uri}/2024-01-30", date(2026, 1, 1))


def test_names_of_classes_in_another_order_are_mapped_and_unknown_ones_refused(tmp_path: Path) -> None:
    def schema(*names: str) -> pa.Schema:
        fields = [pa.field("sentence1", pa.string()), pa.field("sentence2", pa.string()), pa.field("label", pa.int64())]
        label = {"names": list(names), "_type": "ClassLabel"}
        return with_features(fields, {"sentence1": value("string"), "sentence2": value("string"), "label": label})

    swapped = parquet("mrpc", ROWS, schema=schema("Equivalent", "not_equivalent"))
    _, tables = fetched(write(tmp_path / "swapped", swapped), "mrpc", tmp_path)
    assert tables["train"]["label"].to_pylist() == [1 - row[2] for row in ROWS]
    assert tables["test"]["label"].to_pylist() == [-1] * 8
    same = parquet("mrpc", ROWS, schema=schema("not_equivalent", "equivalent"))
    _, tables = fetched(write(tmp_path / "same", same), "mrpc", tmp_path)
    assert tables["train"]["label"].to_pylist() == [row[2] for row in ROWS]
    other = parquet("mrpc", ROWS, schema=schema("no", "yes"))
    with pytest.raises(BadData, match=r"label 'no' is not allowed; mrpc has not_equivalent, equivalent"):
        fetched(write(tmp_path / "other", other), "mrpc", tmp_path)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://no-such-bucket-here/x", ["data", "no bucket no-such-bucket-here"]),
        ("s3://Bad_Bucket/x", ["data", "s3://bucket/prefix"]),
        ("s3://", ["data", "s3://bucket/prefix"]),
        ("s3:x", ["data", "s3://BUCKET/PREFIX"]),
        ("file:", ["data", "file:FOLDER"]),
        ("gs://bucket/x", ["data", "s3://BUCKET/PREFIX"]),
    ],
)
def test_what_is_no_place_is_refused_in_one_line(inside: Corner, uri: str, words: list[str]) -> None:
    refused = inside.glueflow("plan", "mrpc", "--data", uri, status=2)
    assert len(refused.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in refused.stderr
    assert inside.keys() == set()


def test_an_empty_prefix_names_the_file_that_is_expected(inside: Corner) -> None:
    with pytest.raises(WrongRequest, match=r"train.tsv of mrpc is expected at MRPC/train.tsv"):
        revision(inside.store.uri("nothing"))


def test_a_bucket_that_refuses_us_is_denied(inside: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(Denied, match="AWS_SECRET_ACCESS_KEY"):
        revision(inside.store.uri("data"))
