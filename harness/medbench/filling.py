"""Answers of a frozen encoder on their way to the disk, for all that one pass over the pictures serves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from medbench.asked import picture_id
from medbench.batch_size import is_out_of_memory
from medbench.errors import MedbenchError, StoreError, TrialError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.asked import Asked, AskedPictures
    from medbench.feature_store import FeatureStore
    from medbench.forward import Apply

_LEAST = 256
_MOST = 16_384
_SEGMENTS = 256
_BYTES = 64 << 20
_SECONDS = 60.0
_TOGETHER = 60
"""How many further needs one pass serves: each holds a lock, which is an open file, and up to 64 MiB of pending rows."""


class Sink:
    """Appends rows to a store a segment at a time as they come, so that a kill loses one at most.

    A segment has 256 rows, more where ``total`` is large (so that there are some hundred segments), fewer where they would
    pass 64 MiB; beyond 256 it is written once a minute at least.
    """

    def __init__(self, store: FeatureStore, total: int, label: str) -> None:
        self._store = store
        self._count = min(max(total // _SEGMENTS, _LEAST), _MOST)
        self._label = label
        self._written: list[Path] = []
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
        """Write what is pending, which stays so where the disk does not take it (`StoreError`)."""
        if self._ids:
            rows = np.concatenate(self._rows)
            self._written.append(self._store.append(self._ids, np.concatenate(self._hashes), rows))
        self._clear()

    def undo(self) -> bool:
        """Forget what is pending and remove what was written; gives whether there was something."""
        written, self._written = self._written, []
        for path in written:
            self._store.take_back(path)
        self._clear()
        return bool(written)

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
        if not self.failed:
            try:
                answer = self.function(model, images)
            except Exception as error:
                if isinstance(error, RuntimeError) and is_out_of_memory(error):
                    raise  # the batch is halved for all
                self.failed = True
            else:
                if answer.ndim >= 2 and len(answer) == len(images):
                    return answer
                self.failed = True
        return images.new_zeros((len(images), 0))

    def take(self, ids: Sequence[str], hashes: NDArray[np.uint64], rows: NDArray[np.float32]) -> None:
        """As `Sink.take`, unless it has failed."""
        if not self.failed and ids:
            self._try(lambda: self.sink.take(ids, hashes, rows))

    def flush(self) -> None:
        """As `Sink.flush`, unless it has failed."""
        if not self.failed:
            self._try(self.sink.flush)

    def stop(self) -> bool:
        """Answer no more, and give whether that is new; what was answered is kept."""
        was_going = not self.failed
        self.flush()
        self.failed = True
        return was_going

    def undo(self) -> bool:
        """Answer no more, and leave nothing of this pass on the disk; gives whether there was something."""
        self.failed = True
        return self.sink.undo()

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (TrialError, StoreError):
            self.failed = True


class Later(NamedTuple):
    """A need that is known before it is asked for: of the pictures of the hashes that it gives when they are needed."""

    apply: Apply
    store: FeatureStore
    hashes: Callable[[], NDArray[np.uint64]]


def companions_of(later: Iterable[Later], missing: NDArray[np.uint64], locks: ExitStack, label: str) -> list[Companion]:
    """Those of ``later`` that want and lack any of a pass's ``missing`` pictures, their stores locked until ``locks`` ends.

    Needs of one store are one companion; a store that another process holds, or that cannot be written, is left alone.
    """
    wanted: dict[Path, tuple[Later, NDArray[np.bool_]]] = {}
    for one in later:
        _, known = wanted.get(one.store.folder, (one, np.zeros(len(missing), np.bool_)))
        if not known.all():
            with suppress(MedbenchError):  # a sample without such an image: who needs it will tell
                wanted[one.store.folder] = (one, known | np.isin(missing, one.hashes()))
    found: list[Companion] = []
    for one, asked in wanted.values():
        if not asked.any() or len(found) == _TOGETHER:
            continue
        with ExitStack() as lock:
            if lock.enter_context(one.store.locked_if_free()):
                lacking = asked & one.store.lacks(missing)
                if lacking.any():
                    found.append(Companion(one.apply, Sink(one.store, int(lacking.sum()), label), lacking))
                    locks.push(lock.pop_all())
    return found


class Own(NamedTuple):
    """What a pass is for."""

    apply: Apply
    sink: Sink


class Answers(Protocol):
    """`medbench.forward.answers_of` of a model and the pictures' manifest."""

    def __call__(
        self,
        applies: Sequence[Apply],
        pictures: Iterable[Asked],
        *,
        wanted: Sequence[NDArray[np.bool_] | None],
        relieve: Callable[[], bool],
    ) -> Iterator[tuple[NDArray[np.float32], ...]]: ...


def fill(
    asked: AskedPictures,
    hashes: NDArray[np.uint64],
    rows: NDArray[np.int32],
    own: Own,
    beside: Sequence[Companion],
    answers: Answers,
    advance: Callable[[int], None],
) -> None:
    """Send the ``answers`` for the pictures at ``rows`` to the sinks of those that want them, batch by batch.

    Those ``beside`` make way where memory or the disk does not suffice for all. Raises what ``answers`` raises, and as
    `Sink.take`; what was answered until then is kept.
    """
    read: deque[str] = deque()
    done = 0
    with flushed(own.sink, *beside, flush=partial(_or_alone, own.sink.flush, own, beside)):
        for batch, *others in answers(
            [own.apply, *(one.apply for one in beside)],
            _noted(asked.at(rows), read),
            wanted=[None, *(one.wanted for one in beside)],
            relieve=lambda: any([one.stop() for one in beside]),
        ):
            ids = [read.popleft() for _ in range(len(batch))]
            here = slice(done, done + len(ids))
            of_batch = hashes[rows[here]]
            _or_alone(partial(own.sink.take, ids, of_batch, batch), own, beside)
            for one, answer in zip(beside, others, strict=True):
                mask = one.wanted[here]
                one.take(list(compress(ids, mask)), of_batch[mask], answer)
            done += len(ids)
            advance(len(ids))


@contextmanager
def flushed(*sinks: Sink | Companion, flush: Callable[[], None] | None = None) -> Iterator[None]:
    """Write what is pending in the end, by ``flush`` the first one's; after an error or Ctrl-C as far as that is possible."""
    first, *others = sinks
    try:
        yield
    except BaseException:
        for one in sinks:
            with suppress(StoreError):
                one.flush()
        raise
    (flush or first.flush)()
    for one in others:
        one.flush()


def _or_alone(call: Callable[[], None], own: Own, beside: Sequence[Companion]) -> None:
    """``call``, which fills the own sink; where the disk does not take that, what those ``beside`` wrote makes way."""
    try:
        call()
    except StoreError:
        if not any([one.undo() for one in beside]):
            raise
        own.sink.flush()


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
