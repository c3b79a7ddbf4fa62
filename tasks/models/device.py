"""Where a model runs: `auto` takes the GPU where there is one."""

from typing import Literal

import torch

from tasks.core.errors import WrongRequest


def device(wanted: str) -> Literal["cuda", "cpu"]:
    """The device for GLUEFLOW_DEVICE; raises WrongRequest for a GPU that is not there."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise WrongRequest.of("GLUEFLOW_DEVICE", wanted, "torch finds no GPU here; use auto or cpu")
    return "cuda" if there and wanted != "cpu" else "cpu"
