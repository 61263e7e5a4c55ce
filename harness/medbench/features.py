"""What a frozen encoder says of images and texts, computed once and kept: the way to a model that protocols take.

An encoder's pass over a dataset is shared by every frozen task, fraction and seed. A protocol whose answers all lie in the
cache never loads the model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from medbench.batches import Asked, asked_pictures, picture_id, read_batches
from medbench.capabilities import Preprocess
from medbench.errors import StoreError, TrialError
from medbench.feature_store import FeatureStore, MappedRows
from medbench.files import write_bytes_atomically
from medbench.forward import answers_of, frozen_call
from medbench.identity import ModelIdentity

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.manifest import Manifest, Which
    from medbench.protocols import Compute, PhaseReporter

FORMAT = 2
"""Rises when decoding or preprocessing change what an encoder is given: the features of before are then left aside."""

_Rows = TypeVar("_Rows")
_Answers = Callable[[Sequence[str]], "Iterator[NDArray[np.float32]]"]

_SEGMENT = 256
_TEXT_BATCH = 64


@dataclass(kw_only=True)
class Features:
    """The features of one model, see the module. ``load`` gives it in eval mode on the CPU; ``folder`` is the cache's.

    ``capabilities`` are those that the method's spec claims, known without loading it; ``text_files`` is the digest of the
    files that its texts are read by.
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
        stem = self.folder / "models" / _digest(dataclasses.asdict(self.identity))
        for place in stem.parent.glob(f"{stem.name}-*.json"):
            with suppress(OSError, msgspec.MsgspecError):
                data = place.read_bytes()
                if place.stem == f"{stem.name}-{_digest_of(data)}":
                    return msgspec.json.decode(data, type=Preprocess)
            place.unlink(missing_ok=True)
        preprocess = _canonical(self.model.preprocess)
        data = msgspec.json.encode(preprocess)
        with suppress(StoreError):  # a cache that cannot be written costs time only
            write_bytes_atomically(stem.with_name(f"{stem.name}-{_digest_of(data)}.json"), data)
        return preprocess

    def encode(
        self,
        manifest: Manifest,
        *,
        preprocess: Preprocess | None = None,
        image: Which = "image",
    ) -> NDArray[np.float32]:
        """`ImageEncoder.encode_images` of every sample (N, embed_dim), or of its other images. Raises as `rows`."""
        return self.rows(
            manifest, "image", lambda model, images: model.encode_images(images), preprocess=preprocess, image=image
        )

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
        """Any frozen function of single images (N, ...), kept under ``name``, which must say all that ``apply`` depends on.

        ``apply`` takes the model and normalised images (B, 3, S, S), or (B, 2, 3, S, S) of ``studies``, and gives a row each.
        ``reads_texts`` says that the method's text files move it. Raises `TrialError` where it gives another number of rows or
        something that is not finite, `ImageError` for an image that cannot be decoded, and `MissingDataError` where a sample
        has none.
        """
        return self._rows(
            manifest,
            name,
            apply,
            FeatureStore.gather,
            preprocess,
            asked_pictures(manifest, image, studies=studies),
            reads_texts=reads_texts,
        )

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
        """As `rows`, for what is too large for memory (maps, tokens): read from the disk's pages a row at a time."""
        return self._rows(
            manifest, name, apply, FeatureStore.mapped, preprocess, asked_pictures(manifest, image, studies=studies)
        )

    def _rows(
        self,
        manifest: Manifest,
        name: str,
        apply: Callable[[Any, Tensor], Tensor],
        collect: Callable[[FeatureStore, Sequence[str]], _Rows | None],
        preprocess: Preprocess | None,
        asked: Sequence[Asked],
        *,
        reads_texts: bool = False,
    ) -> _Rows:
        how = preprocess or self.preprocess
        key = self._key(name, reads_texts=reads_texts) | {
            "preprocess": dataclasses.asdict(_canonical(how)),
            "dataset": manifest.dataset,
            "manifest": manifest.sha256,
        }
        by_id = {picture_id(pictures): pictures for pictures in asked}

        def answers(missing: Sequence[str]) -> Iterator[NDArray[np.float32]]:
            pictures = (by_id[one] for one in missing)
            found = answers_of(
                lambda: self.model, [apply], pictures, manifest, how, self.compute, label=self.identity.label
            )
            for (rows,) in found:
                yield rows

        return self._kept(key, [picture_id(pictures) for pictures in asked], answers, collect)

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
        asked = [(picture,) for picture in manifest.pictures(image)]
        yield from read_batches(asked, manifest, preprocess or self.preprocess, self.compute, size=batch)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """`TextEncoder.encode_texts` (T, joint_dim), un-normalised. Raises `TrialError` where it is not finite."""

        def answers(missing: Sequence[str]) -> Iterator[NDArray[np.float32]]:
            for start in range(0, len(missing), _TEXT_BATCH):
                part = list(missing[start : start + _TEXT_BATCH])
                call = partial(self.model.encode_texts, part)
                yield frozen_call(call, len(part), self.compute, label=self.identity.label)

        return self._kept(self._key("text", reads_texts=True), list(texts), answers, FeatureStore.gather)

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
        texts = {"text_files": self.text_files} if reads_texts else {}
        return {"format": FORMAT, "name": name, "model": model} | how | texts

    def _kept(
        self,
        key: dict[str, Any],
        ids: list[str],
        answers: _Answers,
        collect: Callable[[FeatureStore, Sequence[str]], _Rows | None],
    ) -> _Rows:
        """The answers for ``ids``, in order, computing what the store lacks; ``collect`` reads them off it."""
        store = FeatureStore(self.folder / _digest(key), key)
        with store.locked():
            while True:
                missing = store.missing(ids)
                if store.damaged:
                    self.damaged += store.damaged
                    self.progress.phase(f"encode again what {store.damaged} damaged cache files held", len(missing))
                    store.damaged = 0
                elif missing:
                    self.progress.phase("encode", len(missing))
                if missing:
                    self._fill(store, missing, answers(missing))
                rows = collect(store, ids)
                if rows is not None:
                    return rows

    def _fill(self, store: FeatureStore, missing: Sequence[str], answers: Iterator[NDArray[np.float32]]) -> None:
        """Append the answers for ``missing`` as they come, a segment at a time, so that a kill loses one at most."""
        started = time.perf_counter()
        pending: list[NDArray[np.float32]] = []
        done = 0
        for rows in answers:
            first = done + sum(map(len, pending))
            finite = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
            if not finite.all():
                culprit = missing[first + int(np.argmin(finite))]
                raise TrialError(f"{self.identity.label} gives features that are not finite (first: {culprit[:80]})")
            pending.append(rows)
            self.progress.advance(len(rows))
            count = first + len(rows)
            if count - done >= _SEGMENT or count == len(missing):
                store.append(missing[done:count], np.concatenate(pending))
                pending, done = [], count
        self.encoded += done
        self.seconds += time.perf_counter() - started


def _canonical(preprocess: Preprocess) -> Preprocess:
    """With numbers of the declared types: 0 and 0.0 are one key."""
    return msgspec.convert(dataclasses.asdict(preprocess), Preprocess)


def _digest(key: dict[str, Any]) -> str:
    return _digest_of(json.dumps(key, sort_keys=True).encode())


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
