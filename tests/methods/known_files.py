"""Files in the published layouts of the known methods, hollow: every tensor is a view of one zero, so that they are small."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import torch

from medbench_methods import medbench_methods

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench.layouts import Layout
    from medbench.specs import MethodSpec
    from medbench_methods.nets.published import Part, Published


class Known(NamedTuple):
    """A variant of a method that is told by layouts."""

    spec: MethodSpec
    variant: str

    @property
    def id(self) -> str:
        return f"{self.spec.id}@{self.variant}"

    @property
    def published(self) -> Published:
        module = import_module(self.spec.loader.partition(":")[0])
        return module.published(self.variant)


ALIKE = {
    "gloria@resnet50-benchx": "resnet50",
    "medklip@resnet50-benchx": "resnet50",
    "mrm@vit-b16-benchx": "vit-b16",
    **{f"cxr-clip@{net}-{data}": f"{net}-m" for net in ("r50", "swint") for data in ("mc", "mcc")},
}
"""Variants that are published just like another of their method."""


def known_methods() -> list[Known]:
    """The methods whose module says how they are published: their variants, but those that are `ALIKE` another."""
    return [
        Known(spec, variant.id)
        for spec in medbench_methods()
        if hasattr(import_module(spec.loader.partition(":")[0]), "published")
        for variant in spec.variants
        if f"{spec.id}@{variant.id}" not in ALIKE
    ]


def hollow(published: Published) -> dict[str, Tensor]:
    """The state_dict of a file, in the first layout of each part."""
    state: dict[str, Tensor] = {}
    for part in (*published.images[:1], *published.texts[:1]):
        state |= hollow_part(part, part.layouts[0])
    return state | {key: torch.zeros(()).expand(shape) for key, shape in published.spare.items()}


def hollow_part(part: Part, layout: Layout) -> dict[str, Tensor]:
    """The tensors of a part by the keys of a layout, in their shapes."""
    state: dict[str, Tensor] = {}
    for name, like in part.make().state_dict().items():
        shape = layout.stored_shape(name, tuple(like.shape))
        state |= {key: torch.zeros((), dtype=like.dtype).expand(shape) for key in layout.keys_of(name)}
    return state


def save(published: Published, state: dict[str, Tensor], path: Path) -> Path:
    """In the method's own container."""
    torch.save(published.container(dict(state)), path)
    return path
