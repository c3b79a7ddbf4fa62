"""A column that is not there is refused before anything runs, whatever the format and place; the others are named."""

from pathlib import Path

import pytest

from tasks.core.columns import columns
from tasks.core.errors import WrongRequest
from tasks.core.places import place
from tasks.core.plan import plan
from tasks.core.specs import GlueRun
from tests.conftest import Corner
from tests.fetched import write
from tests.test_own import FORMATS, reviews

THERE = "id, body, stars, score, part"
LACKING = {
    "?text=words&label=stars": "data: text: column 'words' is not there",
    "?text=body&text=title&label=stars": "data: text: column 'title' is not there",
    "?text=body&label=grade": "data: label: column 'grade' is not there",
    "?text=body&label=stars&split=fold": "data: split: column 'fold' is not there",
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("query", LACKING)
def test_a_plan_names_the_column_that_is_not_there_and_those_that_are(tmp_path: Path, form: str, query: str) -> None:
    uri = write(tmp_path, {f"reviews.{form}": FORMATS[form](reviews(16))}) + f"/reviews.{form}{query}"
    with pytest.raises(WrongRequest) as caught:
        plan(GlueRun(task="own", data=uri))
    assert str(caught.value) == f"{LACKING[query]}; reviews.{form} has {THERE}"


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_command_refuses_it_in_one_line_and_writes_nothing(corner: Corner, tmp_path: Path, command: str) -> None:
    uri = write(tmp_path, {"reviews.csv": FORMATS["csv"](reviews(16))}) + "/reviews.csv?text=body&label=grade"
    refused = corner.glueflow(command, "own", "--data", uri, status=2)
    assert refused.stderr.strip().splitlines() == [
        f"error: data: label: column 'grade' is not there; reviews.csv has {THERE}"
    ]
    assert corner.keys() == set()


@pytest.mark.parametrize("form", FORMATS)
def test_columns_of_objects_in_a_bucket(inside: Corner, form: str) -> None:
    inside.store.put(f"data/reviews.{form}", FORMATS[form](reviews(400)))
    assert columns(place(inside.store.uri("data")), f"reviews.{form}") == THERE.split(", ")
    with pytest.raises(WrongRequest, match=rf"'grade' is not there; reviews.{form} has {THERE}"):
        plan(GlueRun(task="own", data=inside.store.uri(f"data/reviews.{form}?text=body&label=grade")))


def test_a_test_file_may_lack_labels_and_another_may_not(tmp_path: Path) -> None:
    bare = [{"body": record["body"]} for record in reviews(8)]
    files = {"train.csv": FORMATS["csv"](reviews(8)), "validation.jsonl": FORMATS["jsonl"](reviews(8))}
    uri = write(tmp_path, files | {"test.parquet": FORMATS["parquet"](bare)}) + "?text=body&label=stars"
    assert plan(GlueRun(task="own", data=uri)).steps
    write(tmp_path, {"validation.jsonl": FORMATS["jsonl"](bare)})
    with pytest.raises(WrongRequest, match=r"'stars' is not there; validation.jsonl has body"):
        plan(GlueRun(task="own", data=uri))


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.csv", b'\xef\xbb\xbf"a,1","b ""x""",c\r\n1,2,3\r\n', ["a,1", 'b "x"', "c"]),
        ("a.tsv", b"\na\tb\n1\t2\n", ["a", "b"]),
        ("a.csv", b"a,b", ["a", "b"]),
        ("a.jsonl", b'\n{"a": "' + b"x" * 2000 + b'", "b": 1}\n{"c": 1}\n', ["a", "b"]),
        ("a.csv", b"a,b\n" + b"\xff" * (3 << 20), ["a", "b"]),
        ("a.csv", b"", None),
        ("a.csv", b"a" * (3 << 20), None),
        ("a.jsonl", b'{"a": "' + b"x" * (3 << 20) + b'"}\n', None),
        ("a.jsonl", b"[1, 2]\n", None),
        ("a.jsonl", b'{"a": \n', None),
        ("a.parquet", b"", None),
        ("a.parquet", b"no Parquet file", None),
        ("a.parquet", b"PAR1\xff\xff\xff\xffPAR1", None),
    ],
)
def test_what_stands_at_a_files_beginning_or_end(
    tmp_path: Path, name: str, data: bytes, found: list[str] | None
) -> None:
    write(tmp_path, {name: data})
    assert columns(place(f"file:{tmp_path}"), name) == found
