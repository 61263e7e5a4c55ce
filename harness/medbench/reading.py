"""Pictures read by threads, in order, two batches ahead of their use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from medbench.protocols import Compute

_AHEAD = 2
_LEAST = 4
"""Readers where nothing is computed meanwhile: reading waits for the disk as well."""

Item = TypeVar("Item")
Read = TypeVar("Read")


class Readers(NamedTuple):
    """Threads that read ``behind`` a model that computes, and those that read at a ``rush``, while it waits."""

    behind: int
    rush: int


def readers_of(compute: Compute) -> Readers:
    """On a GPU all cores read. On the CPU those beside torch's threads do, at least one, and all while the model waits.

    A thread too many behind the model takes a core that a matrix product waits for.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(_LEAST, cores, compute.workers)
    if compute.device == "cuda":
        return Readers(most, most)
    return Readers(max(1, cores - torch.get_num_threads(), compute.workers), most)


def read_in_order(
    items: Iterable[Item], read: Callable[[Item], Read], size: Callable[[], int], readers: Readers
) -> Generator[list[Read]]:
    """What ``read`` makes of ``items``, in order, ``size()`` at once: asked before every batch, the last may be smaller.

    ``items`` are taken two batches ahead of their use and no further. Raises what ``read`` raises for the first that fails.
    """
    queue = _Queue(iter(items), read, readers)
    try:
        while batch := queue.take(size()):
            yield batch
    finally:
        queue.close()


class _Queue(Generic[Item, Read]):
    def __init__(self, items: Iterator[Item], read: Callable[[Item], Read], readers: Readers) -> None:
        self._items = items
        self._read = read
        self._behind = ThreadPoolExecutor(readers.behind, "medbench-read")
        self._rush = ThreadPoolExecutor(readers.rush, "medbench-rush")
        self._waiting: deque[tuple[Item, Future[Read]]] = deque()

    def take(self, count: int) -> list[Read]:
        self._fill(_AHEAD * count)
        now = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        # The model waits from here on: what no reader has begun is read by as many as there are cores.
        hurried = [self._rush.submit(self._read, item) if future.cancel() else future for item, future in now]
        batch = [future.result() for future in hurried]
        self._fill(_AHEAD * count)
        return batch

    def close(self) -> None:
        for pool in (self._behind, self._rush):
            pool.shutdown(cancel_futures=True)

    def _fill(self, count: int) -> None:
        for item in islice(self._items, max(0, count - len(self._waiting))):
            self._waiting.append((item, self._behind.submit(self._read, item)))
