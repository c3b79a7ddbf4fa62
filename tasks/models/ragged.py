"""Between a stream of tokens and rows padded to blocks; what stands on one side only is zero, and so is its gradient.

slots [0 1 2 3 4], 6 places:   stream (8, width)  <->  padded (6, width)

The padded rows' last place is padding; the stream's last 3 tokens fill it up and belong to no row.
"""

from typing import Any

import torch
from torch import Tensor


def pad(stream: Tensor, slots: Tensor, places: int) -> Tensor:
    """`(places, width)` with the tokens of `(tokens, width)` in their slots."""
    return _Pad.apply(stream, slots, places)  # type: ignore[no-untyped-call, no-any-return]  # torch's apply has no types


def unpad(padded: Tensor, slots: Tensor, tokens: int) -> Tensor:
    """`(tokens, width)` with what is in the slots of `(places, width)`."""
    return _Unpad.apply(padded, slots, tokens)  # type: ignore[no-untyped-call, no-any-return]  # torch's apply has no types


class _Pad(torch.autograd.Function):
    """Autograd's own way back from an index adds where a copy will do."""

    @staticmethod
    def forward(ctx: Any, stream: Tensor, slots: Tensor, places: int) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.tokens = len(stream)
        return _spread(stream, slots, places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = ctx.saved_tensors
        return _gather(gradient, slots, ctx.tokens), None, None


class _Unpad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, padded: Tensor, slots: Tensor, tokens: int) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.places = len(padded)
        return _gather(padded, slots, tokens)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = ctx.saved_tensors
        return _spread(gradient, slots, ctx.places), None, None


def _spread(stream: Tensor, slots: Tensor, places: int) -> Tensor:
    return stream.new_zeros(places, stream.shape[1]).index_copy_(0, slots, stream[: len(slots)])


def _gather(padded: Tensor, slots: Tensor, tokens: int) -> Tensor:
    found = padded.new_empty(tokens, padded.shape[1])
    torch.index_select(padded, 0, slots, out=found[: len(slots)])
    found[len(slots) :] = 0
    return found
