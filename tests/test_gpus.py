"""GPU slots: never two on one, freed when the last process ends that holds it, however it ends. No GPU is needed."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest

from tasks.core import gpus
from tasks.core.errors import GlueflowError, StepFailed, WrongRequest
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import run_step
from tasks.core.progress import Progress, listening
from tasks.core.settings import Settings
from tasks.core.specs import GlueRun
from tests.conftest import ROOT

LISTED = {"0": "GPU-aaaa-1", "1": "GPU-bbbb-2", "2": "GPU-bbcc-3"}
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from tasks.core.gpus import held
from tasks.core.settings import Settings

home, count, inner = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
with held(Settings(home=home, device="auto", gpus=2), "finetune", count, "holder") as mine:
    print(mine.environment["CUDA_VISIBLE_DEVICES"], time.monotonic(), flush=True)
    if inner:
        print(subprocess.Popen(inner, pass_fds=mine.descriptors, stdout=subprocess.DEVNULL).pid, flush=True)
    sys.stdin.read() if inner else time.sleep(0.3)
    print(time.monotonic(), flush=True)
"""


def holder(home: Path, count: int = 1, *inner: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home), str(count), *inner],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(stream: IO[str] | None) -> str:
    assert stream
    return stream.readline().strip()


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Settings(home=tmp_path / "home", device="auto", gpus=2)


def free(known: Settings, count: int = 1) -> bool:
    """Whether so many are; if not, the wait says so."""

    def give_up(_: Progress) -> None:
        raise TimeoutError

    try:
        with listening(give_up), gpus.held(known, "finetune", count, "test"):
            return True
    except TimeoutError:
        return False


def test_eight_processes_on_two_gpus_are_never_two_on_one(known: Settings) -> None:
    """Two of them want both at once."""
    running = [holder(known.home, count) for count in (1, 2, 1, 1, 2, 1, 1, 1)]
    spans: dict[str, list[tuple[float, float]]] = {"0": [], "1": []}
    for each in running:
        first, last = each.communicate()[0].splitlines()
        names, began = first.split()
        for name in names.split(","):
            spans[name].append((float(began), float(last)))
    assert sum(map(len, spans.values())) == 10
    for taken in spans.values():
        assert len(taken) >= 2
        ordered = sorted(taken)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(ordered))


def test_a_gpu_is_free_when_its_holder_and_the_process_that_inherited_it_are_gone(known: Settings) -> None:
    both = holder(known.home, 2, "sleep", "600")
    assert said(both.stdout).startswith("0,1 ")
    inner = int(said(both.stdout))
    both.kill()
    both.wait()
    assert not free(known), "the step's process still computes"
    os.kill(inner, 9)
    with gpus.held(known, "finetune", 2, "next") as mine:
        assert mine.environment == {"CUDA_VISIBLE_DEVICES": "0,1"}
        assert not free(known)
    assert free(known, 2)


def test_a_step_waits_for_its_gpu_and_says_for_whom(known: Settings, tmp_path: Path) -> None:
    """Its process is started once the GPU is free: it then fails, for it has no input."""
    step = plan(GlueRun(data="sample:8")).steps[3]
    known = known.model_copy(update={"gpus": 1})
    known.scratch.mkdir(parents=True)
    heard: list[Progress] = []

    def work() -> None:
        with listening(heard.append):
            run_step(known, PlannedStep("evaluate", step.spec, {}, {}), tmp_path, dict)

    with ThreadPoolExecutor(1) as pool:
        with gpus.held(known, "finetune", 1, "mrpc-0b7e"):
            waiting = pool.submit(work)
            while not heard and not waiting.done():
                time.sleep(0.01)
            assert not waiting.done()
        with pytest.raises(StepFailed):
            waiting.result()
    assert heard[0].what == "wait for a GPU"
    assert f"mrpc-0b7e (process {os.getpid()})" in heard[0].unit


def test_steps_that_need_no_gpu_and_machines_without_one_take_none(known: Settings) -> None:
    for settings, step in ((known, "encode"), (known.model_copy(update={"device": "cpu"}), "finetune")):
        with gpus.held(settings, step, 1, "it") as mine:
            assert mine == gpus.Held()
    assert not (known.home / "gpus").exists()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, tuple(LISTED.values())),
        ("1,0", ("GPU-bbbb-2", "GPU-aaaa-1")),
        ("GPU-bbc", ("GPU-bbcc-3",)),
        ("MIG-1", ("MIG-1",)),
        ("", ()),
    ],
)
def test_gpus_go_by_their_uuids_however_they_were_chosen(
    known: Settings, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: tuple[str, ...]
) -> None:
    driver(known, monkeypatch, "".join(f"{index}, {uuid}\n" for index, uuid in LISTED.items()))
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert gpus.gpus(known.model_copy(update={"gpus": None})) == expected


@pytest.mark.parametrize("name", ["7", "GPU-bb"])
def test_a_gpu_that_is_not_there_or_not_clear_is_refused(
    known: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    driver(known, monkeypatch, "".join(f"{index}, {uuid}\n" for index, uuid in LISTED.items()))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name)
    with pytest.raises(WrongRequest, match=f"CUDA_VISIBLE_DEVICES: '{name}' is not allowed; GPUs here: GPU-aaaa-1"):
        gpus.gpus(known.model_copy(update={"gpus": None}))


def test_a_driver_that_lists_no_gpus_is_an_error_with_a_remedy(
    known: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(known, monkeypatch, None)
    with pytest.raises(GlueflowError, match="set GLUEFLOW_GPUS"):
        gpus.gpus(known.model_copy(update={"gpus": None}))


def driver(known: Settings, monkeypatch: pytest.MonkeyPatch, listing: str | None) -> None:
    """A machine whose `nvidia-smi` says that, or fails."""
    folder = known.home / "bin"
    folder.mkdir(parents=True)
    program = folder / "nvidia-smi"
    (folder / "listing").write_text(listing or "")
    program.write_text(f"#!/bin/sh\ncat {folder}/listing\n" if listing else "#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(gpus, "has_gpu", lambda: True)


def test_as_many_runs_at_once_as_gpus_serve_and_no_run_with_more_devices_than_there_are(known: Settings) -> None:
    eight = known.model_copy(update={"gpus": 8})
    assert [gpus.at_once(eight, devices) for devices in (1, 2, 3, 8)] == [8, 4, 2, 1]
    assert gpus.at_once(known.model_copy(update={"device": "cpu"}), 1) == 1
    gpus.enough(eight, 8)
    with pytest.raises(WrongRequest, match="devices: 9 is not allowed; this machine has 8 GPUs"):
        gpus.enough(eight, 9)
    with pytest.raises(WrongRequest, match="CPU cores"):
        gpus.enough(known.model_copy(update={"device": "cpu"}), 1 + (os.cpu_count() or 1))
