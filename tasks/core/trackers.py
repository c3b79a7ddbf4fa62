"""Trackers that a training reports to, by name, through Trainer's `report_to`. None is needed.

    GLUEFLOW_TRACKERS=tensorboard,mlflow glueflow run mrpc
      ->  <home>/trackers/tensorboard/mrpc-0b7e41c2d3aa/events.out.tfevents…   and   <home>/trackers/mlflow/mlflow.db

A tracker's own variables (MLFLOW_TRACKING_URI, WANDB_API_KEY, …) win over the places given here. They come from the
environment, and neither they nor the setting are part of a request, a spec or a record.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from tasks.core.errors import WrongRequest
from tasks.core.settings import Settings


def named(known: Settings) -> tuple[str, ...]:
    """The trackers that were asked for; raises WrongRequest for one that is not installed."""
    names = tuple(filter(None, known.trackers.split(",")))
    for name in names:
        if find_spec(name) is None:
            raise WrongRequest.of("GLUEFLOW_TRACKERS", name, f"it is not installed; pip install 'glueflow[{name}]'")
    return names


def environment(names: tuple[str, ...], folder: Path, run: str) -> dict[str, str]:
    """Where each tracker keeps what it is told of a run, below `folder`, but for what is set already."""
    places = {
        "tensorboard": {"TENSORBOARD_LOGGING_DIR": f"{folder}/tensorboard/{run}"},
        "mlflow": {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow/mlflow.db",  # it refuses plain files
            "MLFLOW_EXPERIMENT_NAME": "glueflow",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        "trackio": {"TRACKIO_DIR": f"{folder}/trackio"},
        "wandb": {"WANDB_DIR": f"{folder}/wandb", "WANDB_PROJECT": "glueflow"},
    }
    if "WANDB_API_KEY" not in os.environ:
        places["wandb"]["WANDB_MODE"] = "offline"  # else it asks for a login, and there is nobody to answer
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {variable: os.environ.get(variable, place) for name in names for variable, place in places[name].items()}
