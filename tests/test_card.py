"""The model card: every number is the records', the hub's own reader takes it, and its snippet runs as it stands."""

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from PIL import Image

from infra.stack import Stack
from tasks.core.files import entries
from tasks.core.manifest import Manifest
from tasks.core.plan import Plan, plan
from tasks.core.resolve import PACKAGED_REVISION, resolve_checkpoint
from tasks.core.specs import PACKAGED, GlueRun, Training
from tasks.core.store import object_key
from tasks.models import card, pictures
from tests.conftest import Corner, make_corner
from tests.test_training import run_plan

Made = tuple[Corner, Plan, dict[str, Manifest], Path]


def recorded(corner: Corner, planned: Plan, folder: Path) -> dict[str, Manifest]:
    """The steps done in this process, their files in the store and their manifests."""
    facts, found = run_plan(planned, folder), {}
    for step in planned.steps[:4]:
        files = entries(folder / step.step)
        for file in files:
            corner.store.upload(folder / step.step / file.path, object_key(step.folder, file), file.sha256)
        found[step.step] = Manifest(
            step=step.step, key=step.key, identity=step.identity, inputs={}, files=files, facts=facts[step.step],
            seconds=1.0, created="2026-11-23T00:00:00+00:00",
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, stack: Stack, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A trained model of the task that the test asks for."""
    base = tmp_path_factory.mktemp(request.param)
    corner = make_corner(stack, base / "home")
    training = Training(epochs=2, learning_rate=1e-3, precision="float32", max_length=64)
    asked = GlueRun(task=request.param, data="sample:96", checkpoint=f"file:{tiny}", seed=3, training=training)
    planned = plan(asked)
    return corner, planned, recorded(corner, planned, base / "steps"), base


def written(made: Made) -> dict[str, bytes]:
    corner, planned, records, _ = made
    return card.files(corner.store, planned.step("register").spec, records)


ONE = pytest.mark.parametrize("made", ["mrpc"], indirect=True)
KINDS = pytest.mark.parametrize("made", ["mrpc", "stsb", "mnli"], indirect=True)


@KINDS
def test_the_hub_reads_every_result_and_each_is_the_records(made: Made, tmp_path: Path) -> None:
    _, planned, records, _ = made
    (tmp_path / "README.md").write_bytes(written(made)["README.md"])
    loaded = ModelCard.load(tmp_path / "README.md")
    name, results = model_index_to_eval_results(metadata_load(tmp_path / "README.md")["model-index"])
    assert name == planned.request.task
    assert all(result == again for result, again in zip(results, loaded.data.eval_results or [], strict=True))
    metrics = records["evaluate"].facts["metrics"]
    assert sorted(result.metric_value for result in results) == sorted(metrics.values())
    assert {result.dataset_revision for result in results} == {"sample:v2:96"}
    assert {result.dataset_type for result in results} == {"synthetic"}
    text = loaded.text
    for score in metrics.values():
        assert f"| {score:.3f} |" in text
    for low, high in filter(None, records["evaluate"].facts["intervals"].values()):
        assert f"| {low:.3f} to {high:.3f} |" in text
    assert "seed 3" in text
    assert "do not use this model" in text
    assert f"epoch {records['finetune'].facts['best_epoch']} of a training" in text


@KINDS
def test_the_pictures_are_shown_and_the_same_each_time(made: Made) -> None:
    first, again = written(made), written(made)
    assert first == again
    shown = set(re.findall(r"!\[[^\]]+\]\(([\w.]+)\)", first["README.md"].decode()))
    assert shown == set(first) - {"README.md"}
    assert len(shown) == 2
    for name in shown:
        picture = Image.open(io.BytesIO(first[name]))
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 10  # not blank
        assert "Software" not in picture.info


@ONE
def test_the_confusion_counts_the_predictions(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(pictures, "confusion", lambda splits, labels: seen.update(splits, labels=labels) or b"")
    written(made)
    rows = pq.read_table(made[3] / "steps" / "evaluate" / "validation.parquet").to_pylist()
    expected = [[sum(r["label"] == t and r["prediction"] == p for r in rows) for p in (0, 1)] for t in (0, 1)]
    assert seen["validation"].tolist() == expected
    assert seen["labels"] == ["not_equivalent", "equivalent"]


@pytest.mark.parametrize("made", ["mrpc", "stsb"], indirect=True)
def test_the_snippet_runs_as_it_stands(made: Made) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", written(made)["README.md"].decode(), re.DOTALL)
    found = subprocess.run(
        [sys.executable, "-c", snippet], cwd=made[3] / "steps" / "finetune", capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"(not_equivalent|equivalent) 0\.\d+|-?\d+\.\d+(e-\d+)?", found.stdout.strip())


@ONE
def test_the_command_asks_for_the_same_steps(made: Made, tiny: Path) -> None:
    """The folder in capitals is the one whose digest the card names."""
    _, planned, records, _ = made
    said = written(made)["README.md"].decode()
    (line,) = re.findall(r"```sh\n(.*?)\n```", said, re.DOTALL)
    assert f"`{planned.checkpoint.revision}`" in said.partition(line)[2]
    words = shlex.split(line.replace("CHECKPOINT_FOLDER", str(tiny)))
    assert words[:3] == ["glueflow", "run", "mrpc"]
    found = made[0].json("plan", *words[2:])
    assert {step["name"]: step["key"] for step in found["steps"] if step["name"] in records} == {
        name: record.key for name, record in records.items()
    }


@ONE
def test_a_training_that_started_from_another_says_so(made: Made) -> None:
    corner, planned, records, _ = made
    training = records["finetune"]
    inputs = training.identity["inputs"] | {"transfer": "aa"}
    changed = records | {"finetune": training.model_copy(update={"identity": training.identity | {"inputs": inputs}})}
    said = card.files(corner.store, planned.step("register").spec, changed)["README.md"].decode()
    assert "after MNLI with the same seed" in said
    assert " --transfer" in said
    assert "after MNLI" not in written(made)["README.md"].decode()


@ONE
def test_labels_that_are_html_or_markdown_are_shown_as_they_are(made: Made, tmp_path: Path) -> None:
    corner, planned, records, base = made
    evil = "<img src=x onerror=alert(1)> | `x` [y](javascript:z) $\\frac$\n# head"
    config = json.loads((base / "steps" / "finetune" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": {"0": evil, "1": "fine"}}))
    (file,) = entries(tmp_path)
    training = records["finetune"]
    corner.store.upload(tmp_path / "config.json", object_key(f"steps/finetune/{training.key}", file), file.sha256)
    files = (*(each for each in training.files if each.path != "config.json"), file)
    changed = records | {"finetune": training.model_copy(update={"files": files})}
    found = card.files(corner.store, planned.step("register").spec, changed)
    said = found["README.md"].decode()
    assert "<img" not in said
    (row,) = [line for line in said.splitlines() if "onerror" in line]
    assert row.count("|") - row.count("\\|") == 3  # two cells
    assert "\\[y\\]\\(javascript:z\\)" in row
    assert found["confusion.png"].startswith(b"\x89PNG")


def test_the_packaged_checkpoint_is_known_by_its_revision() -> None:
    assert resolve_checkpoint(PACKAGED).revision == PACKAGED_REVISION
    assert card.base_model(PACKAGED_REVISION) == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.base_model(f"hf://google/bert@{'a' * 40}") == "google/bert"
    assert card.base_model("sha256:aa") is None
