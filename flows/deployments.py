"""Deployments as code: `infra/prefect.yaml`, checked as a whole before anything is created, then created or updated.

    declared(file, choices)         ->  File("glueflow", (Declared("nightly", "flows.glue.glue", …), …))
    create(file, choices)           ->  {"glue/nightly": UUID(…), …}

Creating is idempotent: a deployment is known by its flow and name, its one schedule by the deployment.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

import yaml
from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ParameterBindError, ParameterTypeError
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType
from pydantic import Field, ValidationError

from flows import pools
from tasks.core.errors import WrongRequest
from tasks.core.origin import code
from tasks.core.specs import Frozen

FILE = Path(__file__).resolve().parents[1] / "infra" / "prefect.yaml"
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


class Schedule(Frozen):
    """When runs start, in the time zone of all of them."""

    cron: str
    active: Literal[False] = False  # a command's flag says otherwise, no file


class WorkPool(Frozen):
    """Where `prefect deploy` has the runs go; `glueflow deploy` has a flag."""

    name: Annotated[str, Field(pattern=NAME)] = "glueflow"


class Declared(Frozen):
    """One deployment. One schedule at most: of two that fall on the same minute, Prefect starts one (#17550)."""

    name: Annotated[str, Field(pattern=NAME)]
    entrypoint: Annotated[str, Field(pattern=r"^flows\.\w+\.\w+$")]
    description: str
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any]
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=1)]
    concurrency_limit: ConcurrencyLimitConfig
    work_pool: WorkPool = WorkPool()

    @property
    def flow(self) -> Flow[..., Any]:
        module, _, name = self.entrypoint.rpartition(".")
        found: Flow[..., Any] = getattr(import_module(module), name)
        return found

    @property
    def label(self) -> str:
        return f"{self.flow.name}/{self.name}"


class File(Frozen):
    """All of `prefect.yaml`. Its automations are told apart from those of other files by the name."""

    name: Annotated[str, Field(pattern=NAME)]
    pull: tuple[()] = ()
    all: Annotated[tuple[Declared, ...], Field(min_length=1, alias="deployments")]


@dataclass(frozen=True)
class Choices:
    """What is the same for all deployments."""

    timezone: str = "UTC"
    active: bool = False
    where: pools.Pool | None = None  # served by this process if None
    heartbeat: int = 30  # seconds


def declared(file: Path, choices: Choices) -> File:
    """What a file says; raises WrongRequest, and nothing is created, if any cannot be as it says."""
    if choices.timezone not in available_timezones():
        raise WrongRequest.of("timezone", choices.timezone, "give a name of the IANA database, such as Europe/Berlin")
    try:
        found = File.model_validate(yaml.safe_load(file.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise WrongRequest(f"file: {file} cannot be read: {_line(error)}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise WrongRequest.of(f"{file.name}: {field}", first["input"], first["msg"]) from None
    for each in found.all:
        _check(each, choices)
    if len({each.label for each in found.all}) < len(found.all):
        raise WrongRequest(f"file: {file.name} declares a deployment twice")
    return found


def _check(each: Declared, choices: Choices) -> None:
    try:
        each.flow.validate_parameters(each.parameters)
        built(each, choices)
    except (ImportError, AttributeError) as error:
        raise WrongRequest.of(f"{each.name}: entrypoint", each.entrypoint, _line(error)) from None
    except (ParameterTypeError, ParameterBindError, TypeError) as error:
        raise WrongRequest(f"{each.name}: parameters no longer fit {each.entrypoint}: {_line(error)}") from None
    except (ValidationError, ValueError) as error:
        raise WrongRequest(f"{each.name}: {_line(error)}") from None


def built(each: Declared, choices: Choices) -> RunnerDeployment:
    """The deployment in Prefect's words."""
    options: dict[str, Any] = {}
    if choices.where:
        options["work_pool_name"] = choices.where.pool
        options["job_variables"] = pools.job_variables(choices.where.image, choices.heartbeat)
    return each.flow.to_deployment(  # type: ignore[return-value]  # sync, as we are
        each.name,
        description=each.description,
        tags=list(each.tags),
        parameters=each.parameters,
        schedules=[
            Cron(schedule.cron, timezone=choices.timezone, active=choices.active, slug=each.name)
            for schedule in each.schedules
        ],
        concurrency_limit=each.concurrency_limit,
        version=code_version(),
        entrypoint_type=EntrypointType.MODULE_PATH,
        **options,
    )


def create(file: File, choices: Choices) -> dict[str, UUID]:
    """Create or update the deployments, in a work pool that is there. Their ids by label."""
    return {each.label: built(each, choices).apply() for each in file.all}  # type: ignore[misc]  # sync


def code_version() -> str:
    """The commit that is checked out, `+changes` if files differ from it; of an installed package its version."""
    known = code()
    if "commit" not in known:
        return str(known["glueflow"])
    return f"{known['commit'][:12]}{'+changes' if known['changed'] else ''}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
