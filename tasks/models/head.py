"""A checkpoint's own classification head beside the labels of the task: kept, put in their order, or drawn anew.

    checkpoint  id2label {0: CONTRADICTION, 1: NEUTRAL, 2: ENTAILMENT}, the task entailment, neutral, contradiction
    align(model, names, task)  ->  "reordered"

A head is trusted by the names of its labels alone, never by its width: transformers#10386 lost 7 points of MNLI to the
order. One whose labels are others, or have no names (LABEL_0, …), is drawn anew.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from tasks.core.catalog import GlueTask
from tasks.core.errors import WrongRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Head = Literal["kept", "reordered", "new"]


def align(model: "PreTrainedModel", names: Sequence[str], task: GlueTask) -> Head:
    """Make output `i` of a head whose outputs have those names the task's label `i`, in place."""
    labels = [label.casefold() for label in task.labels or ("score",)]
    held = [name.casefold() for name in names]
    if held == labels:
        return "kept"
    if sorted(held) == sorted(labels):
        _reorder(model, [held.index(label) for label in labels])
        return "reordered"
    _draw(model)
    return "new"


def _parts(model: "PreTrainedModel") -> list[nn.Module]:
    """The modules that are no part of the encoder, inner ones too."""
    encoder = set(model.base_model.modules())
    return [module for module in model.modules() if module not in encoder and module is not model]


def _reorder(model: "PreTrainedModel", order: list[int]) -> None:
    """Output `i` becomes what output `order[i]` was."""
    last = [part for part in _parts(model) if isinstance(part, nn.Linear) and part.out_features == len(order)]
    if len(last) != 1:
        names = ", ".join(model.config.id2label.values())
        raise WrongRequest(
            f"checkpoint: its head has {len(last)} layers that could be in the order {names}; choose another"
        )
    with torch.no_grad():
        for parameter in last[0].parameters():
            parameter.copy_(parameter[order].clone())


def _draw(model: "PreTrainedModel") -> None:
    """The head's weights anew, by the library's own rule for them."""
    parts = _parts(model)
    parameters = [parameter for part in parts for parameter in part.parameters(recurse=False)]
    for held in (*parts, *parameters):
        setattr(held, "_is_hf_initialized", False)  # noqa: B010  # else transformers leaves what was loaded
    with torch.no_grad():
        for part in parts:
            model._init_weights(part)
