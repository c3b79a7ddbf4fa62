"""A reused run in Prefect's UI, by plain requests to its API: importing Prefect would take longer than all the rest.

    recorded("http://127.0.0.1:4200/api", request, result)  ->  True: the flow run `glue-mrpc-seed42`, its tasks Cached

A server that wants more than that (a login, a CSRF token) refuses the first request: then it is False, and the flow
itself is to be run, which shows the same by Prefect's own client.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException
from logging import WARNING
from typing import Any
from urllib.request import Request, urlopen

from tasks.core.specs import LABELS, GlueRun

TIMEOUT = 10.0  # seconds; a server that is slower is left to Prefect's client, which is patient
FAULTS = (OSError, HTTPException, ValueError, LookupError)  # away, refused, or an answer that is none of Prefect's
Told = dict[str, Any]


def recorded(api_url: str, request: GlueRun, result: Mapping[str, Any]) -> bool:
    """Show the run with its steps. False if the server did not take all of it; what it did take is withdrawn."""
    ask = partial(_ask, api_url.rstrip("/"))
    with suppress(*FAULTS), ExitStack() as undo:
        flow = ask("flows/", {"name": "glue"})["id"]
        run = ask("flow_runs/", _flow_run(flow, request))["id"]
        undo.callback(_forget, ask, run)
        for step in result["steps"]:
            ask("task_runs/", _task_run(run, step))
        if result["suspicions"]:
            ask("logs/", [_warning(run, suspicion) for suspicion in result["suspicions"]])
        ask(f"flow_runs/{run}/set_state", {"state": _state("COMPLETED", "Completed", "every step was there")})
        undo.pop_all()
        return True
    return False


def tags(request: GlueRun) -> tuple[str, ...]:
    """Task, where the data is from, and the checkpoint without its folder, scheme and revision."""
    source = request.data.partition(":")[0]
    checkpoint = request.checkpoint.partition(":")[2].partition("@")[0].rstrip("/")
    name = checkpoint.removeprefix("//") if request.checkpoint.startswith("hf:") else checkpoint.rpartition("/")[2]
    return f"task:{request.task}", f"data:{source}", f"checkpoint:{name}"


def _flow_run(flow: str, request: GlueRun) -> Told:
    return {
        "flow_id": flow,
        "name": f"glue-{request.task}-seed{request.seed}",
        "parameters": {"run": request.model_dump(mode="json", by_alias=True)},
        "tags": sorted(tags(request)),
        "state": _state("RUNNING", "Running"),
    }


def _task_run(run: str, step: Mapping[str, Any]) -> Told:
    label = LABELS.get(step["name"], step["name"])
    state = _state("COMPLETED", "Cached", f"reused steps/{step['name']}/{step['key']}")
    return {"flow_run_id": run, "name": label, "task_key": label, "dynamic_key": "0", "state": state}


def _state(kind: str, name: str, message: str = "") -> Told:
    return {"type": kind, "name": name, "message": message}


def _warning(run: str, text: str) -> Told:
    now = datetime.now(UTC).isoformat()
    return {"flow_run_id": run, "name": "prefect.flow_runs", "level": WARNING, "message": text, "timestamp": now}


def _forget(ask: Callable[..., Any], run: str) -> None:
    with suppress(*FAULTS):
        ask(f"flow_runs/{run}", method="DELETE")


def _ask(api_url: str, path: str, body: object = None, method: str = "POST") -> Any:
    """What the API answers; an OSError for anything but a success."""
    data = None if body is None else json.dumps(body).encode()
    asked = Request(f"{api_url}/{path}", data, {"Content-Type": "application/json"}, method=method)  # noqa: S310  # http or https, as services.answers checked
    with urlopen(asked, timeout=TIMEOUT) as answer:  # noqa: S310  # likewise
        said = answer.read()
    return json.loads(said) if said else None
