"""From a manifest's pictures to batches of a model's inputs, read and prepared while the model is busy with others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from medbench.batch_size import BATCH
from medbench.reading import read_in_order, readers_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.asked import Asked
    from medbench.capabilities import Preprocess
    from medbench.device_resize import Hosted
    from medbench.manifest import Manifest
    from medbench.protocols import Compute


def read_batches(
    asked: Iterable[Asked],
    manifest: Manifest,
    preprocess: Preprocess,
    compute: Compute,
    *,
    size: int | Callable[[], int] | None = None,
) -> Iterator[Tensor]:
    """Normalised images in order, on the device: (B, 3, S, S), or (B, 2, 3, S, S) of studies; ``size`` of each batch.

    A ``size`` that is called is asked again before every batch. On a GPU pictures are resized there, elsewhere by the threads
    that read them. Raises `ImageError` for an image that cannot be decoded.
    """
    settled = BATCH[compute.device] if size is None else size
    count = settled if callable(settled) else lambda: settled
    if compute.device == "cuda":
        yield from _whole(asked, manifest, preprocess, compute, count)
    else:
        yield from _resized(asked, manifest, preprocess, compute, count)


def _resized(
    asked: Iterable[Asked], manifest: Manifest, preprocess: Preprocess, compute: Compute, size: Callable[[], int]
) -> Iterator[Tensor]:
    import torch

    from medbench.preprocessing import normalised, resized

    def read(pictures: Asked) -> NDArray[np.uint8]:
        return np.stack([resized(manifest.read(one), preprocess) for one in pictures])

    for found in read_in_order(asked, read, size, readers_of(compute)):
        batch = torch.from_numpy(np.stack(found))
        yield _in_studies(normalised(batch.flatten(0, 1), preprocess), batch.shape[1])


def _whole(
    asked: Iterable[Asked], manifest: Manifest, preprocess: Preprocess, compute: Compute, size: Callable[[], int]
) -> Iterator[Tensor]:
    from medbench.device_resize import hosted
    from medbench.staging import staged

    rest = iter(asked)
    first = list(islice(rest, 1))

    def read(pictures: Asked) -> list[Hosted]:
        return [hosted(manifest.read(one), preprocess) for one in pictures]

    groups = read_in_order(chain(first, rest), read, size, readers_of(compute))
    flat = (list(chain.from_iterable(group)) for group in groups)
    # Closed in this order: the thread that takes the groups has to be at rest first.
    with closing(groups), closing(staged(flat, preprocess, compute.device)) as batches:
        for images in batches:
            yield _in_studies(images, len(first[0]))


def _in_studies(images: Tensor, views: int) -> Tensor:
    return images if views == 1 else images.reshape(-1, views, *images.shape[1:])
