"""What a frozen encoder says of images and texts, computed once and kept: the way to a model that protocols take.

An encoder's pass over a dataset is shared by every frozen task, fraction and seed. A protocol whose answers all lie in the
cache never loads the model.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medbench.asked import AskedPictures, AskedTexts
from medbench.batch_size import BatchSize
from medbench.batches import read_batches
from medbench.capabilities import Preprocess
from medbench.errors import StoreError
from medbench.feature_store import FeatureStore
from medbench.filling import Later, Own, Sink, companions_of, fill, first_places, flushed
from medbench.forward import answers_of, frozen_call
from medbench.identity import ModelIdentity
from medbench.known_preprocess import canonical, digest_of_key, recalled, remember
from medbench.mapped_rows import MappedRows
from medbench.needs import asked_of, image_need
from medbench.protocols import FeatureNeed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.asked import Asked
    from medbench.forward import Apply
    from medbench.manifest import Manifest, Which
    from medbench.protocols import Compute, PhaseReporter

FORMAT = 4
"""Rises when decoding, preprocessing or the files change: the features of before are then left aside."""

_Rows = TypeVar("_Rows")
_Encode = Callable[[FeatureStore, "NDArray[np.int32]"], None]
_Collect = Callable[[FeatureStore, "NDArray[np.uint64]"], _Rows | None]
_TEXT_BATCH = 64


@dataclass(kw_only=True)
class Features:
    """The features of one model, see the module. ``load`` gives it in eval mode on the CPU; ``folder`` is the cache's.

    ``capabilities`` are those that the method's spec claims, known without loading it; ``text_files`` is the digest of the
    files that its texts are read by. ``beside`` tells what will be asked for later, and is called when a pass is needed: where
    it is of the same pictures and the same ``preprocess``, the pass answers it too. ``fallback`` is a folder of the trial's own
    for what a cache that is full or cannot be written does not take; without one that fails.
    ``encoded`` counts the images and texts that were not in the cache, ``seconds`` the time that they took, ``damaged`` the
    files of the cache that had to be made again.
    """

    identity: ModelIdentity
    load: Callable[[], Any]
    folder: Path
    compute: Compute
    progress: PhaseReporter
    capabilities: frozenset[str] = frozenset()
    text_files: str | None = None
    beside: Callable[[], Iterable[FeatureNeed]] = tuple
    fallback: Path | None = None
    encoded: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    damaged: int = field(default=0, init=False)

    @cached_property
    def model(self) -> Any:
        """The model, in eval mode, on the device."""
        return self.load().to(self.compute.device)

    @cached_property
    def preprocess(self) -> Preprocess:
        """What the method does to an image; remembered, so that the model need not be loaded for it."""
        known = recalled(self.folder, self.identity)
        if known is None:
            known = canonical(self.model.preprocess)
            remember(self.folder, self.identity, known)
        return known

    def encode(
        self,
        manifest: Manifest,
        *,
        preprocess: Preprocess | None = None,
        image: Which = "image",
    ) -> NDArray[np.float32]:
        """`ImageEncoder.encode_images` of every sample (N, embed_dim), or of its other images. Raises as `answer`."""
        return self.answer(image_need(manifest, preprocess=preprocess, image=image))

    def rows(
        self,
        manifest: Manifest,
        name: str,
        apply: Callable[[Any, Tensor], Tensor],
        *,
        preprocess: Preprocess | None = None,
        image: Which = "image",
        studies: bool = False,
        reads_texts: bool = False,
    ) -> NDArray[np.float32]:
        """`answer` of what `FeatureNeed` says of the same names."""
        need = FeatureNeed(
            name=name, apply=apply, manifest=manifest, preprocess=preprocess, image=image, studies=studies
        )
        return self.answer(dataclasses.replace(need, reads_texts=reads_texts))

    def mapped_rows(
        self,
        manifest: Manifest,
        name: str,
        apply: Callable[[Any, Tensor], Tensor],
        *,
        preprocess: Preprocess | None = None,
        image: Which = "image",
        studies: bool = False,
    ) -> MappedRows:
        """`answer_mapped` of what `FeatureNeed` says of the same names."""
        need = FeatureNeed(
            name=name, apply=apply, manifest=manifest, preprocess=preprocess, image=image, studies=studies
        )
        return self.answer_mapped(need)

    def answer(self, need: FeatureNeed) -> NDArray[np.float32]:
        """The rows of a need (N, ...), from the cache or the encoder.

        Raises `TrialError` where the model gives another number of rows or something that is not finite, `ImageError` for an
        image that cannot be decoded, `MissingDataError` where a sample has none, and `StoreError` where nothing can be kept.
        """
        return self._answered(need, FeatureStore.gather)

    def answer_mapped(self, need: FeatureNeed) -> MappedRows:
        """As `answer`, for what is too large for memory (maps, tokens, a million rows): read from the disk a row at a time."""
        return self._answered(need, FeatureStore.mapped)

    def _answered(self, need: FeatureNeed, collect: _Collect[_Rows]) -> _Rows:
        asked = asked_of(need)
        hashes = asked.hashes()

        def encode(store: FeatureStore, rows: NDArray[np.int32]) -> None:
            self._pass(need, store, asked, hashes, rows)

        return self._kept(self.store_of(need), hashes, encode, collect)

    def _pass(
        self,
        need: FeatureNeed,
        store: FeatureStore,
        asked: AskedPictures,
        hashes: NDArray[np.uint64],
        rows: NDArray[np.int32],
    ) -> None:
        """Encode the pictures at ``rows``, and with the same reading what later needs want of them."""
        label, how = self.identity.label, self._how(need)

        def answers(
            applies: Sequence[Apply], pictures: Iterable[Asked], **more: Any
        ) -> Iterator[tuple[NDArray[np.float32], ...]]:
            return answers_of(
                lambda: self.model, applies, pictures, need.manifest, how, self.compute, label=label, **more
            )

        with ExitStack() as locks:
            beside = companions_of(self._later(need, store), hashes[rows], locks, label)
            own = Own(need.apply, Sink(store, len(rows), label))
            fill(asked, hashes, rows, own, beside, answers, self.progress.advance)

    def _later(self, need: FeatureNeed, own: FeatureStore) -> Iterator[Later]:
        """What else will be asked of the same data, read the same way; nothing where the cache takes no more."""
        if own.folder.parent != self.folder:
            return
        read = (need.manifest.dataset, need.manifest.sha256, self._how(need))
        for one in self.beside():
            if (one.manifest.dataset, one.manifest.sha256, self._how(one)) == read:
                store = self.store_of(one)
                if store.folder != own.folder:
                    yield Later(one.apply, store, asked_of(one).hashes)

    def _how(self, need: FeatureNeed) -> Preprocess:
        return canonical(need.preprocess or self.preprocess)

    def store_of(self, need: FeatureNeed) -> FeatureStore:
        """Where the answers for that need are kept."""
        key = self._key(need.name, reads_texts=need.reads_texts) | {
            "preprocess": self._how(need).key(),
            "dataset": need.manifest.dataset,
            "manifest": need.manifest.sha256,
        }
        return FeatureStore(self.folder / digest_of_key(key), key)

    def images(
        self,
        manifest: Manifest,
        *,
        batch: int,
        preprocess: Preprocess | None = None,
        image: Which = "image",
    ) -> Iterator[Tensor]:
        """The samples' images in order, normalised, on the device, (B, 3, S, S) of ``batch`` each: for answers that are texts.

        Nothing is kept. Raises `ImageError` and `MissingDataError` as `rows`.
        """
        asked = AskedPictures(manifest, image)
        yield from read_batches(asked, manifest, preprocess or self.preprocess, self.compute, size=batch)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """`TextEncoder.encode_texts` (T, joint_dim), un-normalised. Raises `TrialError` where it is not finite."""

        asked = AskedTexts(texts)
        hashes = asked.hashes()
        key = self._key("text", reads_texts=True)
        label = self.identity.label

        def encode(store: FeatureStore, rows: NDArray[np.int32]) -> None:
            def answer(start: int, stop: int) -> tuple[NDArray[np.int32], list[str], NDArray[np.float32]]:
                part = rows[start:stop]
                ids = asked.ids_at(part)
                call = partial(self.model.encode_texts, ids)
                return part, ids, frozen_call(call, len(part), self.compute, label=label)

            sink = Sink(store, len(rows), label)
            with flushed(sink):
                for part, ids, answers in BatchSize(_TEXT_BATCH, label).pieces(answer, len(rows)):
                    sink.take(ids, hashes[part], answers)
                    self.progress.advance(len(part))

        return self._kept(FeatureStore(self.folder / digest_of_key(key), key), hashes, encode, FeatureStore.gather)

    def project(self, features: NDArray[np.float32], *, studies: bool = False) -> NDArray[np.float32]:
        """`TextEncoder.project_images`: (N, embed_dim) from `encode` -> (N, joint_dim), in single precision.

        Of ``studies``, `StudyEncoder.project_studies`.
        """
        import torch

        project = self.model.project_studies if studies else self.model.project_images
        with torch.inference_mode():
            projected: Tensor = project(torch.from_numpy(features).to(self.compute.device))
        return projected.float().cpu().numpy()

    def notes(self) -> dict[str, float]:
        """Numbers for the record: what was encoded now, and how fast."""
        found = {"encoded": float(self.encoded), "encode_seconds": round(self.seconds, 3)}
        if self.seconds:
            found["images_per_second"] = self.encoded / self.seconds
        if self.damaged:
            found["damaged_cache_files"] = float(self.damaged)
        return found

    def _key(self, name: str, *, reads_texts: bool) -> dict[str, Any]:
        model = dataclasses.asdict(self.identity)
        how = {"precision": self.compute.precision, "device": self.compute.device}
        compiled = {"compiled": True} if self.compute.compile else {}
        texts = {"text_files": self.text_files} if reads_texts else {}
        return {"format": FORMAT, "name": name, "model": model} | how | compiled | texts

    def _kept(
        self, store: FeatureStore, hashes: NDArray[np.uint64], encode: _Encode, collect: _Collect[_Rows]
    ) -> _Rows:
        """What ``collect`` reads off the store, once ``encode`` has answered the rows that it lacks.

        What is there is read without a lock. Where the cache takes no more, what lacks is kept in the ``fallback``.
        """
        store.look()
        if not store.lacks(hashes).any():
            found = collect(store, hashes)
            if found is not None:
                return found
        try:
            return self._completed(store, hashes, encode, collect)
        except StoreError as error:
            if self.fallback is None:
                raise
            self.progress.phase(f"encode beside the cache: {error.message}")
        aside = FeatureStore(self.fallback / store.folder.name, store.key, beneath=store.folder)
        return self._completed(aside, hashes, encode, collect)

    def _completed(
        self, store: FeatureStore, hashes: NDArray[np.uint64], encode: _Encode, collect: _Collect[_Rows]
    ) -> _Rows:
        with store.locked():
            for _ in range(2):  # the second is for what a damaged segment held
                rows = first_places(hashes, store.lacks(hashes))
                if store.damaged:
                    self.damaged += store.damaged
                    self.progress.phase(f"encode again what {store.damaged} damaged cache files held", len(rows))
                    store.damaged = 0
                elif len(rows):
                    self.progress.phase("encode", len(rows))
                if len(rows):
                    started = time.perf_counter()
                    encode(store, rows)
                    self.encoded += len(rows)
                    self.seconds += time.perf_counter() - started
                del rows  # of a million they would be four megabytes beside what is collected
                found = collect(store, hashes)
                if found is not None:
                    return found
        raise StoreError(f"what is written to {store.folder} cannot be read back", fix="choose another cache folder")
