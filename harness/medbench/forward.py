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
from medbench.compiled import compiled
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
    wanted: Sequence[NDArray[np.bool_] | None] | None = None,
    relieve: Callable[[], bool] | None = None,
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """For successive batches of ``asked``, in order: what each of ``applies`` gives, (b, ...) float32 on the CPU.

    ``model`` gives the model on the device; it is loaded when the first picture is asked for. All of ``applies`` see the same
    batch, so that one pass over the pictures serves them. ``asked`` is read as it is needed and never held whole. A batch that
    does not fit into the device's memory is done again in halves. On a GPU the answers of a batch are given once the next one
    is under way.

    ``wanted`` tells of each of ``applies`` which of the pictures it is asked of, (N,), or None for all; of the others it gives
    no row. ``relieve`` is called where a single picture does not fit: it gives whether less is asked from there on.

    Raises `TrialError` naming ``label`` where an answer has another number of rows or a single picture does not fit, and
    `ImageError` for an image that cannot be decoded.
    """
    size = BatchSize.probed(compute, label)
    size.relieve = relieve or size.relieve
    forward = _Forward(applies, wanted or [None] * len(applies), compute, label, size)
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
        forward.done += len(images)
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
    wanted: Sequence[NDArray[np.bool_] | None]
    compute: Compute
    label: str
    size: BatchSize
    done: int = 0
    """Pictures of the batches before."""

    def __post_init__(self) -> None:
        if self.compute.compile:
            self.applies = compiled(self.applies, self.label, is_full=self._is_full)

    def launch(self, model: Any, images: Tensor, start: int, stop: int) -> tuple[_Landing, ...]:
        """The answers for a piece of a batch, on their way."""
        whole = images if stop - start == len(images) else images[start:stop]
        parts = {b"\1" * len(whole): whole}  # one for all that want the same of them: a trunk is run once for it
        found = []
        with one_batch() if len(self.applies) > 1 else nullcontext():
            for apply, wanted in zip(self.applies, self.wanted, strict=True):
                part = whole if wanted is None else _part(whole, wanted[self.done + start : self.done + stop], parts)
                found.append(_launched(partial(apply, model, part), len(part), self.compute, self.label))
        return tuple(found)

    def _is_full(self, images: Tensor) -> bool:
        return self.size.settled and len(images) == self.size.rows


class _Landing(NamedTuple):
    """Rows on their way to the host; ``event`` None where they are there."""

    rows: Tensor
    event: torch.cuda.Event | None

    def landed(self) -> NDArray[np.float32]:
        if self.event is not None:
            self.event.synchronize()
        return self.rows.numpy()


def _part(images: Tensor, wanted: NDArray[np.bool_], parts: dict[bytes, Tensor]) -> Tensor:
    """Those of the images that are ``wanted``."""
    import torch

    told = wanted.tobytes()
    if told not in parts:
        parts[told] = images[torch.from_numpy(np.flatnonzero(wanted)).to(images.device)]
    return parts[told]


def _launched(call: Callable[[], Tensor], rows: int, compute: Compute, label: str) -> _Landing:
    import torch

    if not rows:
        return _Landing(torch.zeros(0, 0), None)
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
