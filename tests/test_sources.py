"""Whole runs from other places than the sample: real GLUE files, and data and checkpoint from a hub."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.catalog import Split, glue_task
from tests.conftest import Corner
from tests.hub_server import Hub

MRPC = glue_task("mrpc")


def head(source: Path, target: Path, lines: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[: lines + 1]))


@pytest.mark.slow
def test_a_part_of_real_sst2_is_learned(corner: Corner, glue_data: Path, tmp_path: Path) -> None:
    """480 of 67,349 rows, two epochs of the packaged checkpoint: well above the majority class, which has 0.51."""
    for stem, rows in {"train": 480, "dev": 240, "test": 16}.items():
        head(glue_data / "SST-2" / f"{stem}.tsv", tmp_path / "SST-2" / f"{stem}.tsv", rows)
    found = corner.json("run", "sst2", "--data", f"file:{tmp_path}", "--epochs", "2", "--learning-rate", "1e-4")
    assert found["metrics"]["accuracy"] > 0.7
    predicted = corner.json("predict", "sst2", "a charming and often affecting journey")
    assert predicted["label"] == "positive"


def parquet(split: Split, rows: int, text: str = "text") -> bytes:
    """Rows of MRPC as the hub keeps them; one more text makes another revision."""
    columns = {
        "sentence1": [f"{text} {number} was here ." for number in range(rows)],
        "sentence2": [f"there was {text} {number} ." for number in range(rows)],
        "label": [number % 2 if split.labelled else -1 for number in range(rows)],
        "idx": list(range(rows)),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def commit(hub: Hub, repo: str, date: str, text: str = "text") -> str:
    files = {f"mrpc/{split.name}-00000-of-00001.parquet": parquet(split, 24, text) for split in MRPC.splits}
    return hub.add_commit(repo, "dataset", date, files)


@pytest.fixture
def checkpoint(tiny: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in tiny.iterdir()}


def test_data_and_checkpoint_from_a_hub(corner: Corner, checkpoint: dict[str, bytes], tmp_path: Path) -> None:
    with Hub() as hub:
        first = commit(hub, "acme/glue", "2026-01-05")
        model = hub.add_commit("acme/tiny", "model", "2026-01-01", checkpoint)
        arguments = ["run", "mrpc", "--data", "hf://acme/glue", "--checkpoint", "hf://acme/tiny", "--epochs", "1"]
        environment = hub.env(tmp_path / "hub")
        found = corner.json(*arguments, **environment)
        assert found["data"] == f"hf://acme/glue@{first}"
        assert found["checkpoint"] == f"hf://acme/tiny@{model}"

        second = commit(hub, "acme/glue", "2026-02-05", "other text")
        plan = ["plan", *arguments[1:]]
        moved = corner.json(*plan, **environment)
        assert moved["data"] == f"hf://acme/glue@{second}"
        assert {step["state"] for step in moved["steps"]} == {"build"}
        dated = corner.json(*plan, "--as-of", "2026-01-31", **environment)
        assert dated["data"] == f"hf://acme/glue@{first}"
        assert {step["state"] for step in dated["steps"]} == {"reuse"}
    arguments[3] += f"@{first}"
    arguments[5] += f"@{model}"
    offline = corner.json(*arguments, "--force", "encode", **environment, HF_HUB_OFFLINE="1")
    assert [step["state"] for step in offline["steps"]] == ["reused", "built", "reused", "reused", "reused"]


def test_official_glue_must_have_its_official_rows(
    corner: Corner, checkpoint: dict[str, bytes], tmp_path: Path
) -> None:
    with Hub() as hub:
        commit(hub, "nyu-mll/glue", "2026-01-05")
        hub.add_commit("acme/tiny", "model", "2026-01-01", checkpoint)
        arguments = ["run", "mrpc", "--checkpoint", "hf://acme/tiny"]
        refused = corner.glueflow(*arguments, status=2, **hub.env(tmp_path / "hub"))
    assert "'train': 24" in refused.stderr
    assert "'train': 3668" in refused.stderr
    assert not corner.keys("steps/")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["hf://acme/nothing"], ["acme/nothing"]),
        (["hf://acme/glue@v9"], ["acme/glue", "v9"]),
        (["hf://../glue"], ["../glue"]),
        (["hf://acme/glue", "--as-of", "2026-01-04"], ["as_of", "2026-01-04", "first commit", "2026-01-05"]),
    ],
)
def test_a_source_that_does_not_exist(corner: Corner, tmp_path: Path, arguments: list[str], names: list[str]) -> None:
    with Hub() as hub:
        commit(hub, "acme/glue", "2026-01-05")
        refused = corner.glueflow("run", "mrpc", "--data", *arguments, status=2, **hub.env(tmp_path / "hub"))
    assert len(refused.stderr.strip().splitlines()) == 1
    for name in names:
        assert name in refused.stderr
    assert corner.keys() == set()
