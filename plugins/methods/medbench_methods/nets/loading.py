"""Filling a network from a checkpoint's tensors: strict about what is needed, silent about what is known to be spare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import torch

from medbench import layouts
from medbench.checkpoints import plain_globals, read_checkpoint
from medbench.errors import CheckpointError
from medbench.layouts import COUNTERS, WHOLE_NUMBERS, Matching, Shape, counted
from medbench.pickled import TRAINERS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

_Value = TypeVar("_Value")
DOWNLOAD_AGAIN = "download the published file again"
PARALLEL = "module."
"""What DataParallel puts in front of every key."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A file's tensors, DataParallel's prefix cut. Raises as `medbench.checkpoints.read_checkpoint`.

    What trainers leave beside the weights is passed over, as `medbench checkpoint inspect` does.
    """
    return without_parallel(read_checkpoint(path, allow=plain_globals(), inert=TRAINERS).tensors)


def without_parallel(items: Mapping[str, _Value]) -> dict[str, _Value]:
    """The same without the prefix that DataParallel puts in front of every key."""
    cut = len(PARALLEL) if all(key.startswith(PARALLEL) for key in items) else 0
    return {key[cut:]: value for key, value in items.items()}


def match(
    tensors: Mapping[str, Tensor],
    needed: Mapping[str, Shape],
    *,
    prefixes: Mapping[str, str],
    ignore: Callable[[str], bool],
) -> Matching:
    """Compare ``tensors`` with the names and shapes that are ``needed``.

    ``prefixes`` maps a network's prefix to the checkpoint's (``{"trunk.net.": "img_encoder_q.model."}``); a needed name
    starts with one of them. ``ignore`` tells the checkpoint's keys that may stand there unused. It may lack BatchNorm's
    counters.
    """
    keys = {name: [(_renamed(name, prefixes), shape)] for name, shape in needed.items()}
    return layouts.match(tensor_shapes(tensors), keys, ignore=ignore, optional=lambda name: name.endswith(COUNTERS))


def tensor_shapes(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """The shapes of a file's tensors by key."""
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def taken(tensors: Mapping[str, Tensor], matching: Matching, needed: Mapping[str, Shape]) -> dict[str, Tensor]:
    """The network's tensors by its names, in the shapes ``needed``, from a file that `require` has passed.

    Counters that the file may lack (`medbench.layouts.COUNTERS`) are zero.
    """
    found: dict[str, Tensor] = {}
    for name, shape in needed.items():
        parts = [tensors[key] for key in matching.matched.get(name, ())]
        joined = torch.cat(parts) if len(parts) > 1 else parts[0] if parts else torch.zeros(shape, dtype=torch.int64)
        found[name] = joined.reshape(shape)
    return found


def require(
    matching: Matching, tensors: Mapping[str, Tensor], path: Path, what: str, *, fix: str = DOWNLOAD_AGAIN
) -> None:
    """Raise `CheckpointError` unless everything needed is among ``tensors`` and nothing else. ``what`` names the method.

    Weights must be of floating numbers.
    """
    weights = [key for name, keys in matching.matched.items() if not name.endswith(WHOLE_NUMBERS) for key in keys]
    odd = counted("non-floating tensor", [key for key in weights if not tensors[key].is_floating_point()])
    complaint = matching.complaint() or odd
    if complaint:
        raise CheckpointError(f"{path} does not fit {what}: {complaint}", fix=fix)


def hollow(shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Tensors of these shapes and without memory, for what asks a file's tensors for nothing else."""
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


class UntoldError(Exception):
    """A tensor that tells a net's sizes is not there, or has other axes; the message says which, as `Matching.complaint`."""

    def __init__(self, key: str, found: Shape | None = None, axes: int = 0) -> None:
        other = [] if found is None else [f"{key} {found} for {axes} sizes"]
        super().__init__(counted("tensor of another shape", other) or counted("missing key", [key]))
        self.key = key

    def matching(self, found: Iterable[str], ignore: Callable[[str], bool]) -> Matching:
        """How a file's keys meet a net of which no more than that tensor is known."""
        others = [key for key in found if key != self.key]
        return Matching(
            matched={},
            ignored=tuple(filter(ignore, others)),
            missing=(self.key,),
            unexpected=tuple(key for key in others if not ignore(key)),
            misshapen=(),
        )


def told_shape(tensors: Mapping[str, Tensor], key: str, axes: int) -> tuple[int, ...]:
    """The shape of a tensor that tells a net's sizes: ``axes`` of them, none of them 0. Raises `UntoldError`."""
    if key not in tensors:
        raise UntoldError(key)
    shape = tuple(tensors[key].shape)
    if len(shape) != axes or 0 in shape:
        raise UntoldError(key, shape, axes)
    return shape


def shapes_of(module: nn.Module) -> dict[str, Shape]:
    """The shapes of a module's parameters and persistent buffers by name."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def fill(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a module made on the meta device its tensors, which must be all of its state_dict; it ends in eval mode.

    Floating tensors become float32. The tensors are taken over, not copied.
    """
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    module.load_state_dict(state, strict=True, assign=True)
    module.eval()
    left = [name for name, tensor in _all_tensors(module) if tensor.device == torch.device("meta")]
    if left:
        raise RuntimeError(f"tensors outside the state_dict were left without values: {', '.join(left)}")


def _all_tensors(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    for ours, theirs in prefixes.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(f"{name} starts with none of {', '.join(prefixes)}")
