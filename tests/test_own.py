"""Data of one's own, in every format and division, become a task; what is wrong with the request or a row is named."""

import csv
import io
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import BadData, WrongRequest
from tasks.core.own import model_name, parse
from tasks.core.plan import plan
from tasks.core.specs import GlueRun
from tests.conftest import Corner
from tests.fetched import fetched, write
from tests.finished import as_typed, prepared, small

GOOD, BAD = (
    ("a charming and warm film", "a joy from start to end"),
    ("a dull and cold film", "a bore from start to end"),
)
Records = list[dict[str, Any]]


def reviews(count: int) -> Records:
    """Reviews with a split column; every fourth is for validation, every eighth for the test."""
    parts = ["train", "train", "train", "dev", "train", "train", "train", "test"]
    return [
        {
            "id": at,
            "body": f'{(GOOD, BAD)[at % 2][at // 2 % 2]}, "number" {at},\nas they say',
            "stars": ["good", "bad"][at % 2],
            "score": float(at % 2 == 0) * 4 + at % 3 / 10,
            "part": parts[at % 8],
        }
        for at in range(count)
    ]


def as_csv(records: Records) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def as_jsonl(records: Records) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def as_parquet(records: Records) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), out)
    return out.getvalue()


FORMATS = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}
QUERY = "?text=body&label=stars&split=part"


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_task_and_tables(tmp_path: Path, form: str) -> None:
    records = reviews(16)
    uri = write(tmp_path / "data", {f"reviews.{form}": FORMATS[form](records)}) + f"/reviews.{form}{QUERY}"
    report, tables = fetched(uri, "own", tmp_path)
    wanted = [record for record in records if record["part"] == "train"]
    assert tables["train"]["sentence"].to_pylist() == [record["body"] for record in wanted]
    assert tables["train"]["label"].to_pylist() == [["bad", "good"].index(record["stars"]) for record in wanted]
    assert {name: table.num_rows for name, table in tables.items()} == {"train": 12, "validation": 2, "test": 2}
    assert report["splits"]["train"]["labels"] == {"bad": 4, "good": 8}
    assert report["divided"] == "by column part"
    assert report["official_rows"] is None
    scored, tables = fetched(uri.replace("label=stars", "label=score&kind=regression"), "own", tmp_path)
    assert tables["train"]["label"].to_pylist() == pytest.approx([record["score"] for record in wanted])
    assert scored["splits"]["train"]["scores"]["greatest"] == pytest.approx(4.2)


def test_labels_are_sorted_as_numbers_or_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    records = [{"a": f"{at} one", "b": f"{at} two", "n": [10, 9, 2.0][at % 3], "s": "train"} for at in range(9)]
    records[-1]["s"] = "validation"
    uri = write(tmp_path / "data", {"pairs.jsonl": as_jsonl(records)}) + "/pairs.jsonl?text=a&text=b&label=n&split=s"
    report, tables = fetched(uri, "own", tmp_path)
    assert list(report["splits"]["train"]["labels"]) == ["2", "9", "10"]
    assert tables["train"].column_names == ["sentence1", "sentence2", "label", "idx"]
    report, tables = fetched(f"{uri}&labels=9&labels=10&labels=2", "own", tmp_path)
    assert tables["train"]["label"].to_pylist()[:3] == [1, 0, 2]
    named = pa.Table.from_pylist([{**record, "n": at % 2} for at, record in enumerate(records)])
    features = {"info": {"features": {"n": {"names": ["yes", "no"], "_type": "ClassLabel"}}}}
    pq.write_table(
        named.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "data" / "named.parquet"
    )
    report, _ = fetched(uri.replace("pairs.jsonl", "named.parquet"), "own", tmp_path)
    assert set(report["splits"]["train"]["labels"]) == {"no", "yes"}


def test_rows_without_a_split_are_divided_by_their_texts_alone(tmp_path: Path) -> None:
    records = [{"body": f"text {at // 2}", "stars": at % 2} for at in range(400)]  # every text twice
    uri = write(tmp_path / "data", {"all.csv": as_csv(records)}) + "/all.csv?text=body&label=stars&share=0.25"
    report, tables = fetched(uri, "own", tmp_path)
    train, validation = (tables[name]["sentence"].to_pylist() for name in ("train", "validation"))
    assert 60 < len(validation) < 140
    assert not set(train) & set(validation)
    assert report["divided"].startswith("by us: a share of 0.25")
    write(tmp_path / "data", {"all.csv": as_csv(records[::-1][:300])})
    _, fewer = fetched(uri, "own", tmp_path)
    assert set(fewer["validation"]["sentence"].to_pylist()) <= set(validation)
    _, other = fetched(f"{uri}&split_seed=1", "own", tmp_path)
    assert set(other["validation"]["sentence"].to_pylist()) != set(fewer["validation"]["sentence"].to_pylist())


@pytest.mark.parametrize("query", ["", "&train=old.jsonl&validation=new.csv"])
def test_several_files_and_an_unlabelled_test(tmp_path: Path, query: str) -> None:
    records = reviews(12)
    tests = [{"body": record["body"]} for record in records]
    names = ("old.jsonl", "new.csv") if query else ("train.jsonl", "dev.csv")
    files = {names[0]: as_jsonl(records[:8]), names[1]: as_csv(records[8:])}
    files |= {} if query else {"test.parquet": as_parquet(tests)}
    report, tables = fetched(write(tmp_path / "d", files) + f"?text=body&label=stars{query}", "own", tmp_path)
    assert report["divided"] == "by file"
    assert [tables[name].num_rows for name in ("train", "validation")] == [8, 4]
    if not query:
        assert tables["test"]["label"].to_pylist() == [-1] * 12


def test_dated_folders_and_what_enters_the_key(tmp_path: Path) -> None:
    files = {f"2024-0{month}-01/r.csv": as_csv(reviews(8 * month)) for month in (1, 2)}
    uri = write(tmp_path / "dated", files) + f"/r.csv{QUERY}"

    def key(uri: str, day: str) -> str:
        return plan(GlueRun(task="own", data=uri, as_of=date.fromisoformat(day))).steps[0].key

    assert key(uri, "2024-01-15") == key(uri, "2024-01-31") != key(uri, "2024-02-01")
    for other in ("&kind=regression", "&labels=bad&labels=good", "&metric=f1"):
        assert key(uri + other, "2024-01-15") != key(uri, "2024-01-15")
    with pytest.raises(WrongRequest, match="first dated folder"):
        key(uri, "2023-01-01")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?label=stars", ["data: text", "field required"]),
        ("?text=body", ["data: label", "field required"]),
        ("?text=body&label=stars&colour=red", ["data: colour", "red", "text, label, kind, split"]),
        ("?text=body&label=stars&label=id", ["data: label", "named once"]),
        ("?text=body&label=body", ["data: columns", "body"]),
        ("?text=a&text=b&text=c&label=stars", ["data: text", "at most 2"]),
        ("?text=body&label=stars&kind=ranking", ["data: kind", "ranking", "'classification' or 'regression'"]),
        ("?text=body&label=stars&share=1.5", ["data: share", "1.5", "less than 1"]),
        ("?text=body&label=stars&metric=pearson", ["data: metric", "pearson", "accuracy, f1"]),
        ("?text=body&label=stars&validation=none.csv", ["data: validation", "none.csv", "holds reviews.csv"]),
        ("?text=body&label=stars&validation=x.txt", ["data: validation", "x.txt", ".csv, .tsv, .jsonl"]),
        ("?text=body&label=stars&split=part&validation=reviews.csv", ["data: split", "part"]),
        ("?text=body&label=stars&kind=regression&labels=a", ["data: labels", "a"]),
        ("?text=body&label=score&split=part&labels=1", ["score '", "one of 1"]),
        ("?text=body&label=stars&split=id", ["row 2", "id '0' is not allowed", "train, validation, valid, dev"]),
        ("?text=body&label=stars&split=part&labels=good&labels=bad&labels=fair", ["'fair'", "training row"]),
        ("?text=body&label=stars&kind=regression&split=part", ["row 2: stars 'good' is not allowed; it is a number"]),
    ],
)
def test_a_wrong_request_is_named(tmp_path: Path, query: str, words: list[str]) -> None:
    write(tmp_path / "data", {"reviews.csv": as_csv(reviews(16))})
    with pytest.raises(WrongRequest) as caught:
        fetched(f"file:{tmp_path}/data/reviews.csv{query}", "own", tmp_path)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_task_and_data_must_fit_and_nothing_is_written(corner: Corner, tmp_path: Path) -> None:
    uri = write(tmp_path / "data", {"reviews.csv": as_csv(reviews(16))}) + f"/reviews.csv{QUERY}"
    for arguments, words in (
        (["mrpc", "--data", uri], ["task", "mrpc", "own"]),
        (["own", "--data", "sample:8"], ["task", "own", "text=body&label=stars"]),
        (["own", "--data", f"hf://acme/reviews{QUERY}"], ["data", "file: and s3://"]),
        (["own", "--data", uri.replace("reviews.csv", "reports.csv")], ["reports.csv", "holds reviews.csv"]),
    ):
        refused = corner.glueflow("plan", *arguments, status=2)
        assert len(refused.stderr.strip().splitlines()) == 1
        assert all(word in refused.stderr for word in words), refused.stderr
    assert corner.keys() == set()
    assert model_name(uri) == "reviews"
    assert parse("s3://bucket/Votes of 2024.jsonl?text=a&label=b")[0] == "s3://bucket"
    assert model_name("s3://bucket/Votes of 2024.jsonl?text=a&label=b") == "votes-of-2024"


def test_a_validation_label_that_training_lacks_is_named(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    records = reviews(16)
    records[3]["stars"] = "superb"
    uri = write(tmp_path / "data", {"reviews.csv": as_csv(records)}) + f"/reviews.csv{QUERY}"
    refused = corner.glueflow("run", "own", "--data", uri, "--checkpoint", f"file:{tiny}", status=2)
    assert "reviews.csv: row 5: stars 'superb' is not allowed; training has bad, good" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert corner.made() == set()


@pytest.mark.parametrize(("kind", "label"), [("classification", "stars"), ("regression", "score")])
def test_the_whole_pipeline_from_a_bucket_to_a_prediction(inside: Corner, tiny: Path, kind: str, label: str) -> None:
    """The steps are processes for the one kind, and in this one for the other."""
    corner = inside
    corner.store.put("data/Reviews.jsonl", as_jsonl(reviews(64)))
    uri = corner.store.uri(f"data/Reviews.jsonl?text=body&label={label}&split=part&kind={kind}")
    asked = small(tiny, task="own", data=uri)
    if kind == "regression":
        prepared(corner, asked)
    found = corner.json(*as_typed(asked))
    assert found["task"] == "own"
    assert found["model"]["name"] == "reviews"
    assert set(found["metrics"]) == (
        {"pearson", "spearmanr"} if kind == "regression" else {"accuracy", "matthews_correlation"}
    )
    assert {step["state"] for step in corner.json(*as_typed(asked))["steps"]} == {"reused"}
    answer = corner.json("predict", "reviews", "a charming film")
    assert answer["label"] in {"score"} if kind == "regression" else {"good", "bad"}
    config = json.loads(corner.store.get("models/reviews/versions/1/config.json") or b"")
    names = Counter(config["id2label"].values())
    assert names == Counter(["score"] if kind == "regression" else ["bad", "good"])


def test_a_metric_for_two_labels_needs_two(tmp_path: Path) -> None:
    records = [{**record, "stars": at % 3} for at, record in enumerate(reviews(16))]
    uri = write(tmp_path / "data", {"r.csv": as_csv(records)}) + f"/r.csv{QUERY}&metric=f1"
    with pytest.raises(BadData, match="metric f1 is for two labels; the training rows have 0, 1, 2"):
        fetched(uri, "own", tmp_path)
