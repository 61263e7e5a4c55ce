"""The size of a batch: found by a probe, halved where memory runs out, and no row lost, doubled or moved."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medbench.batch_size import MOST, PROBE, SHARE, BatchSize, CudaMemory, is_out_of_memory, largest_batch
from medbench.errors import TrialError
from medbench.protocols import Compute


class FakeMemory:
    """A device on which a call takes ``fixed`` bytes and ``each`` for every row of the last call."""

    def __init__(self, total: int, each: int, fixed: int = 0) -> None:
        self.total, self.each, self.fixed, self.rows = total, each, fixed, 0

    def allocated(self) -> int:
        return self.fixed

    def peak(self) -> int:
        return self.fixed + self.each * self.rows

    def free(self) -> int:
        return self.total - self.fixed

    def call(self, start: int, stop: int) -> list[int]:
        self.rows = stop - start
        if self.peak() > self.total:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(start, stop))


@given(rows=st.integers(1, 70), fits=st.integers(1, 80), total=st.integers(0, 200))
def test_rows_come_once_and_in_order_whatever_fits(rows, fits, total):
    memory = FakeMemory(fits, 1)
    size = BatchSize(rows, "toy")
    pieces = list(size.pieces(memory.call, total))
    assert [row for piece in pieces for row in piece] == list(range(total))
    assert size.rows <= rows
    assert all(len(piece) <= fits for piece in pieces)


def test_a_smaller_batch_stays_for_the_pass():
    calls = []

    def call(start: int, stop: int) -> int:
        calls.append((start, stop))
        if stop - start > 5:
            raise torch.OutOfMemoryError
        return stop - start

    size = BatchSize(16, "toy")
    assert list(size.pieces(call, 16)) == [4, 4, 4, 4]
    assert list(size.pieces(call, 6)) == [4, 2]
    assert [stop - start for start, stop in calls] == [16, 8, 4, 4, 4, 4, 4, 2]


def test_one_row_that_does_not_fit_fails_the_trial_with_a_fix():
    with pytest.raises(TrialError, match=r"^toy does not fit .* single input - use --precision bf16"):
        list(BatchSize(4, "toy").pieces(FakeMemory(0, 1).call, 3))


def test_relief_is_asked_for_before_a_row_fails_and_the_size_found_anew():
    memory = FakeMemory(100, 60)

    def relieved() -> bool:
        memory.each -= 58
        return memory.each > 0

    calls = []

    def call(start: int, stop: int) -> int:
        calls.append(stop - start)
        if memory.each > 2:
            raise torch.OutOfMemoryError
        return len(memory.call(start, stop))

    size = BatchSize(PROBE, "toy", memory, relieved)
    assert sum(size.pieces(call, 70)) == 70
    assert calls == [8, 4, 2, 1, 8, 32, 30]


def test_another_error_is_not_taken_for_want_of_memory():
    def call(start: int, stop: int) -> int:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(BatchSize(4, "toy").pieces(call, 3))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))


def test_what_a_failed_call_held_is_free_when_it_is_tried_again():
    class Held:
        alive = 0

        def __init__(self) -> None:
            Held.alive += 1

        def __del__(self) -> None:
            Held.alive -= 1

    def call(start: int, stop: int) -> int:
        assert Held.alive == 0
        held = Held()
        if stop - start > 1:
            raise torch.OutOfMemoryError
        del held
        return start

    assert list(BatchSize(4, "toy").pieces(call, 4)) == [0, 1, 2, 3]


def test_a_probe_settles_the_size():
    memory = FakeMemory(1000, 10, fixed=300)
    size = BatchSize(PROBE, "toy", memory)
    assert not size.settled
    (first,) = size.pieces(memory.call, PROBE, bytes_per_row=4)
    assert first == list(range(PROBE))
    assert size.settled
    assert size.rows == 32  # 700 * 0.8 / 14 = 40
    assert [len(piece) for piece in size.pieces(memory.call, 70)] == [32, 32, 6]


def test_a_probe_that_does_not_fit_is_halved_and_no_more_is_tried():
    memory = FakeMemory(3, 1)
    size = BatchSize(PROBE, "toy", memory)
    assert [len(piece) for piece in size.pieces(memory.call, PROBE)] == [2, 2, 2, 2]
    assert (size.settled, size.rows) == (True, 2)


@given(each=st.integers(0, 10**10), free=st.integers(0, 10**12))
def test_the_largest_batch_is_a_power_of_two_that_fits(each, free):
    rows = largest_batch(each, free)
    assert 1 <= rows <= MOST
    assert rows & (rows - 1) == 0
    assert rows == 1 or rows * each <= SHARE * free
    assert rows == MOST or 2 * rows * max(each, 1) >= int(SHARE * free)


def test_only_a_gpu_is_probed():
    assert BatchSize.probed(Compute(), "toy") == BatchSize(16, "toy")
    on_gpu = BatchSize.probed(Compute(device="cuda"), "toy")
    assert isinstance(on_gpu.memory, CudaMemory)
    assert on_gpu.rows == PROBE
