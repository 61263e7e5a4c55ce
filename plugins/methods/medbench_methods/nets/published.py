"""Methods whose files are a network of a known shape under other names: told by layouts, loaded, drawn and inspected alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.layouts import KeyReading, Layout, Shape, best
from medbench_methods.nets.bert import BertTower
from medbench_methods.nets.drawing import draw_weights
from medbench_methods.nets.dual import DualEncoder
from medbench_methods.nets.loading import (
    fill,
    read_tensors,
    require,
    shapes_of,
    taken,
    tensor_shapes,
    without_parallel,
)
from medbench_methods.nets.nearest import nearest_layout
from medbench_methods.nets.vocabulary_files import read_tokenizer, write_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.encoders import VisionEncoder


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a method: ``make`` gives its module without weights, ``layouts`` are the forms that files keep it in."""

    make: Callable[[], nn.Module]
    layouts: Sequence[Layout]

    @cached_property
    def needed(self) -> Mapping[str, Shape]:
        """The shapes of the module's tensors by name."""
        return shapes_of(self.make())

    def read(self, kind: str, shapes: Mapping[str, Shape]) -> KeyReading:
        """What a file's keys are to it, in the layout that fits them best."""
        return best(
            KeyReading(part=kind, layout=one.name, matching=one.match(self.needed, shapes)) for one in self.layouts
        )


@dataclass(frozen=True, kw_only=True)
class Published:
    """A variant as it is published.

    ``images`` makes the encoder, `VisionEncoder` or `DualEncoder`, and ``texts`` the `BertTower` of a `DualEncoder`, read when
    the first text is; several of either, where a file's own tensors decide between them. ``container`` puts a state_dict into
    what the method's files hold, and ``spare`` gives shapes of keys that they hold unused, both for phantoms.
    """

    images: Sequence[Part]
    texts: Sequence[Part] = ()
    container: Callable[[dict[str, Tensor]], Mapping[str, Any]] = field(default=lambda state: state)
    spare: Mapping[str, Shape] = field(default_factory=dict)


def load_published(request: LoadRequest, method: str, published: Published) -> VisionEncoder:
    """The encoder in eval mode, every tensor of it from the file.

    Raises `MissingCheckpointError` without a file, and `CheckpointError` for one that is truncated, that only code could
    rebuild, or whose keys are not all needed or known to be spare: it names the nearest layout of the known methods.
    """
    name = f"{method}@{request.variant}"
    if request.checkpoint is None:
        raise MissingCheckpointError(f"{name} needs its checkpoint file")
    path, tensors = request.checkpoint, read_tensors(request.checkpoint)
    encoder = _filled(tensors, path, name, "images", published.images)
    if published.texts and isinstance(encoder, DualEncoder):
        encoder.read_texts = _TextSource(path, name, published.texts, request.assets).read
    return encoder  # type: ignore[return-value]


def read_keys(published: Published, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to each part of a variant."""
    found = without_parallel(shapes)
    parts = {"images": published.images, "texts": published.texts}
    return tuple(best(part.read(kind, found) for part in several) for kind, several in parts.items() if several)


def write_published(folder: Path, filename: str, published: Published, seed: int) -> Path:
    """Write a checkpoint with drawn weights under ``folder``, in the published container and key layout."""
    state: dict[str, Tensor] = {}
    for part in (*published.images[:1], *published.texts[:1]):
        module = part.make()
        state |= _stored(draw_weights(module.state_dict(), seed), part.layouts[0])
        if isinstance(module, BertTower):
            write_vocabulary(folder, module.reading.vocabulary)
    state |= {key: torch.zeros(shape) for key, shape in published.spare.items()}
    path = folder / filename
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")  # a file under its final name is always whole
    torch.save(published.container(state), partial)
    return partial.replace(path)


@dataclass(frozen=True)
class _TextSource:
    """The text tower of a file, read when it is first needed."""

    path: Path
    name: str
    parts: Sequence[Part]
    assets: Path | None

    def read(self) -> BertTower:
        """The tower with its tokenizer. Raises `CheckpointError`, or `MissingCheckpointError` without a vocabulary."""
        tower: Any = _filled(read_tensors(self.path), self.path, self.name, "texts", self.parts)
        tower.tokenizer = read_tokenizer(self.assets, tower.reading.vocabulary)
        return tower  # type: ignore[no-any-return]


def _filled(tensors: Mapping[str, Tensor], path: Path, name: str, kind: str, parts: Sequence[Part]) -> nn.Module:
    shapes = tensor_shapes(tensors)
    readings = {id(reading := part.read(kind, shapes)): (reading, part) for part in parts}
    reading, part = readings[id(best(reading for reading, _ in readings.values()))]
    complaint = reading.matching.complaint()
    if complaint is not None:
        raise CheckpointError(
            f"{path} does not fit {name} ({kind}, {reading.layout}): {complaint}; {nearest_layout(shapes)}",
            fix=f"medbench checkpoint inspect {path}",
        )
    require(reading.matching, tensors, path, f"{name} ({kind})")
    module = part.make()
    fill(module, taken(tensors, reading.matching, part.needed))
    return module


def _stored(state: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """A network's tensors as files keep them."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        keys = layout.keys_of(name)
        shape = layout.stored_shape(name, tuple(tensor.shape))
        parts = tensor.chunk(len(keys)) if len(keys) > 1 else (tensor,)
        found |= {key: part.reshape(shape).clone() for key, part in zip(keys, parts, strict=True)}
    return found
