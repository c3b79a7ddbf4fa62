"""What a model says of every row of a file, as a Prefect task; the work is tasks/steps/batch.py.

A retry, or the same batch asked for again, goes on with the first part that is not there.
"""

from typing import Any

from prefect import task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.core.batch import Batch
from tasks.core.predictions import folder
from tasks.core.settings import settings
from tasks.policy import step_options, store_of


@task(**step_options("predict"))
def predict(batch: Batch) -> State[dict[str, Any]]:
    from tasks.steps.batch import run, write

    store = store_of(settings())
    made = run(store, settings(), batch)
    if batch.output:
        write(store, made.found, batch.output)
    said = {
        "model": made.found.model,
        "rows": made.found.rows,
        "parts": len(made.found.parts),
        "state": made.state,
        "uri": store.uri(folder(made.found.key)),
        "output": batch.output,
    }
    return Completed(name="Cached" if made.state == "reused" else None, message=said["uri"], data=said)
