"""From a manifest's pictures to batches of a model's inputs: threads decode the next batch while this one is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from medbench.manifest import Manifest, Picture, Which

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench.protocols import Compute

BATCH = {"cpu": 16, "cuda": 128}
_READERS = 4

Asked = tuple[Picture, ...]
"""What a model reads as one: an image, or the two of a study."""


def asked_pictures(manifest: Manifest, image: Which, *, studies: bool) -> list[Asked]:
    """For each sample its picture; of ``studies`` the first two, or the only one twice.

    Raises `MissingDataError` where a sample has none.
    """
    if not studies:
        return [(picture,) for picture in manifest.pictures(image)]
    others: list[list[str]] = manifest.table.column("others").to_pylist()
    return [
        (first, Picture(more[0]) if more else first) for first, more in zip(manifest.pictures(), others, strict=True)
    ]


def picture_id(asked: Asked) -> str:
    """Tells what is asked from all else in a dataset."""
    return "|".join(picture.id for picture in asked)


def read_batches(
    asked: Iterable[Asked], manifest: Manifest, preprocess: Preprocess, compute: Compute, *, size: int | None = None
) -> Iterator[Tensor]:
    """Normalised images in order, on the device: (B, 3, S, S), or (B, 2, 3, S, S) of studies; ``size`` of each batch.

    Raises `ImageError` for an image that cannot be decoded.
    """
    import torch

    from medbench.preprocessing import normalised, resized

    def pixels(pictures: Asked) -> NDArray[np.uint8]:
        return np.stack([resized(manifest.read(one), preprocess) for one in pictures])

    count = BATCH[compute.device] if size is None else size
    ahead = iter(asked)
    with ThreadPoolExecutor(max_workers=max(_READERS, compute.workers)) as pool:

        def submit(number: int) -> list[Future[NDArray[np.uint8]]]:
            return [pool.submit(pixels, pictures) for pictures in islice(ahead, number)]

        waiting = submit(2 * count)
        while waiting:
            now, waiting = waiting[:count], waiting[count:]
            batch = torch.from_numpy(np.stack([future.result() for future in now]))
            waiting += submit(count)
            if compute.device == "cuda":
                batch = batch.pin_memory().to(compute.device, non_blocking=True)
            images = normalised(batch.flatten(0, 1), preprocess)
            yield images if batch.shape[1] == 1 else images.reshape(*batch.shape[:2], *images.shape[1:])
