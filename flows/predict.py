"""Predictions on a schedule, or by hand: what a model says of every row of a file, as Parquet in the store."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.core.batch import Batch
from tasks.policy import name_preemption
from tasks.predict import predict as predict_task


@flow(name="predict", persist_result=False, log_prints=False, on_crashed=[name_preemption])
def predict(batch: Batch = Batch()) -> dict[str, Any]:  # noqa: B008  # frozen, and a quick run in the UI needs a default
    """Ask the model about every row of the input, part by part; parts that are there already are reused."""
    state: State[Any] = predict_task(batch, return_state=True)
    return dict(state.result())
