"""Grey images as squares of one size, each decoded once and memory-mapped afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from medbench.errors import TrialError
from medbench.files import write_atomically
from medbench.images import ImageError
from medbench.preprocessing import resized

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext
    from medbench_tasks.recipes import TrainingRecipe

    _Frame = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

_HALF = (0.5, 0.5, 0.5)


class StoredPixels:
    """The images of a manifest as (N, size, size) uint8 in a file.

    The file is written in the trial's work folder at the first use, as the phase ``prepare``, and reused after a kill.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(size, size) uint8, a copy."""
        return np.array(self._pixels[index])


class SquashedPixels(StoredPixels):
    """`StoredPixels` whose aspect is not kept, bilinear."""

    @classmethod
    def prepare(cls, manifest: Manifest, part: str, size: int, context: TrialContext) -> SquashedPixels:
        """Decode ``manifest`` (the trial's ``part``), unless that was done.

        Raises `ImageError` naming a bad file, and `StoreError` where the disk does not take the pixels.
        """
        path = context.work_dir / f"pixels-{part}-{size}.npy"
        if not path.is_file():
            _write(manifest, partial(squash, size=size), size, path, context)
        return cls(np.load(path, mmap_mode="r"))


class FramedPixels(StoredPixels):
    """`StoredPixels` resized and cropped as a `Preprocess` says; its mean and deviation are not applied."""

    @classmethod
    def prepare(cls, manifest: Manifest, part: str, preprocess: Preprocess, context: TrialContext) -> FramedPixels:
        """As `SquashedPixels.prepare`, with squares of ``preprocess.crop`` pixels."""
        frame = {name: value for name, value in asdict(preprocess).items() if name not in {"mean", "std"}}
        digest = hashlib.sha256(repr(sorted(frame.items())).encode()).hexdigest()[:12]
        path = context.work_dir / f"pixels-{part}-{digest}.npy"
        if not path.is_file():
            _write(manifest, partial(resized, preprocess=preprocess), preprocess.crop, path, context)
        return cls(np.load(path, mmap_mode="r"))


def squash(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(H, W) -> (size, size), bilinear, the aspect not kept, as in the MGCA release."""
    squashed: NDArray[np.uint8] = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    return squashed


def preprocess_of(recipe: TrainingRecipe, preprocess: Preprocess) -> Preprocess:
    """The method's ``preprocess``, with the mean and standard deviation that the recipe's ``normalise`` asks for."""
    return replace(preprocess, mean=_HALF, std=_HALF) if recipe.normalise == "half" else preprocess


def normalise(pixels: NDArray[np.uint8], preprocess: Preprocess) -> torch.Tensor:
    """(S, S) uint8 -> (3, S, S) float32: divided by 255, then ``preprocess``'s mean and deviation per channel."""
    grey = torch.from_numpy(pixels).float().div_(255)
    mean = torch.tensor(preprocess.mean)[:, None, None]
    std = torch.tensor(preprocess.std)[:, None, None]
    return (grey[None] - mean) / std


class _Decoded(Dataset[Any]):
    """Images in their frame, or the message of what went wrong: exceptions do not cross processes as they are."""

    def __init__(self, manifest: Manifest, frame: _Frame) -> None:
        self._manifest = manifest
        self._frame = frame

    def __len__(self) -> int:
        return len(self._manifest)

    def __getitem__(self, index: int) -> NDArray[np.uint8] | str:
        row = self._manifest.row(index)
        try:
            return self._frame(row.pixels())
        except ImageError as error:
            return f"sample {row.sample_id}: {error}"


def _write(manifest: Manifest, frame: _Frame, size: int, path: Path, context: TrialContext) -> None:
    if not len(manifest):
        raise TrialError(f"{manifest.dataset} has no sample to prepare")
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(manifest), size, size)}
    loader = DataLoader(_Decoded(manifest, frame), batch_size=None, num_workers=context.compute.workers)
    context.progress.phase("prepare", len(manifest))

    def write(partial: Path) -> None:
        # Not through a memory map: a full disk would end the process with SIGBUS in place of an error.
        with partial.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            for image in loader:
                if isinstance(image, str):
                    raise ImageError(image, fix="medbench data verify")
                file.write(np.asarray(image, np.uint8).tobytes())
                context.progress.advance()

    write_atomically(path, write)
