"""Pictures of one or several views, each decoded once and kept as it is trained on, whatever its shape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from medbench.errors import TrialError
from medbench.files import write_atomically
from medbench.images import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.manifest import Manifest, Picture
    from medbench.protocols import TrialContext
    from medbench.specs import Part

    _Frame = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class KeptPictures:
    """``self[i]`` is picture i as uint8 (H, W) or (H, W, 3), a copy, from a file in which they stand one after the other.

    The file is written in the trial's work folder at the first use, as the phase ``prepare``, and reused after a kill. Of
    images scaled to 224 pixels, 270,000 take 16 GB.
    """

    def __init__(self, pixels: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        self._pixels = pixels
        self._places = places

    @classmethod
    def prepare(
        cls, pictures: Sequence[Picture], manifest: Manifest, part: Part, frame: _Frame, how: str, context: TrialContext
    ) -> KeptPictures:
        """Decode ``pictures`` of ``manifest`` and keep what ``frame`` makes of them, unless that was done.

        ``how`` says in words all that ``frame`` depends on. Raises `ImageError` naming a bad file, `TrialError` where there is
        no picture, and `StoreError` where the disk does not take them.
        """
        digest = hashlib.sha256(how.encode()).hexdigest()[:12]
        path = context.work_dir / f"pictures-{part}-{digest}.bin"
        index = path.with_suffix(".npy")
        if not index.is_file():  # written last
            places = _write(_Decoded(pictures, manifest, frame), path, context)
            write_atomically(index, lambda temporary: np.save(temporary, places))
        return cls(np.memmap(path, np.uint8, "r"), np.load(index))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        start, *shape = self._places[index].tolist()
        height, width, channels = shape
        pixels = np.array(self._pixels[start : start + height * width * channels])
        return pixels.reshape((height, width) if channels == 1 else (height, width, channels))


class _Decoded(Dataset[Any]):
    """Pictures in their frame, or the message of what went wrong: exceptions do not cross processes as they are."""

    def __init__(self, pictures: Sequence[Picture], manifest: Manifest, frame: _Frame) -> None:
        self._pictures = pictures
        self._manifest = manifest
        self._frame = frame

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> NDArray[np.uint8] | str:
        picture = self._pictures[index]
        try:
            pixels = self._manifest.read(picture)
        except ImageError as error:
            return str(error)
        return np.array(self._frame(pixels))  # a copy: what a decoder gives may not be writable


def _write(decoded: _Decoded, path: Path, context: TrialContext) -> NDArray[np.int64]:
    """(N, 4) where each picture starts in the file that is written, its height, width and channels."""
    if not len(decoded):
        raise TrialError("there is no picture to prepare")
    places: list[tuple[int, ...]] = []
    loader = DataLoader(decoded, batch_size=None, num_workers=context.compute.workers)
    context.progress.phase("prepare", len(decoded))

    def write(temporary: Path) -> None:
        # Not through a memory map: a full disk would end the process with SIGBUS in place of an error.
        with temporary.open("wb") as file:
            for picture in loader:
                if isinstance(picture, str):
                    raise ImageError(picture, fix="medbench data verify")
                pixels = np.asarray(picture, np.uint8)
                places.append((file.tell(), *pixels.shape, *((1,) if pixels.ndim == 2 else ())))
                file.write(pixels.tobytes())
                context.progress.advance()

    write_atomically(path, write)
    return np.array(places, np.int64)
