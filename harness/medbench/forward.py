"""A frozen encoder over many pictures: read, placed on the device, and answered batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medbench.batch_size import BatchSize
from medbench.batches import read_batches
from medbench.compiled import Compiled
from medbench.errors import TrialError
from medbench.one_pass import one_batch

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.asked import Asked
    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest
    from medbench.protocols import Compute

Apply = Callable[[Any, "Tensor"], "Tensor"]
"""Of a model and normalised images (B, 3, S, S), or (B, 2, 3, S, S) of studies: a row each (B, ...)."""

_INPUTS_AHEAD = 3
"""Batches of inputs on a GPU at once: the one in use, the next, and what that is made of."""


def answers_of(
    model: Callable[[], Any],
    applies: Sequence[Apply],
    asked: Iterable[Asked],
    manifest: Manifest,
    preprocess: Preprocess,
    compute: Compute,
    *,
    label: str,
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """For successive batches of ``asked``, in order: what each of ``applies`` gives, (b, ...) float32 on the CPU.

    ``model`` gives the model on the device; it is loaded when the first picture is asked for. All of ``applies`` see the same
    batch, so that one pass over the pictures serves them. ``asked`` is read as it is needed and never held whole. A batch that
    does not fit into the device's memory is done again in halves. On a GPU the answers of a batch are given once the next one
    is under way.

    Raises `TrialError` naming ``label`` where an answer has another number of rows or a single picture does not fit, and
    `ImageError` for an image that cannot be decoded.
    """
    size = BatchSize.probed(compute, label)
    forward = _Forward(applies, compute, label, size)
    waiting: deque[tuple[_Landing, ...]] = deque()
    loaded: Any = None
    for images in read_batches(asked, manifest, preprocess, compute, size=lambda: size.rows):
        if loaded is None:  # not in the call: parameters made in inference mode could never be trained
            loaded = _laid_out(model(), compute)
        held = _INPUTS_AHEAD * images.nbytes // len(images)
        for answers in size.pieces(partial(forward.launch, loaded, images), len(images), bytes_per_row=held):
            waiting.append(answers)
            if len(waiting) > (compute.device == "cuda"):
                yield tuple(one.landed() for one in waiting.popleft())
    for answers in waiting:
        yield tuple(one.landed() for one in answers)


def frozen_call(call: Callable[[], Tensor], rows: int, compute: Compute, *, label: str) -> NDArray[np.float32]:
    """A call of a model in the asked precision, without gradients: ``rows`` rows of float32 on the CPU.

    Raises `TrialError` for another number of rows.
    """
    return _launched(call, rows, compute, label).landed()


@dataclass(slots=True)
class _Forward:
    """What is asked of batches of images."""

    applies: Sequence[Apply]
    compute: Compute
    label: str
    size: BatchSize
    compiled: Sequence[Compiled] = ()

    def __post_init__(self) -> None:
        if self.compute.compile:
            self.compiled = [Compiled(apply, self.label) for apply in self.applies]

    def launch(self, model: Any, images: Tensor, start: int, stop: int) -> tuple[_Landing, ...]:
        """The answers for a piece of a batch, on their way."""
        part = images if stop - start == len(images) else images[start:stop]
        full = self.size.settled and len(part) == self.size.rows
        calls = [partial(one, model, part, full=full) for one in self.compiled] or [
            partial(apply, model, part) for apply in self.applies
        ]
        with one_batch() if len(calls) > 1 else nullcontext():
            return tuple(_launched(call, len(part), self.compute, self.label) for call in calls)


class _Landing(NamedTuple):
    """Rows on their way to the host; ``event`` None where they are there."""

    rows: Tensor
    event: torch.cuda.Event | None

    def landed(self) -> NDArray[np.float32]:
        if self.event is not None:
            self.event.synchronize()
        return self.rows.numpy()


def _launched(call: Callable[[], Tensor], rows: int, compute: Compute, label: str) -> _Landing:
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(compute.precision)
    with torch.inference_mode(), torch.autocast(compute.device, dtype=dtype, enabled=dtype is not None):
        answer = call()
    if answer.ndim < 2 or len(answer) != rows:
        raise TrialError(f"{label} gives {tuple(answer.shape)} for {rows} inputs: a row each is needed")
    on_host = answer.float().to("cpu", non_blocking=True)
    if not answer.is_cuda:
        return _Landing(on_host, None)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return _Landing(on_host, event)


def _laid_out(model: Any, compute: Compute) -> Any:
    """On a GPU, with its convolutions' weights channels last, as the images are; elsewhere as it is."""
    import torch

    if compute.device == "cuda" and isinstance(model, torch.nn.Module):
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model
