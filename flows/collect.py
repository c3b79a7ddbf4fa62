"""Garbage collection as a flow, for a schedule: what nobody needs any more is removed and told by kind."""

from collections import Counter
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from tasks.core import sweep
from tasks.core.collect import Rules, garbage
from tasks.core.settings import settings
from tasks.core.specs import Frozen
from tasks.policy import store_of

DAY = 86_400.0  # seconds
Days = Annotated[int, Field(ge=0, le=3650)]


class Collection(Frozen):
    """One collection, as the form asks for it."""

    delete: Annotated[bool, Field(title="Delete", description="remove it; else it is only counted")] = False
    grace_days: Annotated[Days, Field(title="Grace", description="days; nothing younger is removed")] = 1
    keep_days: Annotated[Days, Field(title="Keep", description="days; what a younger run set out to do stays")] = 7


@flow(name="collect-garbage", persist_result=False, log_prints=False)
def collect(asked: Collection = Collection()) -> dict[str, int]:  # noqa: B008  # frozen
    """Remove what no version, recent run, living lease, pin or ledger needs."""
    known = settings()
    store, rules = store_of(known), Rules(asked.grace_days * DAY, asked.keep_days * DAY)
    found = sweep.collect(store, rules, known.lease) if asked.delete else garbage(sweep.survey(store), rules)
    kinds = Counter(str(item.kind) for item in found)
    get_run_logger().info("%s %d objects: %s", "removed" if asked.delete else "may go:", len(found), dict(kinds))
    return dict(kinds)
