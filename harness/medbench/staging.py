"""Batches of pictures on their way to a GPU: one is copied, resized and normalised while the model is busy with another."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from medbench.batch_size import is_out_of_memory
from medbench.device_resize import Hosted, resized_on_device
from medbench.errors import TrialError
from medbench.preprocessing import normalised, resized

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess

_COPIERS = 4
"""Threads that fill a stack: one alone copies more slowly than a GPU takes it."""


class _Staged(NamedTuple):
    images: Tensor
    ready: torch.cuda.Event | None


def staged(batches: Iterator[Sequence[Hosted]], preprocess: Preprocess, device: str) -> Generator[Tensor]:
    """Normalised images (B, 3, S, S) of each of ``batches``, on the device, a batch ahead of what is asked for.

    On a GPU the work is queued on a stream of its own. ``batches`` is advanced in a thread of its own, never in two at once.
    Raises what reading them raises, and `TrialError` where the device's memory does not even hold resized pictures.
    """
    stream = torch.cuda.Stream() if device == "cuda" else None  # type: ignore[no-untyped-call]
    with ThreadPoolExecutor(_COPIERS, "medbench-copy") as copiers, ThreadPoolExecutor(1, "medbench-stage") as stage:

        def step() -> _Staged | None:
            batch = next(batches, None)
            if batch is None:
                return None
            with torch.cuda.stream(stream) if stream is not None else nullcontext():
                images = _on_device(batch, preprocess, _Sender(device, copiers))
                return _Staged(images, stream.record_event() if stream is not None else None)

        ahead = stage.submit(step)
        while (batch := ahead.result()) is not None:
            ahead = stage.submit(step)
            if batch.ready is not None:
                current = torch.cuda.current_stream()
                current.wait_event(batch.ready)
                batch.images.record_stream(current)
            yield batch.images


def _on_device(batch: Sequence[Hosted], preprocess: Preprocess, send: _Sender) -> Tensor:
    found = _attempt(batch, preprocess, send)
    if found is None:
        torch.cuda.empty_cache()
        found = _attempt([_done(one, preprocess) for one in batch], preprocess, send)
    if found is None:
        raise TrialError(
            f"the device's memory does not hold {len(batch)} pictures of {preprocess.crop} pixels beside the model",
            fix="use a device with more free memory, or --device cpu",
        )
    return found


def _attempt(batch: Sequence[Hosted], preprocess: Preprocess, send: _Sender) -> Tensor | None:
    try:
        images = normalised(resized_on_device(batch, send), preprocess)
        return images.contiguous(memory_format=torch.channels_last) if send.device == "cuda" else images
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None


def _done(one: Hosted, preprocess: Preprocess) -> Hosted:
    """Resized by the host; what was handed over is equalised already."""
    return one if one.plan is None else Hosted(resized(one.pixels, replace(preprocess, equalise=False)), None)


class _Sender:
    """`device_resize.Send`: a stack is filled in page-locked memory, so that its copy to a GPU holds nobody up."""

    def __init__(self, device: str, copiers: ThreadPoolExecutor) -> None:
        self.device = device
        self._copiers = copiers

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        sides = [max(picture.shape[axis] for picture in pictures) for axis in (0, 1)]
        shape = (len(pictures), *sides, *pictures[0].shape[2:])
        stack = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device == "cuda")
        list(self._copiers.map(_fill, stack.numpy(), pictures))
        return stack.to(self.device, non_blocking=True)


def _fill(place: NDArray[np.uint8], picture: NDArray[Any]) -> None:
    """Put a picture at the top left; what lies beside it weighs nothing, but must be a number."""
    height, width = picture.shape[:2]
    place[:height, :width] = picture
    place[height:] = 0
    place[:height, width:] = 0
