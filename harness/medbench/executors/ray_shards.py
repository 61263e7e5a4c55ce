"""What the actors of Ray Data do when a dataset is encoded by several at once: a block of rows each time, as any pass does.

An actor answers its rows through `medbench.features.Features` into a folder of its own, so that batching, halving and checks
are those of any pass, and hands over the segments that were written. Only the driver writes features into the shared cache.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from medbench.asked import AskedPictures
from medbench.errors import MedbenchError
from medbench.executors.orders import Order, planned_of, settings_from_text
from medbench.features import Features
from medbench.filling import first_places
from medbench.progress import Reporter
from medbench.protocols import FeatureNeed
from medbench.registry import Registry
from medbench.runner import Manifests, context_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


class Lacking(NamedTuple):
    """What a store of the cache lacks: (n, 2) the number of a need among those foreseen, and a row of its manifest."""

    store: str
    rows: NDArray[np.int64]


def survey(order: bytes, settings: str) -> list[Lacking]:
    """What the cache lacks of all that the trial of an `Order` and its neighbours will ask for, each picture once a store.

    A store that another process has just now is left to it.
    """
    lacking: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
    known: dict[str, NDArray[np.uint64]] = {}
    features, needs = _ask(order, settings)
    for number, need in enumerate(needs):
        store = features.store_of(need)
        name = store.folder.name
        try:
            hashes = _hashes(need)
        except MedbenchError:  # a sample without such an image: the trial that needs it will tell
            continue
        with store.locked_if_free() as ours:
            lacks = store.lacks(hashes) if ours else np.zeros(len(hashes), np.bool_)
        before = known.get(name, np.empty(0, np.uint64))
        rows = first_places(hashes, lacks & ~np.isin(hashes, before))
        known[name] = np.concatenate([before, hashes[rows]])
        lacking[name].append(np.stack([np.full(len(rows), number, np.int64), rows.astype(np.int64)], axis=1))
    found = [Lacking(name, np.concatenate(parts)) for name, parts in lacking.items()]
    return [one for one in found if len(one.rows)]


class Encoder:
    """An actor: loads the model once, and answers rows of needs of one store, with the needs ``others`` beside it."""

    def __init__(self, order: bytes, settings: str, others: Sequence[int]) -> None:
        self._features, self._needs = _ask(order, settings)
        self._others = [_Sought(self._needs[one]) for one in others]
        self._folder = Path(tempfile.mkdtemp(prefix="medbench-encode-"))
        self._model = self._features.model

    def __call__(self, rows: dict[str, NDArray[np.int64]]) -> pa.Table:
        """A block of rows (n, 2) as in `Lacking` -> the segments written for it: ``store``, ``entry`` (JSON), ``segment``."""
        import pyarrow as pa

        for number in np.unique(rows["data"][:, 0]):
            self._answer(_taken(self._needs[number], rows["data"][rows["data"][:, 0] == number, 1]))
        written = list(self._empty())
        return pa.table(
            {
                "store": pa.array([one[0] for one in written], pa.string()),
                "entry": pa.array([one[1] for one in written], pa.string()),
                "segment": pa.array([one[2] for one in written], pa.large_binary()),
            }
        )

    def _answer(self, part: FeatureNeed) -> None:
        """Answer a need into the actor's folder, and what others want of the same pictures."""
        asked = _hashes(part)
        beside = [found for one in self._others if (found := one.among(asked)) is not None]
        features = Features(
            identity=self._features.identity,
            load=lambda: self._model,
            folder=self._folder,
            compute=self._features.compute,
            progress=Reporter(),
            capabilities=self._features.capabilities,
            text_files=self._features.text_files,
            beside=lambda: beside,
        )
        features.answer_mapped(part)

    def _empty(self) -> Iterator[tuple[str, str, bytes]]:
        """Each segment with its store's name and key; they are removed."""
        for entry in sorted(self._folder.glob("*/entry.json")):
            for segment in sorted(entry.parent.glob("*.safetensors")):
                yield entry.parent.name, entry.read_text(), segment.read_bytes()
            shutil.rmtree(entry.parent)

    def __del__(self) -> None:
        if folder := getattr(self, "_folder", None):
            shutil.rmtree(folder, ignore_errors=True)


class _Sought:
    """A need, and where in its manifest a picture is."""

    def __init__(self, need: FeatureNeed) -> None:
        self._need = need
        hashes = _hashes(need)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def among(self, asked: NDArray[np.uint64]) -> FeatureNeed | None:
        """The need for those pictures alone; None where it wants none of them."""
        places = np.searchsorted(self._hashes, asked).clip(max=len(self._hashes) - 1)
        rows = self._order[places[self._hashes[places] == asked]]
        return _taken(self._need, rows) if len(rows) else None


def _taken(need: FeatureNeed, rows: NDArray[np.integer]) -> FeatureNeed:
    return dataclasses.replace(need, manifest=need.manifest.take(rows.tolist()))


def _hashes(need: FeatureNeed) -> NDArray[np.uint64]:
    return AskedPictures(need.manifest, need.image, studies=need.studies).hashes()


def _ask(order: bytes, settings: str) -> tuple[Features, list[FeatureNeed]]:
    """The features of an order's trial as its run makes them, and what it and its neighbours foresee."""
    registry = Registry.load()
    settled = settings_from_text(settings)
    planned = planned_of(msgspec.json.decode(order, type=Order), registry, settled)
    context, _ = context_of(planned, Manifests(registry, settled), Reporter())
    return context.features, list(context.features.beside())
