"""BERT over one stream of tokens: the rows of a batch one after the other, nothing padded.

    rows of 3 and 2 tokens  ->  position_ids [0 1 2 0 1 …] · slots [0 1 2 8 9] · blocks [(2, 8)]

Embeddings, projections, feed-forward and layer norms see tokens only. Attention works on blocks of rows of like length,
padded to the block's longest row; from the last attention on only each row's first token is left, for nothing else is
classified. Weights stay float32; products are done in `dtype`, layer norms, sums and the head in float32.

The parameters are those of `transformers`' own model, so saving and loading are its own, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from tasks.models.dropout import Dropout, drop, drop_and_add
from tasks.models.ragged import pad, unpad

Blocks = Sequence[tuple[int, int]]  # (rows, length) of each block of attention, in the order of the stream


def why_plain(model: PreTrainedModel) -> str:
    """Why the model has no packed path; empty if it has one. Depends on nothing but its configuration."""
    config = model.config
    if config.model_type != "bert":
        return f"no packed path for models of type {config.model_type}"
    if config.is_decoder or config.add_cross_attention:
        return "no packed path for a decoder"
    return "" if config.hidden_act == "gelu" else f"no packed path for the activation {config.hidden_act}"


def pack(model: PreTrainedModel, dropout: Dropout, dtype: torch.dtype) -> None:
    """Let the model's `forward` take a stream, as tasks/models/stream.py makes it, instead of padded rows."""

    def forward(
        self: Any,
        input_ids: Tensor,
        position_ids: Tensor,
        slots: Tensor,
        first: Tensor,
        order: Tensor,
        blocks: Blocks,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        with torch.autocast(self.device.type, enabled=False):
            places = Places(slots, blocks)
            logits = Packed(self, dropout, dtype, places).logits(input_ids, token_type_ids, position_ids, first)[order]
            loss = None if labels is None else loss_of(self, logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    model.forward = MethodType(forward, model)


def loss_of(model: Any, logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over `(rows, labels)`: squared error for a regression, else cross-entropy, as in transformers."""
    if model.config.problem_type == "regression":
        return functional.mse_loss(logits.squeeze(-1), labels)
    return functional.cross_entropy(logits, labels)


@dataclass(frozen=True)
class Places:
    """Where each token stands once the rows are padded, block by block."""

    slots: Tensor  # (tokens but those that fill the stream up)
    blocks: Blocks

    @property
    def sizes(self) -> list[int]:
        return [rows * length for rows, length in self.blocks]

    def bias(self, dtype: torch.dtype) -> Tensor:
        """`(places)`: what keeps attention off the padding."""
        bias = torch.full((sum(self.sizes),), -torch.inf, dtype=dtype, device=self.slots.device)
        return bias.index_fill_(0, self.slots, 0)


@dataclass(frozen=True)
class Packed:
    """One pass of a `BertForSequenceClassification` over a stream."""

    model: Any
    dropout: Dropout
    dtype: torch.dtype
    places: Places

    def logits(self, input_ids: Tensor, token_type_ids: Tensor | None, position_ids: Tensor, first: Tensor) -> Tensor:
        """`(rows, labels)` in the order of the stream; the inputs are `(tokens)`, `first` is where each row begins."""
        bert, table = self.model.bert, self.model.bert.embeddings
        kinds = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        x = table.word_embeddings(input_ids) + table.token_type_embeddings(kinds)
        x = drop(table.LayerNorm(x + table.position_embeddings(position_ids)), table.dropout.p, self.dropout)
        bias = self.places.bias(self.dtype)
        *before, last = bert.encoder.layer
        for layer in before:
            x = self._layer(layer, x, bias)  # (tokens, hidden)
        x = self._layer(last, x, bias, first)  # (rows, hidden)
        pooled = drop(torch.tanh(bert.pooler.dense(x)), self.model.dropout.p, self.dropout)
        return self.model.classifier(pooled)  # type: ignore[no-any-return]  # a module's attributes are Any

    def _layer(self, layer: Any, x: Tensor, bias: Tensor, first: Tensor | None = None) -> Tensor:
        """`(tokens, hidden)` from `(tokens, hidden)`; with `first` only the rows' first tokens come out."""
        own, slots, narrow = layer.attention.self, self.places.slots, x.to(self.dtype)
        if first is None:
            joint = pad(self._linear(narrow, own.query, own.key, own.value), slots, len(bias))
            queries, keys_values = torch.split(joint, [own.all_head_size, 2 * own.all_head_size], -1)
            found = unpad(self._attend(own, queries, keys_values, bias), slots, len(x))
        else:
            x = x[first]
            keys_values = pad(self._linear(narrow, own.key, own.value), slots, len(bias))
            found = self._attend(own, self._linear(x.to(self.dtype), own.query), keys_values, bias)
        x = self._add(x, found, layer.attention.output)
        return self._add(x, functional.gelu(self._linear(x.to(self.dtype), layer.intermediate.dense)), layer.output)

    def _add(self, x: Tensor, inner: Tensor, module: Any) -> Tensor:
        """The norm of `x` and the projected `inner`, which is dropped from; float32 `(tokens, hidden)`."""
        added = drop_and_add(x, self._linear(inner, module.dense), module.dropout.p, self.dropout)
        return module.LayerNorm(added)  # type: ignore[no-any-return]  # as above

    def _linear(self, x: Tensor, *modules: nn.Linear) -> Tensor:
        """`(tokens, widths together)`: what modules make of the same input, as one product."""
        weights: list[Tensor] = [each.weight for each in modules]
        biases: list[Tensor] = [each.bias for each in modules]
        joint = (weights[0], biases[0]) if len(modules) == 1 else (torch.cat(weights), torch.cat(biases))
        return functional.linear(x, *(each.to(self.dtype) for each in joint))

    def _attend(self, own: Any, queries: Tensor, keys_values: Tensor, bias: Tensor) -> Tensor:
        """`(places, hidden)`; queries may be `(places, hidden)` or one a row, `(rows, hidden)`."""
        sizes, blocks = self.places.sizes, self.places.blocks
        wide = len(queries) == len(bias)
        asked = torch.split(queries, sizes if wide else [rows for rows, _ in blocks])
        parts = zip(blocks, asked, torch.split(keys_values, sizes), torch.split(bias, sizes), strict=True)
        found = [self._attend_block(own, rows, *tensors) for (rows, _), *tensors in parts]
        kept = 1 - own.dropout.p if self.dropout.active else 1
        return torch.cat(found) / kept

    def _attend_block(self, own: Any, rows: int, queries: Tensor, keys_values: Tensor, bias: Tensor) -> Tensor:
        """Attention within each of the block's rows, of `length` places each, not yet scaled for dropout."""
        heads, width = own.num_attention_heads, own.attention_head_size
        q = queries.reshape(rows, -1, heads, width).transpose(1, 2)  # (rows, heads, length or 1, width)
        k, v = keys_values.reshape(rows, -1, 2, heads, width).permute(2, 0, 3, 1, 4).unbind()
        scores = torch.add(bias.view(rows, 1, 1, -1), q @ k.transpose(2, 3), alpha=own.scaling)
        weights = torch.softmax(scores, -1)  # (rows, heads, length or 1, length)
        if self.dropout.active:
            weights = weights * self.dropout.keep(weights.shape, own.dropout.p, weights)
        return (weights @ v).transpose(1, 2).reshape(-1, heads * width)
