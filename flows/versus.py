"""A suite against the same suite from another checkpoint: task by task on the same examples, and over all tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.artifact import find, local_copy
from tasks.core.catalog import glue_task
from tasks.core.errors import Unavailable
from tasks.core.plan import plan
from tasks.core.settings import settings
from tasks.core.specs import GlueRun
from tasks.core.suite import Suite, cells
from tasks.policy import store_of

Rows = Sequence[Mapping[str, Any]]


def versus(ours: tuple[Suite, Rows], theirs: tuple[Suite, Rows]) -> list[dict[str, Any]]:
    """A row for each task that both have finished with at least one seed; p by itself, and after Holm's correction."""
    from tasks.models.paired import paired
    from tasks.models.seeds import holm

    rows = []
    for task in ours[0].tasks:
        mine, other = _said(task, *ours), _said(task, *theirs)
        if mine and other:
            found = paired(glue_task(task), mine[0][0], [said for _, said in mine], [said for _, said in other])
            rows.append({"task": task, "seeds": len(mine), "their_seeds": len(other), **found})
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p_holm": p}
    return rows


def _said(task: str, suite: Suite, rows: Rows) -> list[tuple[Any, Any]]:
    """Labels and predictions of each finished seed."""
    done = {(row["task"], row["seed"]) for row in rows if "metrics" in row}
    return [_read(request) for request in cells(suite) if request.task == task and (task, request.seed) in done]


def _read(request: GlueRun) -> tuple[Any, Any]:
    from tasks.models.paired import read

    store = store_of(settings())
    finding = find(store, plan(request).step("evaluate"), {})
    if finding.manifest is None or finding.state != "sound":
        raise Unavailable(f"benchmark: the predictions of {request.task} are gone; run the same command again")
    with local_copy(store, settings(), finding.manifest) as folder:
        return read(glue_task(request.task), folder)
