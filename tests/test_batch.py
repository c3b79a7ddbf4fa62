"""Batches of predictions: rows in are rows out in their order, in the bucket and in a file; a kill costs no part."""

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from botocore.awsrequest import AWSPreparedRequest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_API_URL, temporary_settings
from transformers import pipeline

from infra.stack import Stack
from tasks.core import predictions
from tasks.core import settings as settings_module
from tasks.core.batch import Batch
from tasks.core.errors import Damaged
from tasks.core.store import Store
from tasks.steps import batch
from tests import s3_faults
from tests.conftest import Corner, make_corner

WORDS = ("He", "said", "it", "because", "she", "had", "not", "yet", "heard", "of", "that")
TEXTS = [" ".join(WORDS[: 1 + number * 7 % 11]) for number in range(40)]
TEXTS[3:6] = ['=HYPERLINK("http://x")', "@SUM(1+1)", 'a "quoted" line\nand, another | <b>one</b>']


def csv_file(path: Path, texts: list[str] = TEXTS) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "sentence", "note"), *((f"r{n}", text, "-1") for n, text in enumerate(texts))]
        )
    return path


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("user") / "home")


@pytest.fixture(scope="module")
def done(user: Corner, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A batch of 40 rows in parts of 16, and what the command said."""
    folder = tmp_path_factory.mktemp("batch")
    source, output = csv_file(folder / "in.csv"), folder / "out.csv"
    asked = ("--input", str(source), "--output", str(output), "--keep", "id", "--keep", "note", "--part-rows", "16")
    return folder, user.json("predict", f"file:{tiny}", *asked)


def expected(tiny: Path, texts: list[Any]) -> list[dict[str, Any]]:
    return list(pipeline("text-classification", model=str(tiny), device="cpu")(texts, truncation=True))


def request(folder: Path, tiny: Path) -> Batch:
    """What the fixture's command asks for."""
    return Batch(model=f"file:{tiny}", input=str(folder / "in.csv"), keep=("id", "note"), part_rows=16)


def in_store(store: Store, said: Any) -> pa.Table:
    """All parts that the manifest names, each compared with its digest."""
    key = said["uri"].rpartition("/")[2]
    found = predictions.find(store, key)
    assert found
    return pa.concat_tables(pq.read_table(io.BytesIO(body)) for body in predictions.bodies(store, found))


def test_rows_in_are_rows_out_in_their_order(user: Corner, done: tuple[Path, Any], tiny: Path) -> None:
    _, said = done
    assert (said["rows"], said["parts"], said["state"]) == (40, 3, "built")
    table = in_store(user.store, said)
    assert table.column_names == ["row", "id", "note", "sentence", "label", "score"]
    assert table["row"].to_pylist() == list(range(40))
    assert table["sentence"].to_pylist() == TEXTS
    assert table["id"].to_pylist() == [f"r{number}" for number in range(40)]
    truth = expected(tiny, TEXTS)
    assert table["label"].to_pylist() == [one["label"] for one in truth]
    assert table["score"].to_pylist() == pytest.approx([one["score"] for one in truth], abs=1e-5)
    names = sorted(key.rpartition("/")[2] for key in user.keys("predictions/"))
    assert [name[:10] for name in names] == ["manifest.j", "part-00000", "part-00001", "part-00002"]
    assert not user.keys("leases/")


def test_a_cell_that_a_spreadsheet_would_run_is_escaped_in_csv(done: tuple[Path, Any]) -> None:
    with (done[0] / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["sentence"] for row in found[:3]] == TEXTS[:3]
    assert found[3]["sentence"] == "'" + TEXTS[3]
    assert found[4]["sentence"] == "'" + TEXTS[4]
    assert found[5]["sentence"] == TEXTS[5]
    assert {row["note"] for row in found} == {"'-1"}
    assert all(0.5 <= float(row["score"]) <= 1 for row in found)
    assert not [cell for row in found for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_same_batch_is_reused_and_written_in_every_format(
    user: Corner, done: tuple[Path, Any], tiny: Path, stack: Stack
) -> None:
    folder, first = done
    before = user.keys()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "run_process", None)  # nothing is left for it to do
        made = batch.run(user.store, user.settings, request(folder, tiny))
    assert (made.state, user.store.uri(predictions.folder(made.found.key))) == ("reused", first["uri"])
    for form in ("jsonl", "parquet"):
        batch.write(user.store, made.found, str(folder / f"out.{form}"))
    table = in_store(user.store, first)
    assert pq.read_table(folder / "out.parquet") == table
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert lines == table.to_pylist()
    assert user.keys() == before


def test_a_schedule_sees_what_was_made_and_what_was_there(
    user: Corner, done: tuple[Path, Any], tiny: Path, stack: Stack
) -> None:
    folder, first = done
    with pytest.MonkeyPatch.context() as patch:
        for name, value in user.environment.items():
            patch.setenv(name, value)
        settings_module.settings.cache_clear()
        with temporary_settings({PREFECT_API_URL: stack.api_url}):
            from flows.predict import predict

            state = predict(request(folder, tiny), return_state=True)
            with get_client(sync_client=True) as client:
                chosen = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
                (shown,) = client.read_task_runs(flow_run_filter=chosen)
        settings_module.settings.cache_clear()
    assert state.result() == first | {"state": "reused", "output": ""}
    assert (state.name, shown.name, shown.state_name) == ("Completed", "predict", "Cached")


def killed_before_part(store: Store, corner: Corner, asked: Batch, number: int) -> None:
    """A batch in a process of its own that is killed as it is about to upload that part."""
    child = os.fork()
    if child == 0:
        try:

            def hear(request: AWSPreparedRequest, **_: Any) -> None:
                if request.method == "PUT" and f"/part-{number:05}-" in request.url:
                    os.kill(os.getpid(), signal.SIGKILL)

            store.client.meta.events.register("before-send.s3", hear)
            batch.run(store, corner.settings, asked)
        finally:
            os._exit(1)  # it should have been killed
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), f"part {number} never came"


def test_a_batch_killed_between_two_parts_goes_on_with_the_next(
    corner: Corner, stack: Stack, tiny: Path, tmp_path: Path
) -> None:
    """The part that is there is forged, with the name that its bytes give it, to see that it is not made again."""
    source = csv_file(tmp_path / "in.csv")
    asked = Batch(model=f"file:{tiny}", input=str(source), part_rows=16)
    known = corner.settings.model_copy(update={"lease": 1.0})
    corner.settings = known
    killed_before_part(replace(corner.store, client=s3_faults.client(stack)), corner, asked, 1)
    (there,) = corner.keys("predictions/")
    assert "/part-00000-" in there
    table = pq.read_table(io.BytesIO(corner.store.get(there) or b""))
    forged = io.BytesIO()
    pq.write_table(table.set_column(table.num_columns - 2, "label", pa.array(["forged"] * 16)), forged)
    sha256 = hashlib.sha256(forged.getvalue()).hexdigest()
    corner.store.delete(there)
    corner.store.put(f"{there[: there.index('/part-')]}/part-00000-{sha256[:16]}.parquet", forged.getvalue())
    corner.store.put(f"{there[: there.index('/part-')]}/part-00001-{'0' * 16}.parquet", b"half")
    made = batch.run(corner.store, known, asked)
    assert made.state == "built"
    found = in_store(corner.store, {"uri": f"/{made.found.key}"})
    assert found["row"].to_pylist() == list(range(40))
    assert found["sentence"].to_pylist() == TEXTS
    truth = [one["label"] for one in expected(tiny, TEXTS)]
    assert found["label"].to_pylist() == ["forged"] * 16 + truth[16:]
    assert len(corner.keys("predictions/")) == 4  # three parts and the manifest; the half one is gone


def test_a_damaged_part_is_told_and_made_again(user: Corner, done: tuple[Path, Any], tiny: Path) -> None:
    folder, said = done
    whole = in_store(user.store, said)
    key = sorted(user.keys("predictions/"))[2]
    body = bytearray(user.store.get(key) or b"")
    body[60] ^= 1
    user.store.put(key, bytes(body))
    asked = request(folder, tiny)
    output = folder / "damaged.csv"
    with pytest.raises(Damaged, match=r"store: .*part-00001.*was damaged and removed; run again"):
        batch.write(user.store, batch.run(user.store, user.settings, asked).found, str(output))
    assert not output.exists()
    batch.write(user.store, batch.run(user.store, user.settings, asked).found, str(output))
    assert in_store(user.store, said) == whole
    assert output.read_bytes() == (folder / "out.csv").read_bytes()


def test_pairs_of_an_object_in_the_store(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    pairs = {"sentence1": TEXTS[:9], "sentence2": TEXTS[9:18], "n": list(range(9))}
    pq.write_table(pa.table(pairs), tmp_path / "in.parquet", row_group_size=2)
    corner.store.put("inbox/in.parquet", (tmp_path / "in.parquet").read_bytes())
    uri = corner.store.uri("inbox/in.parquet")
    made = batch.run(corner.store, corner.settings, Batch(model=f"file:{tiny}", input=uri, keep=("n",), part_rows=4))
    found = in_store(corner.store, {"uri": f"/{made.found.key}"})
    assert found["n"].to_pylist() == list(range(9))
    asked = [{"text": a, "text_pair": b} for a, b in zip(TEXTS[:9], TEXTS[9:18], strict=True)]
    truth = [expected(tiny, [one])[0]["score"] for one in asked]
    assert found["score"].to_pylist() == pytest.approx(truth, abs=1e-5)


def test_no_rows_are_no_rows(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\n")
    made = batch.run(corner.store, corner.settings, Batch(model=f"file:{tiny}", input=str(tmp_path / "in.csv")))
    assert made.found.rows == 0
    batch.write(corner.store, made.found, str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text() == "row,text,label,score\n"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """Peak of the command and of all its processes, for one size and for ten times as much."""
    program = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    peaks = {}
    for count in (10_000, 100_000):
        source = csv_file(tmp_path / f"{count}.csv", [f"{TEXTS[n % 40]} {n}" for n in range(count)])
        output = tmp_path / f"{count}.out.csv"
        command = [sys.executable, "-m", "flows.cli", "predict", f"file:{tiny}", "--input", source, "--output", output]
        found = subprocess.run(
            [sys.executable, "-c", program, *map(str, command), "--part-rows", "2048"],
            cwd=Path(__file__).resolve().parents[1], env={**os.environ, **corner.environment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks[count] = int(found.stdout.splitlines()[-1]) / 1024
        assert sum(1 for _ in output.open()) > count
    print("peak memory in MB:", {count: round(peak) for count, peak in peaks.items()})
    assert peaks[100_000] < peaks[10_000] * 1.1
