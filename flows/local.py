"""`glueflow up`, `down`, `doctor` and `drill`: the stack of this machine, and whether both are fit."""

import sys
from typing import Annotated

from cyclopts import Parameter, validators

from flows import deploy, screen, services
from flows.screen import Json
from infra import stack
from tasks.core.errors import WrongRequest
from tasks.core.settings import settings


def up(
    *,
    serve: Annotated[bool, Parameter(help="Then run what schedules and the UI start, here, until Ctrl-C.")] = False,
    options: Annotated[deploy.Options, Parameter(name="*")] = deploy.DEFAULTS,
    as_json: Json = False,
) -> None:
    """Start the local stack (object store and Prefect server, on loopback) and say where it is."""
    if options != deploy.DEFAULTS and not serve:
        raise WrongRequest("up: the options of deployments mean something only with --serve")
    if serve:
        return deploy.serve(options, as_json)
    running = stack.up(settings().home, screen.say)
    found = {"store": running.endpoint, "bucket": running.bucket, "api": running.api_url, "ui": running.ui_url}
    if as_json:
        return screen.print_json(found)
    return screen.tell(*(f"{name:<8}{value}" for name, value in found.items()))


def down(*, as_json: Json = False) -> None:
    """Stop the local stack; its data stays."""
    stopped = stack.down(settings().home)
    if as_json:
        return screen.print_json({"stopped": stopped})
    return screen.tell(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def doctor(*, as_json: Json = False) -> None:
    """Check Python, packages, configuration, disk, store, server, hub and device, and say how to mend what is wrong."""
    from flows.doctor import examine

    checks = examine()
    if as_json:
        screen.print_json(checks)
    else:
        screen.table("doctor", checks, ("name", "state", "found", "remedy"))
    if any(check["state"] == "wrong" for check in checks):
        sys.exit(1)


def drill(
    *,
    kills: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1000))] = 3,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """Kill runs and spoil files on this machine and bucket, below a prefix that is removed again; minutes long.

    Parameters
    ----------
    kills
        How often a whole run is killed at a random moment.
    seed
        Of the random moments.
    """
    from flows.drill import drill as carry_out

    known = settings()
    services.server(known)
    store = services.store(known)
    with screen.progress():
        rows = carry_out(known, store, services.credentials(known), kills, seed)
    if as_json:
        screen.print_json(rows)
    else:
        screen.table("drill", rows, ("injected", "times", "survived", "how"))
    if any(row["survived"] < row["times"] for row in rows):
        sys.exit(1)
