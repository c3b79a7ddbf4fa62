"""Work pools on a real Prefect server: each type deployed to, what is refused, and runs that move between machines."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun

from flows import pools
from infra.stack import Stack
from tasks.core import registry
from tests.conftest import make_corner
from tests.served import ENDED, Place
from tests.test_process import until


@pytest.fixture
def place(stack: Stack, tiny: Path, tmp_path: Path) -> Place:
    return Place(make_corner(stack, tmp_path / "home"), stack, tiny)


def steps(place: Place, run: FlowRun) -> dict[str, str]:
    """The state of each step of a run, as Prefect's API names it."""
    with place.asking() as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
        return {each.name: each.state_name or "" for each in found}


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_pool_of_each_type_is_deployed_to(place: Place, kind: str) -> None:
    (row,) = place.deploy("--pool-type", kind, "--image", "registry.example/ours:1")
    place.deploy("--image", "registry.example/ours:1")  # again, without its type: nothing is in the way
    with place.asking() as client:
        pool, deployment = client.read_work_pool(place.name), client.read_deployment(UUID(row["id"]))
    assert (pool.type, pool.base_job_template) == (kind, pools.template(kind))
    assert deployment.work_pool_name == place.name
    assert deployment.job_variables == {
        "env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60", "PREFECT_CLIENT_MAX_RETRIES": "8"},
        "image": "registry.example/ours:1",
    }


def test_a_pool_of_another_type_and_an_image_for_processes_are_refused(place: Place) -> None:
    file = place.file(place.declared())
    common = ["deploy", "--file", file, "--pool", place.name]
    found = place.corner.glueflow(*common, "--image", "ours:1", status=2)
    assert "image: 'ours:1' is not allowed" in found.stderr
    found = place.corner.glueflow(*common, "--pool-type", "kubernets", status=2)
    assert "kubernetes" in found.stderr
    assert place.runs() == []
    place.deploy()
    found = place.corner.glueflow(*common, "--pool-type", "docker", status=2)
    assert f"pool-type: 'docker' is not allowed; pool {place.name} is there, of type process\n" in found.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_worker_with_an_empty_disk_reuses_what_the_first_built(place: Place, tmp_path: Path) -> None:
    """One store, two machines. With another seed the second trains, too, on what the first fetched and tokenized."""
    place.deploy(schedules=[])

    def carried_out(disk: Path, **changes: Any) -> dict[str, str]:
        """The steps of a run, carried out by a worker with that disk."""
        run = place.start(f"glue/{place.name}", run={**place.run, **changes})
        with place.worker(GLUEFLOW_HOME=str(disk), PREFECT_HOME=f"{disk}-prefect"):
            until(lambda: place.state(run) in ENDED or None, 280)
        assert place.state(run) == "Completed"
        return steps(place, run)

    first, second = tmp_path / "first", tmp_path / "second"
    assert set(carried_out(first).values()) == {"Completed"}
    built = place.corner.made()
    assert carried_out(second) == dict.fromkeys(("fetch", "tokenize", "fine-tune", "evaluate", "register"), "Cached")
    assert place.corner.made() == built
    assert registry.versions(place.corner.store, "mrpc") == [1]
    again = carried_out(second, seed=4)
    assert {name for name, state in again.items() if state == "Cached"} == {"fetch", "tokenize"}
    assert registry.versions(place.corner.store, "mrpc") == [1, 2]
