"""How many rows a model is given at once: found on a GPU by a probe, halved where memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from medbench.errors import TrialError

if TYPE_CHECKING:
    from medbench.protocols import Compute

BATCH = {"cpu": 16, "cuda": 128}
"""Rows at once where nothing is probed."""
PROBE = 8
MOST = 512
SHARE = 0.8
"""Of the free memory, what a batch may take."""

T = TypeVar("T")


class Memory(Protocol):
    """A device's memory, in bytes."""

    def allocated(self) -> int:
        """What is in use now; the peak is counted from here on."""
        ...

    def peak(self) -> int:
        """The most that was in use since."""
        ...

    def free(self) -> int:
        """What could still be taken."""
        ...


class CudaMemory:
    """That of the current GPU, by torch's allocator."""

    def allocated(self) -> int:
        import torch

        torch.cuda.reset_peak_memory_stats()
        return int(torch.cuda.memory_allocated())

    def peak(self) -> int:
        import torch

        return int(torch.cuda.max_memory_allocated())

    def free(self) -> int:
        import torch

        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0] + unused)


def _nothing() -> bool:
    return False


@dataclass(slots=True)
class BatchSize:
    """``rows`` at once, for one pass of the model that is called ``label``; with a ``memory`` found by the first piece.

    ``relieve`` is called where a single row does not fit, and gives whether it has made some room.
    """

    rows: int
    label: str
    memory: Memory | None = None
    relieve: Callable[[], bool] = field(default=_nothing, compare=False)
    _at_first: tuple[int, Memory | None] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._at_first = (self.rows, self.memory)

    @classmethod
    def probed(cls, compute: Compute, label: str) -> BatchSize:
        """For pictures: as many as the GPU has room for; on the CPU `BATCH`."""
        if compute.device == "cuda":
            return cls(PROBE, label, CudaMemory())
        return cls(BATCH[compute.device], label)

    @property
    def settled(self) -> bool:
        """Whether the probe is over."""
        return self.memory is None

    def pieces(self, call: Callable[[int, int], T], total: int, *, bytes_per_row: int = 0) -> Iterator[T]:
        """What ``call(start, stop)`` gives for successive pieces of ``total`` rows, each of `rows` at most.

        A piece that runs out of memory is done again in halves, and `rows` stays at what fitted; once there was relief it is
        found anew. ``bytes_per_row`` is what a row takes before the call. Raises `TrialError` where a single row does not fit.
        """
        start = 0
        while start < total:
            stop = min(start + self.rows, total)
            found = self._attempt(call, start, stop, bytes_per_row)
            if found:
                yield found[0]
                start = stop
            else:
                self._halve(stop - start)

    def _attempt(self, call: Callable[[int, int], T], start: int, stop: int, bytes_per_row: int) -> tuple[T] | None:
        """The answer; None where memory ran out: what the failed call held is free once this has returned."""
        memory = self.memory
        before = memory.allocated() if memory is not None else 0
        try:
            found = call(start, stop)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        if memory is not None:
            needed = (memory.peak() - before) // (stop - start) + bytes_per_row
            self.rows = largest_batch(needed, memory.free())
            self.memory = None
        return (found,)

    def _halve(self, failed: int) -> None:
        import torch

        if failed > 1:
            self.memory = None
            self.rows = 1 << (failed // 2).bit_length() - 1
        elif self.relieve():
            self.rows, self.memory = self._at_first
        else:
            raise TrialError(
                f"{self.label} does not fit into the device's memory with a single input",
                fix="use --precision bf16, a device with more free memory, or --device cpu",
            )
        torch.cuda.empty_cache()


def largest_batch(bytes_per_row: int, free: int) -> int:
    """The largest power of two of rows that `SHARE` of ``free`` bytes holds, from 1 to `MOST`."""
    room = int(SHARE * free) // max(bytes_per_row, 1)
    return 1 << max(1, min(room, MOST)).bit_length() - 1


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch, or a library under it, was refused memory."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(one in str(error) for one in _REFUSALS)


_REFUSALS = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate memory")
