"""Dropout masks from a generator that is fast on a CPU; torch's `bernoulli_` draws them one after the other.

    dropout = Dropout(seed=42)
    dropout.begin(step=240)                           masks follow from seed and step alone, so no state is to be saved
    dropout.keep((3, 4), 0.1, like)  ->  (3, 4)       1 where a value is kept, 0 where it is dropped

16 random bits decide on each value, so a probability is met to within 1/131,072.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

BITS = 16  # that decide on a value


class Dropout:
    """The masks of one process of a training; nothing is dropped but between `begin` and `end`."""

    def __init__(self, seed: int, rank: int = 0) -> None:
        self.seed, self.rank = seed, rank
        self._draws: np.random.Generator | None = None

    @property
    def active(self) -> bool:
        return self._draws is not None

    def begin(self, step: int) -> None:
        """From now on, draw the masks of that step."""
        self._draws = np.random.Generator(np.random.SFC64([self.seed, self.rank, step]))

    def end(self) -> None:
        self._draws = None

    def keep(self, shape: Sequence[int], probability: float, like: Tensor) -> Tensor:
        """The next mask, of that shape, of the type and on the device of `like`; `probability` is that of a 0."""
        assert self._draws is not None, "masks are drawn between begin and end"  # noqa: S101  # for the types
        count = math.prod(shape)
        words = self._draws.integers(-(2**63), 2**63, -(-count * BITS // 64), dtype=np.int64)
        bits = torch.from_numpy(words.view(np.int16)[:count].reshape(shape)).to(like.device)
        mask = torch.empty(shape, dtype=like.dtype, device=like.device)
        return torch.ge(bits, round(probability * 2**BITS) - 2 ** (BITS - 1), out=mask)


def drop(x: Tensor, probability: float, dropout: Dropout) -> Tensor:
    """`x` after dropout."""
    return x * dropout.keep(x.shape, probability, x) / (1 - probability) if dropout.active else x


def drop_and_add(residual: Tensor, x: Tensor, probability: float, dropout: Dropout) -> Tensor:
    """`residual + drop(x)` in one pass over both, in the type of `residual`."""
    if not dropout.active:
        return residual + x
    return _DropAndAdd.apply(residual, x, dropout.keep(x.shape, probability, x), 1 / (1 - probability))  # type: ignore[no-untyped-call, no-any-return]  # torch's apply has no types


class _DropAndAdd(torch.autograd.Function):
    """Autograd's own way back would round the scale to the mask's type."""

    @staticmethod
    def forward(ctx: Any, residual: Tensor, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return torch.addcmul(residual, x, mask, value=scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return gradient, (gradient * mask).mul_(ctx.scale).to(mask.dtype), None, None
