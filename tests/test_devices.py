"""One training in two processes: what it learns, how it ends when told to or killed, and how it goes on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from tasks.core.catalog import Task
from tasks.core.files import content_digest, entries
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import Request
from tasks.core.resolve import packaged_folder
from tasks.core.specs import FinetuneSpec, GlueRun, Training
from tasks.steps import encode, fetch
from tests.conftest import ROOT, Corner, full, some

pytestmark = pytest.mark.timeout(600)
ANSWERS = ("facts", "error")


class Bench:
    """Encoded data, and trainings of it in processes as a run starts them."""

    def __init__(
        self, folder: Path, checkpoint: Path, data: str, eval_batch_size: int = 3, task: Task = "mrpc", **training: Any
    ) -> None:
        self.folder, self.eval_batch_size = folder, eval_batch_size
        options = Training(**{"precision": "float32", **training})
        asked = plan(GlueRun(task=task, data=data, checkpoint=f"file:{checkpoint}", training=options))
        for step, run in zip(asked.steps, (fetch.run, encode.run), strict=False):
            run(step.spec, self.request(step, step.step))
        self.step = asked.steps[2]

    def request(self, step: PlannedStep, name: str, **options: Any) -> Request:
        out = self.folder / name
        out.mkdir()
        inputs = {each: str(self.folder / each) for each in step.inputs}
        cache, size = str(self.folder / "cache"), self.eval_batch_size
        spec = step.spec.model_dump(mode="json")
        return Request(step.step, spec, inputs, step.sources, str(out), cache, "cpu", size, **options)

    @contextmanager
    def started(self, name: str, devices: int, **options: Any) -> Iterator[subprocess.Popen[str]]:
        assert isinstance(self.step.spec, FinetuneSpec)
        step = replace(self.step, spec=self.step.spec.model_copy(update={"devices": devices}))
        scratch = self.folder / f"{name}-scratch"
        scratch.mkdir()
        request = self.request(step, name, devices=devices, **options)
        (scratch / "request.json").write_text(json.dumps(asdict(request)))
        child = subprocess.Popen(
            [sys.executable, "-m", "tasks.steps", "finetune", str(scratch / "request.json")],
            env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=(scratch / "errors").open("w"),
            text=True,
        )
        try:
            yield child
        finally:
            child.kill()
            child.communicate()

    def trained(self, name: str, devices: int, **options: Any) -> tuple[str, dict[str, Any]]:
        """Digest of what was written, and the facts but those that may differ."""
        with self.started(name, devices, **options) as child:
            *_, answer = events(child)
            assert child.wait() == 0
        facts = answer["facts"]
        for varying in ("samples_per_second", "peak_memory"):
            del facts[varying]
        return content_digest(entries(self.folder / name)), facts


def events(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert child.stdout
    return map(json.loads, child.stdout)


def figures(facts: dict[str, Any], name: str) -> list[float]:
    return [entry[name] for entry in facts["history"] if name in entry]


def calm(checkpoint: Path, into: Path) -> Path:
    """The checkpoint without dropout, whose masks follow from the process, too."""
    into.mkdir()
    for path in checkpoint.iterdir():
        if path.is_file():
            (into / path.name).symlink_to(path)
    config = json.loads((into / "config.json").read_text())
    (into / "config.json").unlink()
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (into / "config.json").write_text(json.dumps(config))
    return into


def alike(bench: Bench, within: float = 1e-3) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts of the training on one device and on two, with the same order of examples, losses and learning rates."""
    (_, one), (_, two) = (bench.trained(f"on-{devices}", devices) for devices in (1, 2))
    assert (one.pop("devices"), two.pop("devices")) == (1, 2)
    assert one["steps"] == two["steps"]
    for name in ("loss", "eval_loss", "learning_rate"):
        assert figures(two, name) == pytest.approx(figures(one, name), rel=within), name
    return one, two


def test_two_processes_train_as_one_does(tiny: Path, tmp_path: Path) -> None:
    """Also where the last batch of an epoch has one row, and the last batch of the evaluation has fewer than others."""
    bench = Bench(tmp_path, calm(tiny, tmp_path / "calm"), "sample:41", epochs=2, batch_size=8, learning_rate=1e-3)
    one, two = alike(bench)
    assert one["steps"] == 2 * 6
    assert one["best"] == two["best"]
    expected, found = (load_file(tmp_path / f"on-{devices}" / "model.safetensors") for devices in (1, 2))
    start = load_file(tiny / "model.safetensors")
    names = [name for name in start if name.startswith("bert.") and not name.endswith("key.bias")]  # has no gradient
    moved, apart = (
        sum(float(((one[name] - other[name]) ** 2).sum()) for name in names) ** 0.5
        for one, other in ((expected, start), (expected, found))
    )
    assert moved > 0.1
    assert apart < 0.01 * moved


def test_told_to_end_both_stop_and_go_on_bit_for_bit(tiny: Path, tmp_path: Path) -> None:
    """SIGTERM to the launcher, as a caller sends it; masks of dropout and losses of both processes continue."""
    bench = Bench(tmp_path, tiny, "sample:400", epochs=2, batch_size=8, learning_rate=1e-3)
    digest, facts = bench.trained("undisturbed", 2)
    with bench.started("stopped", 2, save_every=1e-9, save_share=1e9) as child:
        heard = events(child)
        next(event for event in heard if event.get("what") == "train")
        ranks = psutil.Process(child.pid).children()
        child.terminate()
        *saved, answer = (event for event in heard if "folder" in event or "error" in event)
        assert child.wait() != 0
    assert answer["error"]["kind"] == "Preempted"
    assert len(ranks) == 2
    assert not any(map(alive, ranks))
    assert not list((tmp_path / "stopped").iterdir())
    step, state = saved[-1]["step"], Path(saved[-1]["folder"])
    assert 0 < step < facts["steps"]
    assert {path.suffix for path in state.iterdir()} == {".safetensors", ".json"}
    assert facts.pop("resumed_from") == 0
    again, facts_again = bench.trained("resumed", 2, resume=str(state))
    assert facts_again.pop("resumed_from") == step
    assert (again, facts_again) == (digest, facts)


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
@pytest.mark.parametrize("victim", some(["first", "second", "launcher"], 2))
def test_one_process_killed_ends_all(tiny: Path, tmp_path: Path, victim: str) -> None:
    """No result, and no process is left over."""
    bench = Bench(tmp_path, tiny, "sample:400", epochs=20, batch_size=8)
    with bench.started("killed", 2) as child:
        heard = events(child)
        next(event for event in heard if event.get("what") == "train")
        ranks = sorted(psutil.Process(child.pid).children(), key=lambda rank: rank.environ()["RANK"])
        assert len(ranks) == 2
        {"first": ranks[0], "second": ranks[1], "launcher": child}[victim].kill()
        assert not [event for event in heard if set(event) & set(ANSWERS)]
        assert child.wait() == (-signal.SIGKILL if victim == "launcher" else 1)
    psutil.wait_procs(ranks, timeout=60)
    assert not any(map(alive, ranks))
    last = (tmp_path / "killed-scratch" / "errors").read_text().splitlines()[-1]
    if victim != "launcher":
        assert last == f"process {victim == 'second':d} of 2 was ended by signal 9"


@pytest.mark.slow
@full
def test_two_processes_learn_real_sst2_as_one_does(tmp_path: Path, glue_data: Path) -> None:
    """The packaged MiniLM: accuracy within half a point, and far from the majority class's 0.509."""
    checkpoint = calm(packaged_folder(), tmp_path / "calm")
    options = {"epochs": 1, "max_train_rows": 2000, "learning_rate": 1e-4}
    bench = Bench(tmp_path, checkpoint, f"file:{glue_data}", 64, "sst2", **options)
    one, two = (facts["best"]["accuracy"] for facts in alike(bench, 0.05))
    print(f"accuracy {one:.4f} on one device, {two:.4f} on two")
    assert one > 0.7
    assert abs(one - two) <= 0.005


def test_devices_are_part_of_the_identity_and_share_a_batch_evenly() -> None:
    keys = {
        devices: plan(GlueRun(data="sample:8", training=Training(devices=devices))).step("finetune").key
        for devices in (1, 2)
    }
    assert keys[1] != keys[2]
    with pytest.raises(ValidationError, match="devices 3 does not divide batch_size 16"):
        Training(devices=3)


def test_more_devices_than_there_are_or_than_divide_the_batch_are_refused(corner: Corner) -> None:
    for devices, why in (("64", "this machine has"), ("5", "batch_size 64")):
        found = corner.glueflow("run", "--data", "sample:", "--batch-size", "64", "--devices", devices, status=2)
        (line,) = found.stderr.strip().splitlines()
        assert "devices" in line
        assert why in line
    assert not corner.keys()
