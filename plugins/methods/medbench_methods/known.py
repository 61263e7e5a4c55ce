"""What a method takes to be offered whose files are a network of a known shape under other names. Imports nothing heavy.

Its module ends with ``load, write_phantom, keys = offer(SPEC, published)``, which `functions_of` names in the spec.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypedDict

from medbench.specs import CheckpointSource, MethodVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench.specs import MethodSpec
    from medbench_methods.nets.encoders import VisionEncoder
    from medbench_methods.nets.published import Published
    from medbench_methods.vocabulary import Vocabulary

IMAGES = frozenset({"ImageEncoder", "DenseImageEncoder"})
IMAGES_AND_TEXTS = IMAGES | {"TextEncoder"}


class WritePhantom(Protocol):
    """``write_phantom`` of a `medbench.specs.MethodSpec`."""

    def __call__(self, folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
        """Checkpoints with drawn weights in the published form; of the default variant where none is named."""
        ...


class Functions(TypedDict):
    """Fields of a `medbench.specs.MethodSpec`: import strings."""

    loader: str
    phantom: str
    keys: str


class Offer(NamedTuple):
    """What ``loader``, ``phantom`` and ``keys`` of a `medbench.specs.MethodSpec` name."""

    load: Callable[[LoadRequest], VisionEncoder]
    write_phantom: WritePhantom
    keys: Callable[[str, Mapping[str, Shape]], Sequence[KeyReading]]


def variant(
    name: str, title: str, file: str, url: str, seen: tuple[str, ...] | None, vocabulary: Vocabulary | None = None
) -> MethodVariant:
    """A variant with maps, and with texts where it has a ``vocabulary``; ``seen`` is what it was pretrained on."""
    texts = () if vocabulary is None else vocabulary.files
    return MethodVariant(
        id=name,
        title=title,
        checkpoint=CheckpointSource(filename=file, url=url, text_files=texts),
        capabilities=IMAGES_AND_TEXTS if vocabulary else IMAGES,
        pretrained_on=seen,
    )


def functions_of(module: str) -> Functions:
    """The import strings of what `offer` gives to a module."""
    return {"loader": f"{module}:load", "phantom": f"{module}:write_phantom", "keys": f"{module}:keys"}


def offer(spec: MethodSpec, published: Callable[[str], Published]) -> Offer:
    """The functions of a method by what ``published`` says of each variant; it is called when the first of them is.

    They raise as `medbench_methods.nets.published` says.
    """
    described = cache(published)

    def load(request: LoadRequest) -> VisionEncoder:
        from medbench_methods.nets.published import load_published

        return load_published(request, spec.id, described(request.variant))

    def write_phantom(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
        from medbench_methods.nets.published import write_published

        chosen = [spec.variant(name) for name in variants or (spec.variants[0].id,)]
        files = {one.id: one.checkpoint.filename for one in chosen if one.checkpoint is not None}
        return [write_published(folder, file, described(name), seed) for name, file in files.items()]

    def keys(variant: str, shapes: Mapping[str, Shape]) -> Sequence[KeyReading]:
        from medbench_methods.nets.published import read_keys

        return read_keys(described(variant), shapes)

    return Offer(load, write_phantom, keys)
