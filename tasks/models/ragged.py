"""Between a stream of tokens and rows padded to blocks; padding is zero, and so is its gradient.

slots [0 1 2 3 4], 6 places:   stream (5, width)  <->  padded (6, width), whose last place is padding
"""

from typing import Any

import torch
from torch import Tensor


def pad(stream: Tensor, slots: Tensor, places: int) -> Tensor:
    """`(places, width)` with each token of `(tokens, width)` in its slot and zeros elsewhere."""
    return _Pad.apply(stream, slots, places)  # type: ignore[no-untyped-call, no-any-return]


def unpad(padded: Tensor, slots: Tensor) -> Tensor:
    """`(tokens, width)`, what is in the slots of `(places, width)`."""
    return _Unpad.apply(padded, slots)  # type: ignore[no-untyped-call, no-any-return]


class _Pad(torch.autograd.Function):
    """Autograd's own way back from an index adds where a copy will do."""

    @staticmethod
    def forward(ctx: Any, stream: Tensor, slots: Tensor, places: int) -> Tensor:
        ctx.save_for_backward(slots)
        return _spread(stream, slots, places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = ctx.saved_tensors
        return gradient.index_select(0, slots), None, None


class _Unpad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, padded: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.places = len(padded)
        return padded.index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slots,) = ctx.saved_tensors
        return _spread(gradient, slots, ctx.places), None


def _spread(stream: Tensor, slots: Tensor, places: int) -> Tensor:
    return stream.new_zeros(places, stream.shape[1]).index_copy_(0, slots, stream)
