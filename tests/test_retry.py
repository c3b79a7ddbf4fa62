"""What is tried again and what is not, as Prefect's API shows it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.awsrequest import AWSResponse
from prefect.client.schemas.objects import TaskRun

from flows.glue import glue
from infra.stack import Stack
from tasks.core.settings import settings
from tasks.core.specs import STEPS, GlueRun
from tasks.policy import store_of
from tests.conftest import Corner
from tests.finished import prepared, small
from tests.test_run import task_runs
from tests.test_store import Empty


@pytest.fixture
def fault(inside: Corner) -> Iterator[Any]:
    """Faults of the network for one kind of object, on the client that the flow in this process uses."""
    events = store_of(settings()).client.meta.events

    def inject(operation: str, part: str, times: int, status: int) -> list[int]:
        left = [times]

        def answer(request: Any, **_: Any) -> AWSResponse | None:
            if part not in request.url or left[0] == 0:
                return None
            left[0] -= 1
            return AWSResponse(request.url, status, {}, Empty())

        events.register(f"before-send.s3.{operation}", answer)
        return left

    yield inject
    store_of.cache_clear()


def run_here(asked: GlueRun) -> Any:
    return glue(asked, return_state=True)


def test_a_step_that_fails_twice_by_the_network_is_retried_with_growing_delays(
    fault: Any, inside: Corner, tiny: Path, stack: Stack
) -> None:
    prepared(inside, asked := small(tiny, seed=21))
    attempts = 3  # by botocore, for each of two tries by Prefect
    left = fault("GetObject", "/steps/encode/", times=2 * attempts, status=503)
    assert run_here(asked).is_completed()
    assert left == [0]
    shown = task_runs(stack, "glue-mrpc-seed21")
    assert shown["tokenize"].run_count == 3
    assert {run.run_count for name, run in shown.items() if name != "tokenize"} == {1}
    delays = planned_delays(stack, shown["tokenize"])
    assert len(delays) == 2
    assert delays[1] > 1.5 * delays[0]


def planned_delays(stack: Stack, run: TaskRun) -> list[float]:
    """Seconds between a failure and the time that Prefect set for the next try."""
    states = httpx.get(f"{stack.api_url}/task_run_states/", params={"task_run_id": str(run.id)}).json()

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text)

    waiting = sorted(
        (state for state in states if state["name"] == "AwaitingRetry"), key=lambda state: state["timestamp"]
    )
    return [
        (at(state["state_details"]["scheduled_time"]) - at(state["timestamp"])).total_seconds() for state in waiting
    ]


def test_a_refusal_is_not_retried(fault: Any, inside: Corner, tiny: Path, stack: Stack) -> None:
    prepared(inside, asked := small(tiny, seed=22))
    fault("GetObject", "/steps/encode/", times=1, status=403)
    state = run_here(asked)
    assert state.is_failed()
    shown = task_runs(stack, "glue-mrpc-seed22")
    assert (shown["tokenize"].run_count, shown["tokenize"].state_name) == (1, "Failed")


def test_the_form_of_the_ui_can_force_a_step(inside: Corner, tiny: Path) -> None:
    """Prefect hands over what the form holds as plain JSON."""
    prepared(inside, asked := small(tiny, seed=24))
    form = asked.model_dump(mode="json")
    assert run_form(form)["register"] == "built"
    assert set(run_form(form).values()) == {"reused"}
    assert [name for name, state in run_form({**form, "force": ["register"]}).items() if state == "built"] == [
        "register"
    ]
    fields = glue.parameters.definitions["GlueRun"]["properties"]
    assert fields["force"]["items"]["enum"] == list(STEPS)


def run_form(form: dict[str, Any]) -> dict[str, str]:
    found: Any = glue(**glue.validate_parameters({"run": form}))
    return {step["name"]: step["state"] for step in found["steps"]}


def test_bad_data_is_not_retried(inside: Corner, tiny: Path, stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "MRPC"
    folder.mkdir()
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    for name in ("train", "dev"):
        (folder / f"{name}.tsv").write_text(header + "7\t1\t2\ta\tb\n")
    (folder / "test.tsv").write_text("index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n")
    state = run_here(small(tiny, seed=23, data=f"file:{tmp_path}"))
    assert state.is_failed()
    shown = task_runs(stack, "glue-mrpc-seed23")
    assert {name: run.run_count for name, run in shown.items()} == {"fetch": 1}
    assert inside.made() == set()
