"""`glueflow deploy`: schedules, forms and automations on the Prefect server, all checked before any is created."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter
from pydantic import Field

from flows import pools, screen, services
from flows.screen import Json
from tasks.core import config
from tasks.core.settings import settings
from tasks.core.specs import Frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

    from flows.deployments import Declared, File


class Options(Frozen):
    """What the file of deployments leaves open."""

    file: Annotated[Path | None, Field(description="deployments; by default those of the package")] = None
    timezone: Annotated[str, Field(description="of all schedules, such as Europe/Berlin")] = "UTC"
    active: Annotated[bool, Field(description="schedules start runs; else they are paused")] = False
    heartbeat: Annotated[int, Field(ge=30, le=3600, description="seconds; a run silent for three has crashed")] = 60
    resumptions: Annotated[int, Field(ge=0, le=10, description="times that a crashed run is resumed")] = 3
    webhook: Annotated[str, Field(description="Webhook block, called when a run failed or a promotion was refused")] = (
        ""
    )


DEFAULTS, POOL = Options(), pools.Pool()
AT_ONCE = 2  # runs that a served laptop works on


def deploy(
    *,
    options: Annotated[Options, Parameter(name="*")] = DEFAULTS,
    where: Annotated[pools.Pool, Parameter(name="*")] = POOL,
    as_json: Json = False,
) -> None:
    """Create or update the deployments and their automations; `prefect worker start --pool glueflow` runs them."""
    services.quiet()
    from flows import deployments

    choices = deployments.Choices(options.timezone, options.active, where, options.heartbeat)
    found = deployments.declared(options.file or deployments.FILE, choices)  # before a server is started
    with services.prefect(settings()) as ui:
        from prefect.client.orchestration import get_client

        from flows import automations

        with get_client(sync_client=True) as client:
            tell = automations.webhook(client, options.webhook)
            kind = pools.create(client, where)
            made = deployments.create(found, choices)
            _automate(client, found.name, made.values(), options, tell)
        rows = _rows(found, made, options)
    if as_json:
        return screen.print_json(rows)
    screen.table("deployments", rows, ("deployment", "schedule", "state", "at once", "beyond", "version"))
    fit = ", where GLUEFLOW_* and AWS_* are set" if kind == "process" else ""
    return screen.say(f"next: prefect worker start --pool {where.pool} --type {kind}{fit}  ·  {ui}")


def serve(options: Options, as_json: bool) -> None:
    """Create the deployments, say so, and run what is started of them, here, until told to end; then schedules are
    paused."""
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(options.heartbeat)  # for the runs, which are our children
    os.environ[config.VARIABLE] = str(config.location() or "")  # wherever they start
    services.quiet()
    from flows import deployments

    choices = deployments.Choices(options.timezone, options.active, None, options.heartbeat)
    found = deployments.declared(options.file or deployments.FILE, choices)  # before a server is started
    with services.prefect(settings()):
        from prefect.client.orchestration import get_client
        from prefect.runner import Runner

        from flows import automations

        with get_client(sync_client=True) as client:
            tell = automations.webhook(client, options.webhook)
            runner = Runner(pause_on_shutdown=True, limit=AT_ONCE)
            ids = [cast("UUID", runner.add_deployment(deployments.built(each, choices))) for each in found.all]
            _automate(client, found.name, ids, options, tell)
        if as_json:
            screen.print_json(_rows(found, dict(zip((each.label for each in found.all), ids, strict=True)), options))
            sys.stdout.flush()
        screen.say(f"serving {', '.join(each.label for each in found.all)}; Ctrl-C ends it")
        asyncio.run(runner.start())


def _rows(found: "File", made: "Mapping[str, UUID]", options: Options) -> list[dict[str, Any]]:
    return [{"deployment": each.label, "id": str(made[each.label]), **_shown(each, options)} for each in found.all]


def _shown(each: "Declared", options: Options) -> dict[str, Any]:
    from flows.deployments import code_version

    return {
        "schedule": f"{each.schedules[0].cron} {options.timezone}" if each.schedules else "",
        "state": ("active" if options.active else "paused") if each.schedules else "on demand",
        "at once": each.concurrency_limit.limit,
        "beyond": each.concurrency_limit.collision_strategy.value,
        "version": code_version(),
    }


def _automate(
    client: "SyncPrefectClient", name: str, deployments: "Collection[UUID]", options: Options, tell: "UUID | None"
) -> None:
    from flows import automations

    silence = automations.BEATS * options.heartbeat
    automations.create(client, name, automations.automations(name, deployments, silence, options.resumptions, tell))
