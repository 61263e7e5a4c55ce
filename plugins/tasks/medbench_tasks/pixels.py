"""Grey images as squares of one size, and pictures of any shape, each decoded once and memory-mapped afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from medbench.errors import MissingDataError, TrialError
from medbench.frame_store import FORMAT, Frames, kept_frames
from medbench.images import ImageError
from medbench.preprocessing import resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest, Picture
    from medbench.protocols import TrialContext
    from medbench_tasks.recipes import TrainingRecipe

_HALF = (0.5, 0.5, 0.5)

Frame = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]
"""What is done to a picture's pixels before they are kept."""


class StoredPixels:
    """``self[i]`` is image i as it was framed, uint8, a copy.

    The frames lie in the cache, where every trial of the same dataset and frame finds them. They are made at the first use,
    as the phase ``prepare``; a trial whose cache cannot be written makes its own.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self._frames[index]


class SquashedPixels(StoredPixels):
    """`StoredPixels` (size, size) whose aspect is not kept, bilinear."""

    @classmethod
    def prepare(cls, manifest: Manifest, part: str, size: int, context: TrialContext) -> SquashedPixels:
        """Decode what the cache lacks of ``manifest`` (the trial's ``part``).

        Raises `ImageError` naming a bad file, `TrialError` where there is no sample, and `StoreError` where neither the cache
        nor the trial's work folder takes the pixels.
        """
        return cls(_grey_frames(manifest, part, partial(squash, size=size), {"name": f"squashed {size}"}, context))


class FramedPixels(StoredPixels):
    """`StoredPixels` (crop, crop) resized and cropped as a `Preprocess` says; its mean and deviation are not applied."""

    @classmethod
    def prepare(cls, manifest: Manifest, part: str, preprocess: Preprocess, context: TrialContext) -> FramedPixels:
        """As `SquashedPixels.prepare`, with squares of ``preprocess.crop`` pixels."""
        frame = partial(resized, preprocess=preprocess)
        return cls(_grey_frames(manifest, part, frame, framing_of(preprocess), context))


def squash(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(H, W) -> (size, size), bilinear, the aspect not kept, as in the MGCA release."""
    squashed: NDArray[np.uint8] = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    return squashed


def framing_of(preprocess: Preprocess) -> dict[str, Any]:
    """All that of ``preprocess`` moves 8-bit pixels, that is, not its mean and deviation; a ``how`` of `frames_of`."""
    geometry = {name: value for name, value in preprocess.key().items() if name not in {"mean", "std"}}
    return {"name": f"framed {preprocess.crop}", "geometry": geometry}


def frames_of(
    reads: Mapping[str, Callable[[], NDArray[np.uint8]]],
    ids: Sequence[str],
    frame: Frame,
    how: Mapping[str, Any],
    manifest: Manifest,
    context: TrialContext,
) -> Frames:
    """The pictures of ``ids`` in their frame, in order; ``reads`` decodes one.

    ``how`` says all that ``frame`` depends on, and under ``name`` in two words what it does. Raises as
    `SquashedPixels.prepare`.
    """

    def make(missing: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
        decoded = _Decoded([reads[one] for one in missing], frame)
        context.progress.phase("prepare", len(decoded))
        for picture in DataLoader(decoded, batch_size=None, num_workers=context.compute.workers):
            if isinstance(picture, _Failure):
                raise ImageError(picture.message, fix=picture.fix or "medbench data verify")
            yield np.asarray(picture, np.uint8)
            context.progress.advance()

    key = {"format": FORMAT, "dataset": manifest.dataset, "manifest": manifest.sha256} | dict(how)
    folders = [context.features.folder.parent / "frames", context.work_dir / "frames"]
    return kept_frames(folders, key, ids, make)


def preprocess_of(recipe: TrainingRecipe, preprocess: Preprocess) -> Preprocess:
    """The method's ``preprocess``, with the mean and standard deviation that the recipe's ``normalise`` asks for."""
    return replace(preprocess, mean=_HALF, std=_HALF) if recipe.normalise == "half" else preprocess


def normalise(pixels: NDArray[np.uint8], preprocess: Preprocess) -> torch.Tensor:
    """(S, S) uint8 -> (3, S, S) float32: divided by 255, then ``preprocess``'s mean and deviation per channel."""
    grey = torch.from_numpy(pixels).float().div_(255)
    mean = torch.tensor(preprocess.mean)[:, None, None]
    std = torch.tensor(preprocess.std)[:, None, None]
    return (grey[None] - mean) / std


def _grey_frames(manifest: Manifest, part: str, frame: Frame, how: Mapping[str, Any], context: TrialContext) -> Frames:
    if not len(manifest):
        raise TrialError(f"{manifest.dataset} has no sample to prepare in the {part} part")
    pictures = manifest.pictures()
    reads = {
        picture.id: partial(_read_grey, manifest, picture, sample)
        for picture, sample in zip(pictures, manifest.sample_ids, strict=True)
    }
    return frames_of(reads, [picture.id for picture in pictures], frame, {"colour": False} | how, manifest, context)


def _read_grey(manifest: Manifest, picture: Picture, sample: str) -> NDArray[np.uint8]:
    try:
        return manifest.read_grey(picture)
    except MissingDataError as error:
        raise ImageError(f"sample {sample}: {error.message}", fix=error.fix) from error


class _Failure(NamedTuple):
    """What went wrong: exceptions do not cross processes as they are."""

    message: str
    fix: str | None


class _Decoded(Dataset[Any]):
    """Pictures in their frame, or a `_Failure`."""

    def __init__(self, reads: Sequence[Callable[[], NDArray[np.uint8]]], frame: Frame) -> None:
        self._reads = reads
        self._frame = frame

    def __len__(self) -> int:
        return len(self._reads)

    def __getitem__(self, index: int) -> NDArray[np.uint8] | _Failure:
        try:
            return np.array(self._frame(self._reads[index]()))  # a copy: what is read may not be writable
        except MissingDataError as error:
            return _Failure(error.message, error.fix)
