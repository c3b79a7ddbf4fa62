"""`glueflow report`: every number is the records', nothing is loaded from anywhere, and a browser has no complaint."""

import io
import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.stack import Stack
from tasks.core.ledger import Slip, open_ledger
from tasks.core.registry import Version
from tasks.core.slots import Backfill
from tasks.core.specs import GlueRun
from tests.conftest import Corner, make_corner
from tests.finished import finished
from tests.reported import EVIL, TRAINING, harmless, quiet, report
from tests.typed import Here


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("reports") / "home", Here)


@pytest.fixture(scope="module")
def versions(user: Corner, tiny: Path) -> dict[str, Version]:
    """Two seeds of MRPC and one of STS-B."""
    asked = {"data": "sample:64", "checkpoint": f"file:{tiny}", "training": TRAINING}
    runs = (("mrpc", 1), ("mrpc", 2), ("stsb", 1))
    made = [finished(user, GlueRun(task=task, seed=seed, **asked)) for task, seed in runs]
    return {version.label: version for version in made}


def manifest(user: Corner, step: str, version: Version) -> dict[str, Any]:
    if step == "fetch":
        key = manifest(user, "encode", version)["identity"]["inputs"]["fetch"]
    elif step == "encode":
        key = manifest(user, "evaluate", version)["identity"]["inputs"]["encode"]
    else:
        key = version.record["steps"][step]
    found: dict[str, Any] = json.loads(user.store.get(f"steps/{step}/{key}/manifest.json") or b"")
    return found


@pytest.mark.parametrize("label", ["mrpc@1", "stsb@1"])
def test_a_runs_figures_are_those_of_its_records(user: Corner, versions: dict[str, Version], label: str) -> None:
    _, page, body = report(user, "run", label)
    harmless(page, body)
    said = manifest(user, "evaluate", versions[label])["facts"]
    for metric, score in said["metrics"].items():
        low, high = said["intervals"][metric]
        majority = f"{said['majority'][metric]:.3f}"
        assert [metric, f"{score:.3f}", f"{low:.3f} to {high:.3f}", majority] in page.rows
    training = manifest(user, "finetune", versions[label])
    for entry in training["facts"]["history"]:
        if "loss" in entry:
            assert ["training", f"{entry['epoch']:.2f}", f"{entry['loss']:.4f}"] in page.rows
    shares = {"mrpc@1": 2, "stsb@1": 1}[label]  # both seeds of MRPC wanted the same data and tokens
    fetched = next(row for row in page.rows if row[0] == "fetch" and len(row) == 4)
    assert fetched[2] == str(shares)
    assert page.tags.count("svg") == {"mrpc@1": 10, "stsb@1": 9}[label]
    assert "Made-up sentences" in body
    spare = {"AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_S3"}
    assert not [name for name in spare if user.environment[name] in body]


def test_the_confusion_and_the_errors_are_those_of_the_predictions(user: Corner, versions: dict[str, Version]) -> None:
    _, page, _ = report(user, "run", "mrpc@1")
    stored = user.store.get("models/mrpc/evidence/1/validation.parquet")
    rows = pq.read_table(io.BytesIO(stored or b"")).to_pylist()
    names = ("not_equivalent", "equivalent")
    for true, name in enumerate(names):
        counts = [sum(row["label"] == true and row["prediction"] == given for row in rows) for given in (0, 1)]
        assert [name, *map(str, counts)] in page.rows
    wrong = [row for row in rows if row["label"] != row["prediction"]]
    listed = [row for row in page.rows if len(row) == 6 and row[0].isdigit()]
    assert {int(row[0]) for row in listed} <= {row["idx"] for row in wrong}
    assert len(listed) == min(20, len(wrong)) > 0
    for row in listed:
        found = rows[int(row[0])]
        assert (row[3], row[4]) == (names[found["label"]], names[found["prediction"]])


def test_a_comparison_says_what_the_paired_test_says(user: Corner, versions: dict[str, Version]) -> None:
    _, page, body = report(user, "compare", "mrpc@1", "mrpc@2")
    harmless(page, body)
    both, first, second, neither = (
        int(row[1]) for row in page.rows if len(row) == 2 and row[0].endswith(("right", "wrong"))
    )
    scores = [versions[f"mrpc@{number}"].record["metrics"]["accuracy"] for number in (1, 2)]
    total = both + first + second + neither
    assert scores == pytest.approx([(both + first) / total, (both + second) / total])
    difference = versions["mrpc@1"].record["metrics"]["f1"] - versions["mrpc@2"].record["metrics"]["f1"]
    assert f"f1 differs by {difference:+.3f}" in body
    assert ["seed", "1", "2"] in page.rows
    said = user.glueflow("report", "compare", "mrpc@1", "stsb@1", status=2).stderr
    assert "stsb@1" in said
    assert "a version of mrpc" in said


def test_a_suite_is_that_of_the_benchmark_and_names_what_is_missing(
    user: Corner, versions: dict[str, Version], tiny: Path
) -> None:
    training = ("--epochs", "2", "--learning-rate", "1e-3", "--precision", "float32", "--max-length", "64")
    asked = ("--data", "sample:64", "--checkpoint", f"file:{tiny}", *training)
    before = user.keys()
    _, page, body = report(user, "suite", "--tasks", "mrpc", "stsb", "--seeds", "1", "2", *asked)
    harmless(page, body)
    assert user.keys() == before
    assert "3 of 4 runs are there" in body
    scores = [versions[f"mrpc@{number}"].record["metrics"]["f1"] for number in (1, 2)]
    row = next(row for row in page.rows if row[:2] == ["mrpc", "f1"])
    assert row[2] == f"{sum(scores) / 2:.3f}"
    missing = next(row for row in page.rows if row[:3] == ["stsb", "2", "not there"])
    assert missing[5].startswith("glueflow run stsb --data sample:64")


def test_a_backfill_shows_each_slot_and_what_slots_shared(
    user: Corner, versions: dict[str, Version], tiny: Path, tmp_path: Path
) -> None:
    dated = tmp_path / "2026-11-01" / "mrpc"
    dated.mkdir(parents=True)
    fetched = manifest(user, "fetch", versions["mrpc@1"])
    for file in fetched["files"]:
        if file["path"].endswith(".arrow"):
            body = user.store.get(f"steps/fetch/{fetched['key']}/{file['sha256'][:16]}/{file['path']}")
            pq.write_table(pa.ipc.open_stream(body).read_all(), (dated / file["path"]).with_suffix(".parquet"))
    days = {"from_": "2026-11-01", "to": "2026-11-08", "data": f"file:{tmp_path}"}
    asked = Backfill(**days, checkpoints=(f"file:{tiny}",), seeds=(1,), training=TRAINING)
    ledger = open_ledger(user.store, asked)
    first, second = asked.slots()
    version = finished(user, asked.slots()[first])
    ledger.write(Slip(slot=first, attempt=1, state="done"))
    ledger.write(Slip(slot=second, attempt=2, state="failed", message=f"went wrong {EVIL}"))
    _, page, body = report(user, "backfill", ledger.id)
    harmless(page, body)
    assert "1 of 2 slots are done" in body
    assert [first, "done", "1", ""] in page.rows
    slot = next(row for row in page.rows if row[:3] == [second, "failed", "2"])
    assert slot[3].startswith("went wrong <script>alert(1)</script>")
    score = f"{version.record['metrics']['f1']:.3f}"
    dates = [(row[0], row[2]) for row in page.rows if len(row) == 3 and row[0].startswith("2026")]
    assert dates == [("2026-11-01", score), ("2026-11-08", score)]  # the newest data at both dates are the same


def test_the_same_records_give_the_same_bytes_in_the_bucket_behind_a_link_that_ends(
    user: Corner, versions: dict[str, Version], tmp_path: Path
) -> None:
    place = tmp_path / "there" / "stsb.html"
    one = user.json("report", "run", "stsb@1", "--link", "--valid", "2m", "--output", str(place))
    again = user.json("report", "run", "stsb@1", "--link", "--valid", "2m")
    assert place.read_bytes() == Path(again["file"]).read_bytes()
    assert one["uri"] == again["uri"]
    assert one["uri"].startswith(user.store.uri("reports/stsb@1/"))
    with urlopen(one["link"]) as answer:  # noqa: S310  # ours
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.read() == place.read_bytes()
    assert "X-Amz-Expires=120" in one["link"]
    assert user.environment["AWS_SECRET_ACCESS_KEY"] not in one["link"]
    said = user.glueflow("report", "run", "stsb@1", "--valid", "8d", status=2).stderr
    assert "valid" in said
    assert "8d" in said
    assert "at most 7d" in said


def test_a_browser_opens_every_kind_without_complaint(
    user: Corner, versions: dict[str, Version], tmp_path: Path
) -> None:
    for words in (("run", "mrpc@1"), ("compare", "mrpc@1", "mrpc@2")):
        shown = quiet(Path(report(user, *words)[0]["file"]), tmp_path)
        assert "<svg" in shown
