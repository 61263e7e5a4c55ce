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


def known_methods() -> list[Known]:
    """All variants of all methods whose module says how they are published."""
    return [
        Known(spec, variant.id)
        for spec in medbench_methods()
        if hasattr(import_module(spec.loader.partition(":")[0]), "published")
        for variant in spec.variants
    ]


def hollow(published: Published, *, images: int = 0, layout: int = 0) -> dict[str, Tensor]:
    """The state_dict of a file: of that one of ``images``, in that one of its layouts."""
    part = published.images[images]
    state = hollow_part(part, part.layouts[layout])
    if published.texts is not None:
        texts = published.texts.layouts
        state |= hollow_part(published.texts, texts[min(layout, len(texts) - 1)])
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
