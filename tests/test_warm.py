"""Steps forked from the warm process: what they make, what they are told, and what becomes of one when another ends."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.core import warm
from tasks.core.errors import StepFailed
from tasks.core.files import content_digest, entries
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import run_step
from tasks.core.settings import Settings
from tasks.core.specs import FinetuneSpec, GlueRun, Training
from tests.told import accounts, witnessed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every step has an interpreter of its own")


class Bench:
    """Steps of one run, carried out by themselves."""

    def __init__(self, folder: Path, tiny: Path) -> None:
        asked = GlueRun(data="sample:64", checkpoint=f"file:{tiny}", training=Training(epochs=2, learning_rate=1e-3))
        self.folder, self.known = folder, Settings(home=folder / "home", device="cpu", threads=1)
        self.steps = {step.step: step for step in plan(asked).steps}
        self.folders: dict[str, Path] = {}
        self.known.scratch.mkdir(parents=True)

    def run(self, name: str, into: str = "") -> dict[str, Any]:
        """Carry out the step, for those after it or beside them; the facts but those that may differ."""
        return self.carry_out(self.steps[name], into or name)

    def carry_out(self, step: PlannedStep, into: str) -> dict[str, Any]:
        out = self.folders[into] = self.folder / into
        out.mkdir()
        facts = run_step(self.known, step, out, lambda: {name: self.folders[name] for name in step.inputs})
        return {name: fact for name, fact in facts.items() if name not in ("samples_per_second", "peak_memory")}

    def digest(self, name: str) -> str:
        return content_digest(entries(self.folder / name))

    def long(self) -> PlannedStep:
        """A training that does not end by itself while a test goes on."""
        spec = self.steps["finetune"].spec
        assert isinstance(spec, FinetuneSpec)
        return replace(self.steps["finetune"], spec=spec.model_copy(update={"epochs": 10_000}))


@pytest.fixture
def bench(tmp_path: Path, tiny: Path) -> Iterator[Bench]:
    """With no warm process yet, and none left afterwards."""
    warm.end()
    yield Bench(tmp_path, tiny)
    warm.end()


def test_a_forked_step_makes_and_is_told_what_a_plain_one_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, and once more after another training in a fork of the same process."""
    for name, value in witnessed(bench.folder / "told").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    bench.run("fetch")
    with monkeypatch.context() as patch:
        patch.setattr(warm, "POSSIBLE", False)
        facts = [bench.run("encode"), bench.run("finetune")]
    plain = [one for one in accounts(bench.folder / "told", "end") if one["command"][-2:-1] != ["fetch"]]
    forked = [bench.run("encode", "encode-again"), bench.run("finetune", "first"), bench.run("finetune", "second")]
    assert forked == [*facts, facts[1]]
    assert bench.digest("encode-again") == bench.digest("encode")
    assert bench.digest("first") == bench.digest("second") == bench.digest("finetune")

    told = accounts(bench.folder / "told", "end")[-3:]
    assert [one["name"] for one in told] == ["encode", "finetune", "finetune"]
    assert len({one["parent"] for one in told} - {os.getpid()}) == 1
    assert [one["parent"] for one in plain] == [os.getpid()] * 2
    for one in (*plain, *told):
        assert one["folder"] == one["environment"].pop("TMPDIR")
        assert one["threads"] == 1
        assert not any(name.startswith("AWS_") for name in one["environment"])
    assert told[1]["environment"] == told[2]["environment"] == plain[1]["environment"]
    assert (
        told[0]["environment"].items() >= plain[0]["environment"].items()
    )  # libraries that it has no use for set more


def training(bench: Bench, running: Future[Any]) -> psutil.Process:
    """The process of the long training, once it trains."""
    while not running.done():
        for child in psutil.Process().children(recursive=True):
            if child.name() == "finetune" and child.num_threads() > 1:
                return child
        time.sleep(0.05)
    raise AssertionError(running.exception())


def test_what_becomes_of_the_one_when_the_other_ends(bench: Bench) -> None:
    """A crash harms nobody else. A group's SIGTERM does not end the warm process; once that is killed, so are its
    forks, and the next step is started the plain way."""
    bench.run("fetch")
    bench.run("encode")
    with ThreadPoolExecutor(1) as pool:
        crashing = pool.submit(bench.carry_out, bench.long(), "crashing")
        one = training(bench, crashing)
        origin = one.parent()
        assert origin is not None
        origin.terminate()
        one.send_signal(signal.SIGSEGV)
        with pytest.raises(StepFailed, match=r"^finetune: its process was ended by signal 11"):
            crashing.result()
        killed = pool.submit(bench.carry_out, bench.long(), "killed")
        other = training(bench, killed)
        assert other.parent() == origin
        origin.kill()
        with pytest.raises(StepFailed, match=r"^finetune: its process was ended by signal 9"):
            killed.result()
        other.wait(30)
    bench.run("encode", "encode-again")
    assert bench.digest("encode-again") == bench.digest("encode")


def test_what_starts_threads_when_it_is_imported_is_never_forked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in witnessed(bench.folder / "told").items():
        monkeypatch.setenv(name, value)
    with (bench.folder / "told" / "sitecustomize.py").open("a") as file:
        file.write("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n")
    bench.run("fetch")
    bench.run("encode")
    assert accounts(bench.folder / "told", "end")[-1]["command"][:3] == ["-m", "tasks.steps", "encode"]
