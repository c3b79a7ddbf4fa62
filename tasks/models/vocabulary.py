"""A training's own vocabulary: while it goes on, only the tokens that occur have a row in the embedding.

    small = shrink(model, (train, validation))    (30522, 384) -> (11872, 384); the splits' tokens are renumbered
    small.restore(model)                          and back, with the trained rows in their places

The other rows have no gradient, and without weight decay AdamW leaves them where they are: leaving them out changes no
bit, and saves their share of gradient, norm, optimizer and saved state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tasks.models.stream import Rows


@dataclass(frozen=True)
class Small:
    """What was left out: the whole embedding `(vocabulary, hidden)` and the tokens `(used)` that were kept of it."""

    whole: Tensor
    used: Tensor

    def restore(self, model: PreTrainedModel) -> None:
        trained = model.get_input_embeddings().weight.data
        _replace(model, self.whole.to(trained.device).index_copy(0, self.used.to(trained.device), trained))


def shrink(model: PreTrainedModel, splits: Sequence[Rows]) -> Small | None:
    """Give the model an embedding of the tokens that occur; None, and nothing done, if it is not trained at all."""
    embedding = model.get_input_embeddings()
    if not embedding.weight.requires_grad:
        return None
    seen = np.zeros(embedding.num_embeddings, bool)
    for rows in splits:
        seen[rows.values["input_ids"]] = True
    used = np.flatnonzero(seen)
    lookup = np.full(len(seen), -1)
    lookup[used] = np.arange(len(used))
    for rows in splits:
        rows.lookup = lookup
    small = Small(embedding.weight.data, torch.from_numpy(used))
    _replace(model, small.whole[small.used])
    pad = lookup[model.config.pad_token_id]  # has no gradient, wherever it stands
    embedding.padding_idx = None if pad < 0 else int(pad)
    return small


def _replace(model: PreTrainedModel, weight: Tensor) -> None:
    embedding = model.get_input_embeddings()
    embedding.weight, embedding.num_embeddings = nn.Parameter(weight), len(weight)
    embedding.padding_idx = model.config.pad_token_id
