"""Readers ahead of a model: in order, no further than two batches, and quick to stop."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from medbench.errors import MissingDataError
from medbench.protocols import Compute
from medbench.reading import Readers, read_in_order, readers_of

READERS = Readers(1, 3)


class Counted:
    """Numbers, and how many of them were taken."""

    def __init__(self, count: int) -> None:
        self.count, self.taken = count, 0

    def __iter__(self):
        for number in range(self.count):
            self.taken += 1
            yield number


def slow_square(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return number * number


@pytest.mark.parametrize("readers", [Readers(1, 4), Readers(4, 1), Readers(2, 2)])
def test_what_is_read_comes_in_order_in_batches(readers):
    batches = list(read_in_order(range(23), slow_square, lambda: 5, readers))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
    assert [one for batch in batches for one in batch] == [number * number for number in range(23)]


def test_nothing_gives_no_batch():
    assert list(read_in_order([], slow_square, lambda: 5, READERS)) == []


def test_items_are_taken_two_batches_ahead_and_no_further():
    items = Counted(100)
    batches = read_in_order(items, slow_square, lambda: 5, READERS)
    next(batches)
    assert items.taken == 15
    next(batches)
    assert items.taken == 20
    batches.close()


def test_the_size_is_asked_again_before_every_batch():
    sizes = iter([2, 8, 3, 100, 100])
    batches = list(read_in_order(range(20), slow_square, lambda: next(sizes), READERS))
    assert [len(batch) for batch in batches] == [2, 8, 3, 7]
    assert [one for batch in batches for one in batch] == [number * number for number in range(20)]


def test_the_first_that_cannot_be_read_is_told_after_the_batches_before_it():
    def read(number: int) -> int:
        if number >= 7:
            raise MissingDataError(f"no image {number}")
        return number

    batches = read_in_order(range(40), read, lambda: 5, READERS)
    assert next(batches) == [0, 1, 2, 3, 4]
    with pytest.raises(MissingDataError, match="no image 7"):
        next(batches)


def test_a_reader_that_hangs_behind_does_not_keep_the_others_from_reading():
    release = threading.Event()

    def read(number: int) -> int:
        if number == 0:
            assert release.wait(20)
        if number == 3:
            release.set()
        return number

    assert next(read_in_order(range(8), read, lambda: 4, READERS)) == [0, 1, 2, 3]


def test_no_thread_is_left_when_the_model_stops_early():
    batches = read_in_order(range(100), slow_square, lambda: 5, READERS)
    next(batches)
    batches.close()
    assert not [one.name for one in threading.enumerate() if one.name.startswith("medbench-")]


def test_on_the_cpu_readers_leave_torch_its_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert readers_of(Compute()) == Readers(1, 16)
    assert readers_of(Compute(workers=6)) == Readers(6, 16)
    assert readers_of(Compute(device="cuda")) == Readers(16, 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 12)
    assert readers_of(Compute()) == Readers(4, 16)
