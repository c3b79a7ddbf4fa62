"""A reused run that is shown by plain requests: what Prefect's API then says of it, and what is left after a fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.recorded import recorded
from infra.stack import Stack
from tasks.core.specs import STEPS, GlueRun

SHOWN = ("fetch", "tokenize", "fine-tune", "evaluate", "register")
RESULT = {"steps": [{"name": step, "key": "0" * 64} for step in STEPS[:5]], "suspicions": ["all answers are one class"]}


@pytest.fixture
def request_() -> GlueRun:
    return GlueRun(data="sample:8", seed=uuid4().int % 2**32)


@pytest.fixture
def client(stack: Stack) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        yield client


def flow_runs(client: SyncPrefectClient, request: GlueRun) -> list[FlowRun]:
    named = FlowRunFilterName(any_=[f"glue-mrpc-seed{request.seed}"])
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(name=named))


@contextmanager
def losing(stack: Stack, ending: str) -> Iterator[str]:
    """The address of a server that passes everything on, and then loses the answers from paths that end so."""

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            found = httpx.request(self.command, stack.api_url + self.path, content=body, timeout=30)
            self.send_response(503 if self.path.endswith(ending) else found.status_code)
            self.end_headers()
            self.wfile.write(found.content)

        def do_DELETE(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_run_is_complete_and_its_steps_are_cached(
    stack: Stack, client: SyncPrefectClient, request_: GlueRun
) -> None:
    assert recorded(stack.api_url, request_, RESULT)
    (run,) = flow_runs(client, request_)
    assert (run.state_name, run.tags) == (
        "Completed",
        sorted(["task:mrpc", "data:sample", "checkpoint:all-MiniLM-L6-v2"]),
    )
    assert GlueRun.model_validate(run.parameters["run"]) == request_
    assert run.start_time
    assert run.end_time
    found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    said = {one.name: (one.state_name, one.state.message) for one in found if one.state}
    assert said == {
        label: ("Cached", f"reused steps/{step}/{'0' * 64}") for label, step in zip(SHOWN, STEPS, strict=False)
    }
    logged = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    assert [line.message for line in logged] == RESULT["suspicions"]


@pytest.mark.parametrize("ending", ["/flows/", "/task_runs/", "/logs/", "/set_state"])
def test_a_server_that_does_not_take_all_of_it_keeps_nothing(
    stack: Stack, client: SyncPrefectClient, request_: GlueRun, ending: str
) -> None:
    with losing(stack, ending) as url:
        assert not recorded(url, request_, RESULT)
    assert flow_runs(client, request_) == []


def test_a_server_that_is_away_is_told_nothing(request_: GlueRun) -> None:
    assert not recorded("http://127.0.0.1:9/api", request_, RESULT)
