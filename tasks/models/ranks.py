"""The processes that share one training: what each takes of a batch, and what all have to agree on.

    a batch of rows [7 1 4 9 2] on two devices  ->  [7 4 2] with weight 1.2 and [1 9] with weight 0.8

Gradients are averaged over the processes, so a share's mean loss counts by its rows: what comes out is the mean over
the batch, as on one device. Dealt this way no row is trained on twice where the last batch of an epoch is smaller.
Where there is one process alone, all this is nothing.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from accelerate.data_loader import BatchSamplerShard, DataLoaderShard
from torch.utils.data import BatchSampler


def rank() -> int:
    """This process's number; the first, which speaks and writes for all, is 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def first_says(*answers: bool) -> tuple[bool, ...]:
    """What the first process says, in all of them: they take the same way through the training, or wait for ever."""
    if size() == 1:
        return answers
    said = torch.tensor(answers, dtype=torch.uint8)
    dist.broadcast(said, 0, group=_on_cpu())
    return tuple(map(bool, said.tolist()))


def wait() -> None:
    """Until all processes are here."""
    if size() > 1:
        dist.barrier(group=_on_cpu())


@cache
def _on_cpu() -> Any:
    """A group beside that of the gradients: a word between processes must not wait for a GPU."""
    return dist.new_group(backend="gloo")


def seed_of(seed: int) -> int:
    """A seed for this process's own randomness."""
    return int(np.random.SeedSequence([seed, rank()]).generate_state(1)[0])


def weight(rows: int) -> float:
    """What the mean over this process's share of a batch of so many rows counts among the means of all."""
    return len(range(rank(), rows, size())) * size() / rows


class Share(BatchSamplerShard):
    """This process's rows of each batch. A batch with fewer rows than processes gives its first to those that would
    have none, for all take part in every step; it counts nothing there (`weight`)."""

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batch_sampler:
            yield batch[self.process_index :: self.num_processes] or batch[:1]

    def __len__(self) -> int:
        return len(self.batch_sampler)


def share(loader: DataLoaderShard, batch_size: int) -> DataLoaderShard:
    """The loader with this process's rows of batches of that size, over all processes; their order is that of one."""
    rows = loader.batch_sampler.batch_sampler.sampler  # seeded, the same one in every process
    mine = Share(BatchSampler(rows, batch_size, drop_last=False), size(), rank())
    mine.sampler = rows  # where a loader that goes on within an epoch looks for what to tell the epoch
    return DataLoaderShard(loader.dataset, device=loader.device, batch_sampler=mine, collate_fn=loader.collate_fn)
