"""Which samples make which batch, and which process of a training reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import TYPE_CHECKING

import torch
from mmengine.dist import get_dist_info
from torch.utils.data import BatchSampler, Sampler, SequentialSampler

if TYPE_CHECKING:
    from medbench_tasks.recipes import TrainingRecipe


class Shuffled(Sampler[int]):
    """All indices in an order that depends on the seed and the epoch alone, as mmengine's `DefaultSampler` in one process."""

    def __init__(self, dataset: Sized, seed: int) -> None:
        self._size = len(dataset)
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self._seed + self._epoch)
        return iter(torch.randperm(self._size, generator=generator).tolist())

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of that epoch."""
        self._epoch = epoch


class TrainingBatches(Sampler[list[int]]):
    """The batches of an epoch; each process gets its share of every one, so that together they see what one alone would.

    BatchNorm cannot take a batch of one value per channel, so a last batch of a single sample is always left out, and so is one
    of fewer samples than processes.
    """

    def __init__(self, dataset: Sized, recipe: TrainingRecipe, seed: int) -> None:
        self._rank, self._processes = get_dist_info()
        size, batch_size = len(dataset), recipe.batch_size
        partial_goes = recipe.drop_last or size % batch_size == 1 or size % batch_size < self._processes
        self.sampler = Shuffled(dataset, seed)  # by this name mmengine tells it the epoch
        self._batches = BatchSampler(self.sampler, batch_size, drop_last=partial_goes and size > batch_size)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            yield batch[self._rank :: self._processes]


class DealtBatches(Sampler[list[int]]):
    """All samples in order, in whole batches that are dealt to the processes in turn; ``rounds`` of them are needed."""

    def __init__(self, dataset: Sized, batch_size: int) -> None:
        rank, self._processes = get_dist_info()
        everything: Sequence[list[int]] = list(BatchSampler(SequentialSampler(dataset), batch_size, drop_last=False))
        self._mine = everything[rank :: self._processes]
        self.rounds = -(-len(everything) // self._processes)

    def __len__(self) -> int:
        return len(self._mine)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._mine)
