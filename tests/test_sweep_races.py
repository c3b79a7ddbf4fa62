"""The collector on a real bucket beside others: killed anywhere, or while a run starts, it does no harm."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks.core import runs, sweep
from tasks.core.artifact import find
from tasks.core.collect import Rules, garbage
from tasks.core.errors import LeaseLost
from tasks.core.lease import exclusive
from tasks.core.plan import Plan
from tasks.core.store import object_key
from tests.conftest import Corner
from tests.test_sweep import ELSEWHERE, LEASE, NOW, collect, recorded, states, walk


def test_stopped_anywhere_it_leaves_no_entry_that_is_half_there(
    corner: Corner, plans: tuple[Plan, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 1)
    made = walk(corner, plans[0])

    class TakenOver:
        """A lease that is lost after one removal."""

        def __init__(self) -> None:
            self.left = 1

        def check(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise LeaseLost("taken over")

    for left in range(len(corner.keys()) - 1, 0, -1):
        found = garbage(sweep.survey(corner.store), NOW)
        with pytest.raises(LeaseLost):
            sweep.remove(corner.store, TakenOver(), LEASE, found)
        assert len(corner.keys()) == left
        assert states(corner, plans[0], made) <= {"sound", "absent"}
    assert len(collect(corner)) == 1


def test_a_file_that_is_built_again_meanwhile_stays(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    """A build writes to the place where a killed one left the same file, after the collector saw it there."""
    step = plans[0].steps[0]
    made = walk(corner, plans[0])["fetch"]
    body = corner.store.get(f"{step.folder}/manifest.json") or b""
    corner.store.delete(f"{step.folder}/manifest.json")
    found = [item for item in garbage(sweep.survey(corner.store), NOW) if item.kind == "stray"]
    assert [item.name for item in found] == [object_key(step.folder, made.files[0])]

    def remove() -> list[Any]:
        with exclusive(corner.store, runs.COLLECTOR, LEASE, lambda: False) as held:
            assert held
            return sweep.remove(corner.store, held, LEASE, found)

    corner.store.put(f"leases/{step.key}.json", ELSEWHERE)  # somebody builds it now
    assert remove() == []
    corner.store.delete(f"leases/{step.key}.json")
    corner.store.put(f"{step.folder}/manifest.json", body)  # and has built it
    assert remove() == []
    assert find(corner.store, step, {}).state == "sound"
    corner.store.delete(f"{step.folder}/manifest.json")
    assert remove() == found
    assert corner.keys(step.folder) == set()


def test_a_run_that_starts_while_it_removes_waits_and_then_builds(
    corner: Corner, plans: tuple[Plan, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run comes after the collector has looked: it must not see an entry that is about to go."""
    made = walk(corner, plans[0])
    looked, go_on = threading.Event(), threading.Event()
    really = sweep.remove

    def remove(*arguments: Any) -> Any:
        looked.set()
        assert go_on.wait(60)
        return really(*arguments)

    def run() -> set[str]:
        runs.begin(corner.store, plans[0], LEASE)
        return states(corner, plans[0], made)

    monkeypatch.setattr(sweep, "remove", remove)
    with ThreadPoolExecutor(2) as pool:
        collector = pool.submit(collect, corner)
        assert looked.wait(60)
        runner = pool.submit(run)
        recorded(corner)
        time.sleep(0.5)  # a run that does not wait is through by now
        go_on.set()
        assert len(collector.result()) == 10
        assert runner.result() == {"absent"}
    assert len(corner.keys("runs/")) == 1


def test_a_run_that_starts_before_it_looks_keeps_its_entries(
    corner: Corner, plans: tuple[Plan, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector has its lease, and has not looked yet: the record is there, whatever the run waits for."""
    made = walk(corner, plans[0])
    really = sweep.survey

    def survey(*arguments: Any) -> Any:
        runner = threading.Thread(target=runs.begin, args=(corner.store, plans[0], LEASE), daemon=True)
        runner.start()
        recorded(corner)
        return really(*arguments)

    monkeypatch.setattr(sweep, "survey", survey)
    assert collect(corner, Rules(grace=0, keep=3600)) == {}
    assert states(corner, plans[0], made) == {"sound"}


def test_a_collector_that_stood_still_has_lost_its_right(corner: Corner, plans: tuple[Plan, Plan]) -> None:
    """A run waits it out as it would a dead one, and takes the lease: what comes back removes nothing."""
    walk(corner, plans[0])
    with exclusive(corner.store, runs.COLLECTOR, 3600, lambda: False) as held:
        assert held  # its next sign of life is 20 minutes away
        found = garbage(sweep.survey(corner.store), NOW)
        runs.begin(corner.store, plans[0], LEASE)
        before = corner.keys()
        with pytest.raises(LeaseLost):
            sweep.remove(corner.store, held, LEASE, found)
    assert corner.keys() == before
