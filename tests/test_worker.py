"""flows/worker.py, as infra/compose.yaml starts it: told to end it has its runs save, and another worker goes on."""

import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from infra.stack import Stack
from tests.conftest import make_corner
from tests.postgres import free_port
from tests.served import Place
from tests.test_compose import FILE
from tests.test_process import OFTEN, saved, trained, until

COMMAND = yaml.safe_load(FILE.read_text())["services"]["worker"]["command"]


@pytest.fixture
def place(stack: Stack, tiny: Path, tmp_path: Path) -> Place:
    place = Place(make_corner(stack, tmp_path / "home"), stack, tiny)
    place.run |= {"data": "sample:800", "training": {"epochs": 5}}
    place.corner.environment |= {**OFTEN, "GLUEFLOW_SAVE_EVERY": "1"}
    return place


def composed(place: Place, port: int, **environment: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """A worker by the command in the Compose file, for the place's pool."""
    python, option, *words = [place.name if word == "glueflow" else word for word in COMMAND]
    assert (python, option) == ("python", "-m")
    return place.working(*words, PREFECT_WORKER_WEBSERVER_PORT=str(port), **environment)


def healthy(port: int) -> bool | None:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return None


def test_it_answers_for_its_health_and_ends_when_it_is_told(place: Place) -> None:
    place.deploy(schedules=[])
    port = free_port()
    with composed(place, port) as worker:
        until(lambda: healthy(port))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_runs_are_saved_and_another_worker_goes_on(place: Place, tmp_path: Path) -> None:
    place.deploy(schedules=[])
    run = place.start(f"glue/{place.name}")
    with composed(place, free_port()) as worker:
        before = until(lambda: saved(place.corner) or None, 280)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    steps = saved(place.corner)
    assert steps[-1] > before[-1]
    assert place.corner.keys("leases/") == set()
    with composed(place, free_port(), GLUEFLOW_HOME=str(tmp_path / "elsewhere")):
        until(lambda: place.state(run) in {"Completed", "Failed"} or None, 280)
    with place.asking() as client:
        states = [state.name for state in client.read_flow_run_states(run.id)]
        assert client.read_flow_run(run.id).run_count == 2
    told = {"Crashed", "Preempted", "Resuming", "Completed"}
    assert [name for name in states if name in told] == ["Crashed", "Resuming", "Completed"]
    assert trained(place.corner).facts["resumed_from"] == steps[-1]
