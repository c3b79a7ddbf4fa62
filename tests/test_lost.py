"""Which slots are lost: those that stay as they are, in Prefect and in the store, for so many looks."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Cancelling, Crashed, Pending, Running, Scheduled

from flows.lost import Watch
from tasks.core.lease import Lease, exclusive
from tasks.core.plan import plan
from tasks.core.specs import GlueRun
from tests.conftest import Corner

LOOKS = 3
REQUEST = GlueRun(data="sample:16")


def run(state: Any, count: int = 1) -> FlowRun:
    return FlowRun(
        id=uuid4(), flow_id=uuid4(), state=state, state_type=state.type, state_name=state.name, run_count=count
    )


def looks(watch: Watch, seen: FlowRun, count: int = LOOKS) -> bool:
    """Whether it is lost by the last of so many looks, and by none before."""
    found = [bool(watch.lost({"slot": seen})) for _ in range(count)]
    assert not any(found[:-1])
    return found[-1]


@pytest.fixture
def watch(corner: Corner) -> Watch:
    return Watch(corner.store, {"slot": REQUEST}, LOOKS)


@pytest.mark.parametrize("state", [Pending(), Running(), Cancelling(), Crashed()], ids=lambda state: state.name)
def test_what_nobody_works_on_is_lost_once_it_was_silent(watch: Watch, state: Any) -> None:
    seen = run(state)
    assert not looks(watch, seen)
    assert looks(watch, seen, 1)


@pytest.mark.parametrize("state", [Scheduled(), AwaitingRetry()], ids=lambda state: state.name)
def test_what_waits_for_a_worker_is_not_lost(watch: Watch, state: Any) -> None:
    assert not looks(watch, run(state), 10 * LOOKS)


def test_another_state_or_another_begin_is_a_sign_of_life(watch: Watch) -> None:
    seen = run(Pending())
    for state, count in ((Pending(), 1), (Running(), 1), (Crashed(), 1), (Running(), 2)):
        changed = run(state, count).model_copy(update={"id": seen.id})
        assert not looks(watch, changed)
    assert looks(watch, changed, 1)


def test_a_lease_that_is_renewed_is_a_sign_of_life_and_one_that_stays_is_none(watch: Watch, corner: Corner) -> None:
    seen, step = run(Running()), plan(REQUEST).step("evaluate")
    with exclusive(corner.store, step.lease, 60, lambda: False) as lease:
        assert isinstance(lease, Lease)
        for _ in range(3):
            assert not looks(watch, seen)
            lease.check()
        assert not looks(watch, seen)
        assert looks(watch, seen, 1)


def test_where_its_steps_cannot_be_known_nothing_is_lost(corner: Corner, tmp_path: Path) -> None:
    asked = {"slot": GlueRun(data=f"file:{tmp_path}/nowhere")}
    assert not looks(Watch(corner.store, asked, LOOKS), run(Running()), 10 * LOOKS)
