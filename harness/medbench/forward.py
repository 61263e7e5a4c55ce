"""A frozen encoder over many pictures: read, placed on the device, and answered batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.batches import Asked, read_batches
from medbench.errors import TrialError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest
    from medbench.protocols import Compute

Apply = Callable[[Any, "Tensor"], "Tensor"]
"""Of a model and normalised images (B, 3, S, S), or (B, 2, 3, S, S) of studies: a row each (B, ...)."""


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
    batch, so that one pass over the pictures serves them. ``asked`` is read as it is needed and never held whole. Raises
    `TrialError` naming ``label`` where an answer has another number of rows, and `ImageError` for an image that cannot be
    decoded.
    """
    for images in read_batches(asked, manifest, preprocess, compute):
        loaded = model()  # not in the call: parameters made in inference mode could never be trained
        yield tuple(frozen_call(partial(apply, loaded, images), len(images), compute, label=label) for apply in applies)


def frozen_call(call: Callable[[], Tensor], rows: int, compute: Compute, *, label: str) -> NDArray[np.float32]:
    """A call of a model in the asked precision, without gradients: ``rows`` rows of float32 on the CPU.

    Raises `TrialError` for another number of rows.
    """
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(compute.precision)
    with torch.inference_mode(), torch.autocast(compute.device, dtype=dtype, enabled=dtype is not None):
        answer = call()
    if answer.ndim < 2 or len(answer) != rows:
        raise TrialError(f"{label} gives {tuple(answer.shape)} for {rows} inputs: a row each is needed")
    return answer.float().cpu().numpy()
