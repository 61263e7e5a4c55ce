"""What the processes that share a training tell each other: sums of a loss, files, results in order.

A batch is divided over the processes, and gradients are averaged by DDP. A loss that is made of sums over the whole batch
then has the gradient that one process would give it, whether it is a sum, a mean or a ratio. Alone, everything here gives back
what it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from mmengine.dist import all_gather_object, barrier, broadcast_object_list, get_world_size, is_distributed
from mmengine.dist import is_main_process as is_main
from mmengine.evaluator import BaseMetric, Evaluator
from torch import Tensor

from medbench.errors import UsageError

Item = TypeVar("Item")


def sums_over_ranks(*sums: Tensor) -> tuple[Tensor, ...]:
    """Each scalar added up over the processes, with gradients; every process must call it, with as many."""
    if not is_distributed():
        return sums
    from torch.distributed.nn.functional import all_reduce

    together: Tensor = all_reduce(torch.stack([one.float() for one in sums]))  # type: ignore[no-untyped-call]
    return together.unbind()


def means_over_ranks(*means: Tensor, images: int) -> tuple[Tensor, ...]:
    """The means over the images of all processes, from those over this one's ``images``."""
    if not is_distributed():
        return means
    *totals, count = sums_over_ranks(*(one * images for one in means), means[0].new_tensor(float(images)))
    return tuple(one / count for one in totals)


@contextmanager
def main_first() -> Iterator[None]:
    """The first process does what is inside, then the others, which find what it wrote."""
    if not is_main():
        barrier()
    yield
    if is_main():
        barrier()


def check_divides(batch_size: int, train_images: int) -> None:
    """Raises `UsageError` where the processes of this training cannot all have a like share of a batch."""
    processes = get_world_size()
    if batch_size % processes:
        raise UsageError(
            f"a batch of {batch_size} cannot be divided over {processes} processes",
            fix="choose an --nproc-per-node that divides the recipe's batch_size",
        )
    if train_images < processes:
        raise UsageError(
            f"{train_images} training images cannot be divided over {processes} processes",
            fix="choose a smaller --nproc-per-node",
        )


def on_cpu(output: Any) -> Any:
    """A model's answer, its tensors on the CPU, so that it can go to another process."""
    return output.to("cpu") if hasattr(output, "to") else output


def gathered(outputs: list[Any]) -> list[list[Any]]:
    """What each process has, by rank; every process must call it."""
    parts: list[list[Any]] = all_gather_object([on_cpu(one) for one in outputs])
    return parts


def in_order(parts: Sequence[Sequence[Item]], batch_size: int) -> list[Item]:
    """The items of whole batches that were dealt to the processes in turn, back in the order of the data set."""
    found: list[Item] = []
    start = 0
    while any(part[start : start + batch_size] for part in parts):
        for part in parts:
            found += part[start : start + batch_size]
        start += batch_size
    return found


class SharedEvaluator(Evaluator):  # type: ignore[misc]
    """Computes a metric in the first process from the results of all, and tells all the same values.

    mmengine's own way keeps the results in a folder below the current one, and mixes the order of whole batches.
    """

    def __init__(self, metric: BaseMetric, batch_size: int) -> None:
        super().__init__([metric])
        self._batch_size = batch_size

    def evaluate(self, size: int) -> dict[str, float]:
        """The metric over ``size`` samples, named with its prefix."""
        (metric,) = self.metrics
        results = in_order(all_gather_object(metric.results), self._batch_size)
        metric.results.clear()
        values: list[dict[str, float] | None] = [None]
        if is_main():
            values = [{f"{metric.prefix}/{name}": value for name, value in metric.compute_metrics(results).items()}]
        broadcast_object_list(values)
        (told,) = values
        return told or {}


def broadcast_buffers(buffers: Iterable[Tensor]) -> None:
    """Give every process the first one's running statistics, so that all validate the same model."""
    if is_distributed():
        for buffer in buffers:
            torch.distributed.broadcast(buffer, src=0)
