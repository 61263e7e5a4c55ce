"""Filling a network from a checkpoint's tensors: strict about what is needed, silent about what is known to be spare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medbench.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

DOWNLOAD_AGAIN = "download the published file again"
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How a checkpoint's keys meet those that a network needs.

    ``matched`` maps the network's names to the checkpoint's keys. ``misshapen`` gives key, shape found, shape needed.
    """

    matched: Mapping[str, str]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    def complaint(self) -> str | None:
        """One line with everything that is wrong, or None."""
        shapes = [f"{key} {found} for {needed}" for key, found, needed in self.misshapen]
        parts = [
            _count("missing key", self.missing),
            _count("unexpected key", self.unexpected),
            _count("tensor of another shape", shapes),
        ]
        return "; ".join(part for part in parts if part) or None


def match(
    tensors: Mapping[str, Tensor],
    needed: Mapping[str, tuple[int, ...]],
    *,
    prefixes: Mapping[str, str],
    ignore: Callable[[str], bool],
) -> Matching:
    """Compare ``tensors`` with the names and shapes that are ``needed``.

    ``prefixes`` maps a network's prefix to the checkpoint's (``{"trunk.net.": "img_encoder_q.model."}``); a needed name
    starts with one of them. ``ignore`` tells the checkpoint's keys that may stand there unused.
    """
    keys = {name: _renamed(name, prefixes) for name in needed}
    wanted = set(keys.values())
    spare = [key for key in tensors if key not in wanted]
    ignored = tuple(key for key in spare if ignore(key))
    return Matching(
        matched={name: key for name, key in keys.items() if key in tensors},
        ignored=ignored,
        missing=tuple(key for key in keys.values() if key not in tensors),
        unexpected=tuple(key for key in spare if not ignore(key)),
        misshapen=tuple(
            (key, tuple(tensors[key].shape), needed[name])
            for name, key in keys.items()
            if key in tensors and tuple(tensors[key].shape) != needed[name]
        ),
    )


def require(matching: Matching, path: Path, what: str, *, fix: str = DOWNLOAD_AGAIN) -> None:
    """Raise `CheckpointError` unless everything needed is there and nothing else. ``what`` names the method."""
    complaint = matching.complaint()
    if complaint is not None:
        raise CheckpointError(f"{path} does not fit {what}: {complaint}", fix=fix)


class UntoldError(Exception):
    """A tensor that tells a net's sizes is not there, or has other axes; the message says which, as `Matching.complaint`."""


def told_shape(tensors: Mapping[str, Tensor], key: str, axes: int) -> tuple[int, ...]:
    """The shape of a tensor that tells a net's sizes: ``axes`` of them, none of them 0. Raises `UntoldError`."""
    if key not in tensors:
        raise UntoldError(_count("missing key", [key]))
    shape = tuple(tensors[key].shape)
    if len(shape) != axes or 0 in shape:
        raise UntoldError(_count("tensor of another shape", [f"{key} {shape} for {axes} sizes"]))
    return shape


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
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


def _count(what: str, items: Iterable[str]) -> str:
    items = list(items)
    if not items:
        return ""
    named = ", ".join(items[:_NAMED]) + (", ..." if len(items) > _NAMED else "")
    return f"{len(items)} {what}{'s' if len(items) > 1 and not what.endswith('shape') else ''} ({named})"
