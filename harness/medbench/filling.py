"""Answers of a frozen encoder on their way to the disk, for all that one pass over the pictures serves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medbench.asked import picture_id
from medbench.errors import StoreError, TrialError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.asked import Asked, AskedPictures
    from medbench.capabilities import Preprocess
    from medbench.feature_store import FeatureStore
    from medbench.forward import Apply

_LEAST = 256
_MOST = 16_384
_SEGMENTS = 256
_BYTES = 64 << 20
_SECONDS = 60.0
_TOGETHER = 60
"""How many further needs one pass serves: each is a bit of a 64-bit number."""


class Sink:
    """Appends rows to a store a segment at a time as they come, so that a kill loses one at most.

    A segment has 256 rows, more where ``total`` is large (so that there are some hundred segments), fewer where they would
    pass 64 MiB; beyond 256 it is written once a minute at least.
    """

    def __init__(self, store: FeatureStore, total: int, label: str) -> None:
        self._store = store
        self._count = min(max(total // _SEGMENTS, _LEAST), _MOST)
        self._label = label
        self._clear()

    def take(self, ids: Sequence[str], hashes: NDArray[np.uint64], rows: NDArray[np.float32]) -> None:
        """The ``rows`` (n, ...) of n ids. Raises `TrialError` naming the first that is not finite, `StoreError`."""
        finite = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        if not finite.all():
            culprit = ids[int(np.argmin(finite))]
            raise TrialError(f"{self._label} gives features that are not finite (first: {culprit[:80]})")
        self._ids += ids
        self._hashes.append(hashes)
        self._rows.append(np.array(rows))  # of its own: a view would keep the tokens that it is of
        late = len(self._ids) >= _LEAST and time.monotonic() - self._since > _SECONDS
        if len(self._ids) >= self._count or late or sum(one.nbytes for one in self._rows) >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if self._ids:
            self._store.append(self._ids, np.concatenate(self._hashes), np.concatenate(self._rows))
        self._clear()

    def _clear(self) -> None:
        self._ids: list[str] = []
        self._hashes: list[NDArray[np.uint64]] = []
        self._rows: list[NDArray[np.float32]] = []
        self._since = time.monotonic()


@dataclass(slots=True)
class Companion:
    """A need that is answered beside another one, of those pictures of the pass that it wants and its store lacks.

    Whatever fails in it (``failed``) costs the pass nothing: the trial that needs it meets the same, and tells.
    """

    function: Apply
    sink: Sink
    wanted: NDArray[np.bool_]
    failed: bool = field(default=False)

    def apply(self, model: Any, images: Tensor) -> Tensor:
        """The answer (B, ...), or (B, 0) once it has failed."""
        import torch

        if not self.failed:
            try:
                answer = self.function(model, images)
            except torch.OutOfMemoryError:
                raise  # the batch is halved for all
            except Exception:
                self.failed = True
            else:
                if answer.ndim >= 2 and len(answer) == len(images):
                    return answer
                self.failed = True
        return images.new_zeros((len(images), 0))

    def take(self, ids: Sequence[str], hashes: NDArray[np.uint64], rows: NDArray[np.float32]) -> None:
        """As `Sink.take`, unless it has failed."""
        if not self.failed:
            self._try(lambda: self.sink.take(ids, hashes, rows))

    def flush(self) -> None:
        """As `Sink.flush`, unless it has failed."""
        if not self.failed:
            self._try(self.sink.flush)

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (TrialError, StoreError):
            self.failed = True


class Later(NamedTuple):
    """A need that is known before it is asked for: of the pictures of these ``hashes``."""

    apply: Apply
    preprocess: Preprocess
    store: FeatureStore
    hashes: NDArray[np.uint64]


def companions_of(later: Iterable[Later], missing: NDArray[np.uint64], locks: ExitStack, label: str) -> list[Companion]:
    """Those of ``later`` that want any of the ``missing`` pictures of a pass, their stores locked until ``locks`` ends.

    Needs of one store are one companion; a store that another process holds is left to it.
    """
    wanted: dict[Path, tuple[Later, NDArray[np.bool_]]] = {}
    for one in later:
        asked = np.isin(missing, one.hashes)
        known = wanted.get(one.store.folder)
        wanted[one.store.folder] = (one, asked) if known is None else (known[0], known[1] | asked)
    found: list[Companion] = []
    for one, asked in wanted.values():
        if not asked.any() or len(found) == _TOGETHER or not locks.enter_context(one.store.locked_if_free()):
            continue
        lacking = asked & one.store.lacks(missing)
        if lacking.any():
            found.append(Companion(one.apply, Sink(one.store, int(lacking.sum()), label), lacking))
    return found


class Own(NamedTuple):
    """What a pass is for."""

    apply: Apply
    sink: Sink


def fill(
    asked: AskedPictures,
    hashes: NDArray[np.uint64],
    rows: NDArray[np.int32],
    own: Own,
    beside: Sequence[Companion],
    answers: Callable[[Sequence[Apply], Iterable[Asked]], Iterator[tuple[NDArray[np.float32], ...]]],
    advance: Callable[[int], None],
) -> None:
    """Send the ``answers`` for the pictures at ``rows`` to the sinks of those that want them, batch by batch.

    ``answers`` is `medbench.forward.answers_of` of some functions and pictures. Raises what it raises, and as `Sink.take`.
    """
    for here, companions in _grouped(rows, beside):
        takers: list[Sink | Companion] = [own.sink, *companions]
        read: deque[str] = deque()
        applies = [own.apply, *(one.apply for one in companions)]
        done = 0
        for batch in answers(applies, _noted(asked.at(here), read)):
            ids = [read.popleft() for _ in range(len(batch[0]))]
            of_batch = hashes[here[done : done + len(ids)]]
            for sink, answer in zip(takers, batch, strict=True):
                sink.take(ids, of_batch, answer)
            done += len(ids)
            advance(len(ids))
    own.sink.flush()
    for companion in beside:
        companion.flush()


def _grouped(
    rows: NDArray[np.int32], companions: Sequence[Companion]
) -> Iterator[tuple[NDArray[np.int32], list[Companion]]]:
    """``rows`` by who wants them, so that none is encoded for a need that did not ask; each group in order."""
    codes = np.zeros(len(rows) if companions else 1, np.int64)
    for bit, companion in enumerate(companions):
        codes |= companion.wanted.astype(np.int64) << bit
    distinct, first = np.unique(codes, return_index=True)
    for code in distinct[np.argsort(first)]:
        here = rows if len(distinct) == 1 else rows[codes == code]
        yield here, [one for bit, one in enumerate(companions) if code >> bit & 1]


def _noted(pictures: Iterator[Asked], read: deque[str]) -> Iterator[Asked]:
    """The pictures as they are read, their ids kept in ``read`` until the answers come."""
    for one in pictures:
        read.append(picture_id(one))
        yield one


def first_places(hashes: NDArray[np.uint64], lacking: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The indices of ``hashes`` that are ``lacking``, ascending, of repeated ones the first."""
    rows = np.flatnonzero(lacking).astype(np.int32)
    ordered = hashes[rows]
    ordered.sort()
    if not (ordered[1:] == ordered[:-1]).any():
        return rows
    return np.sort(rows[np.unique(hashes[rows], return_index=True)[1]])
