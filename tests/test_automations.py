"""What starts, resumes and tells of runs by itself: real workers, real schedules, the server's automations."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import httpx
import psutil
import pytest
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Failed, Pending, Running

from infra.stack import Stack
from tasks.core import verdicts
from tasks.core.specs import GlueRun
from tests.conftest import make_corner, stack_home
from tests.finished import prepared
from tests.served import ENDED, Place
from tests.test_process import saved, trained, until
from tests.test_promotion import version


@pytest.fixture
def place(stack: Stack, tiny: Path, tmp_path: Path) -> Place:
    return Place(make_corner(stack, tmp_path / "home"), stack, tiny)


def test_a_worker_runs_what_is_started_and_beyond_the_limit_it_is_cancelled(place: Place) -> None:
    place.deploy()
    prepared(place.corner, GlueRun.model_validate(place.run))
    first, second = place.start(f"glue/{place.name}"), place.start(f"glue/{place.name}")
    with place.worker():
        until(lambda: {place.state(first), place.state(second)} <= ENDED or None, 200)
    assert sorted([place.state(first), place.state(second)]) == ["Cancelled", "Completed"]
    assert starter(place) == "deployment, run by hand or through the API"


def starter(place: Place) -> str:
    """What started the run that registered the first version, by its statement."""
    body = place.corner.store.get("models/mrpc/versions/1/provenance.json") or b""
    found: str = json.loads(body)["predicate"]["runDetails"]["metadata"]["started"]["by"]
    return found


def test_garbage_is_collected_by_a_run(place: Place) -> None:
    place.corner.store.put("quarantine/x/reason.txt", b"left over")
    place.deploy(
        entrypoint="flows.collect.collect",
        parameters={"asked": {"delete": True, "grace_days": 0, "keep_days": 0}},
        schedules=[],
    )
    run = place.start(f"collect-garbage/{place.name}")
    with place.worker():
        until(lambda: place.state(run) in ENDED or None, 120)
    assert place.state(run) == "Completed"
    assert place.corner.keys("quarantine/") == set()


def test_a_crashed_run_is_resumed_a_bounded_number_of_times(place: Place) -> None:
    """By hand, with nobody who works: the automation alone schedules it again, until its count is reached."""
    place.deploy("--resumptions", "2", schedules=[], concurrency_limit={"limit": 9, "collision_strategy": "ENQUEUE"})
    run, later = place.start(f"glue/{place.name}"), place.start(f"glue/{place.name}")

    def crash(which: FlowRun) -> None:
        with place.asking() as client:
            client.set_flow_run_state(which.id, Pending(), force=True)
            client.set_flow_run_state(which.id, Running(), force=True)
            beat(place, which)
            client.set_flow_run_state(which.id, Crashed(), force=True)

    for _ in range(2):
        crash(run)
        until(lambda: place.state(run) == "Resuming" or None, 60)
    crash(run)
    crash(later)
    until(lambda: place.state(later) == "Resuming" or None, 60)  # whose event came after
    assert place.state(run) == "Crashed"
    with place.asking() as client:
        assert [state.name for state in client.read_flow_run_states(run.id)].count("Resuming") == 2  # once a crash


def beat(place: Place, run: FlowRun) -> None:
    """A heartbeat of the run, as its own process sends it; both automations count what comes after it."""
    event = Event(
        event="prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run.id}"},
        related=[
            {"prefect.resource.id": f"prefect.deployment.{run.deployment_id}", "prefect.resource.role": "deployment"}
        ],
    )
    httpx.post(f"{place.stack.api_url}/events", json=[event.model_dump(mode="json")]).raise_for_status()


@contextmanager
def listening(place: Place) -> Iterator[Queue[Any]]:
    """What a local receiver hears by way of a Webhook block of the place's name."""
    heard: Queue[Any] = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: place.stack.api_url}):
            Webhook(url=f"http://127.0.0.1:{server.server_port}").save(place.name)
        place.deploy("--webhook", place.name, schedules=[])
        yield heard
        server.shutdown()


def test_a_failure_and_a_refusal_call_the_webhook(place: Place, tmp_path: Path) -> None:
    poor = version(place.corner, tmp_path, 195)
    with listening(place) as heard:
        run = place.start(f"glue/{place.name}")
        with place.asking() as client:
            client.set_flow_run_state(run.id, Failed(message="no good"), force=True)
        told = heard.get(timeout=60)
        assert told["event"] == "prefect.flow-run.Failed"
        assert told["id"] == f"prefect.flow-run.{run.id}"
        place.corner.glueflow("models", "promote", poor.label, status=1)
        told = heard.get(timeout=60)
    assert (told["event"], told["id"], told["name"]) == ("glueflow.promotion.refused", "glueflow.model.rte", poor.label)
    (kept,) = verdicts.kept(place.corner.store, "rte", poor.version)
    assert told["payload"] == kept.model_dump(mode="json")
    assert told["payload"]["numbers"]["low"] < 0


@pytest.mark.slow
def test_a_run_whose_machine_is_gone_is_resumed_on_another(place: Place) -> None:
    """SIGKILL of worker, run and training: silent for three heartbeats, the run is crashed; a new worker goes on."""
    place.run = {**place.run, "data": "sample:800", "training": {"epochs": 12}}
    place.deploy("--heartbeat", "30", schedules=[])
    often = {"GLUEFLOW_SAVE_EVERY": "0.01", "GLUEFLOW_SAVE_SHARE": "1", "GLUEFLOW_LEASE": "2"}
    place.corner.environment |= often
    run = place.start(f"glue/{place.name}")
    with place.worker() as worker:
        until(lambda: saved(place.corner) or None)
        for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
            process.kill()
        worker.wait()
    assert place.state(run) == "Running"
    with place.worker():
        until(lambda: place.state(run) in {"Completed", "Failed"} or None, 280)
    with place.asking() as client:
        states = [state.name for state in client.read_flow_run_states(run.id)]
        assert client.read_flow_run(run.id).run_count == 2
    assert [name for name in states if name in {"Crashed", "Resuming", "Completed"}] == [
        "Crashed",
        "Resuming",
        "Completed",
    ]
    assert trained(place.corner).facts["resumed_from"] > 0


@pytest.mark.slow
def test_a_schedule_starts_a_run_on_a_laptop(place: Place, request: pytest.FixtureRequest) -> None:
    """`glueflow up --serve`: within a minute the schedule is due; told to end, it pauses the schedule."""
    file = place.file(place.declared(schedules=[{"cron": "* * * * *"}]))
    prepared(place.corner, GlueRun.model_validate(place.run))
    command = ("flows.cli", "up", "--serve", "--file", file, "--active", "--timezone", "Europe/Berlin", "--json")
    with place.working(*command, GLUEFLOW_HOME=str(stack_home(request.config))):
        until(lambda: [run for run in place.runs() if run.state_name == "Completed"] or None, 200)
    assert starter(place) == "schedule"
    assert f'"deployment": "glue/{place.name}"' in (place.corner.home / "worker.log").read_text()
    with place.asking() as client:
        until(lambda: client.read_deployment_by_name(f"glue/{place.name}").paused or None, 90)
