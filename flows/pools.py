"""Work pools: on which machines runs are carried out, as processes of the worker's, containers, or Kubernetes jobs.

template("kubernetes")                            ->  {"variables": {…}, "job_configuration": {…}}
create(client, Pool(pool="night", pool_type="docker"))    a pool that was not there, with that template
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from flows.services import PATIENT
from tasks.core.errors import WrongRequest
from tasks.core.specs import Frozen

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import WorkPool

TEMPLATES = Path(__file__).resolve().parents[1] / "infra" / "pools"


class Pool(Frozen):
    """Where runs are carried out."""

    pool: Annotated[str, Field(min_length=1, description="work pool; created if it is not there")] = "glueflow"
    pool_type: Annotated[
        Literal["process", "docker", "kubernetes"] | None,
        Field(description="of that pool; process for a new one, whatever it is for one that is there"),
    ] = None
    image: Annotated[str, Field(description="that runs are started from, in a pool of docker or kubernetes")] = ""


def create(client: "SyncPrefectClient", asked: Pool) -> str:
    """The type of the pool, after creating it if it is not there. Raises WrongRequest if it is another than asked."""
    from prefect.client.schemas.actions import WorkPoolCreate

    there = _read(client, asked.pool)
    kind = there.type if there else asked.pool_type or "process"
    if asked.pool_type not in (None, kind):
        raise WrongRequest.of("pool-type", asked.pool_type, f"pool {asked.pool} is there, of type {kind}")
    if asked.image and kind == "process":
        raise WrongRequest.of("image", asked.image, "runs of a process pool are started from the worker's own packages")
    if there is None:
        client.create_work_pool(WorkPoolCreate(name=asked.pool, type=kind, base_job_template=template(kind)))
    return kind


def _read(client: "SyncPrefectClient", name: str) -> "WorkPool | None":
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_work_pool(name)
    except ObjectNotFound:
        return None


@cache
def template(kind: str) -> dict[str, Any]:
    """What a run of such a pool is, with what can be chosen for it: Prefect's base job template."""
    if kind == "process":
        from prefect.workers.process import ProcessWorker

        return ProcessWorker.get_default_base_job_template()
    import yaml

    found: dict[str, Any] = yaml.safe_load((TEMPLATES / f"{kind}.yaml").read_text())
    return found


def job_variables(image: str, heartbeat: int) -> dict[str, Any]:
    """What deployments set of the template's variables; `heartbeat` in seconds."""
    chosen: dict[str, Any] = {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(heartbeat), **PATIENT}}
    return chosen | ({"image": image} if image else {})
