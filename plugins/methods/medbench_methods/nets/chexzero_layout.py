"""The tensors of OpenAI's CLIP ViT-B/32 by its own names, at the sizes that a file tells. Imports nothing heavy.

The published sizes are those of OpenAI's release, and the largest: a small file could tell of any. Widths and depths are taken
from the file, so that a phantom may be smaller; patches, pixels, and the texts' length and vocabulary are fixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medbench.layouts import KeyReading, Layout, Matching, Shape

IMAGE, PATCH = 224, 32
CONTEXT, WORDS = 77, 49408
HEAD = 64
"""Width of an attention head, in both towers."""
LAYOUT = Layout(name="any CLIP ViT-B/32's under OpenAI's names, as CheXzero's", renames={"**": "**"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Widths (multiples of `HEAD`) and depths of both towers, and the width of their common space."""

    width: int = 768
    layers: int = 12
    text_width: int = 512
    text_layers: int = 12
    joint: int = 512


def sizes_of(shapes: Mapping[str, Shape]) -> Sizes:
    """The sizes that a file's tensors tell; the published ones where they tell none that are possible, or larger ones."""
    plain = Sizes()
    joint = shapes.get("text_projection", ())
    return Sizes(
        width=_width(shapes, "visual.ln_post.weight", plain.width),
        layers=_layers(shapes, "visual.transformer", plain.layers),
        text_width=_width(shapes, "ln_final.weight", plain.text_width),
        text_layers=_layers(shapes, "transformer", plain.text_layers),
        joint=joint[1] if len(joint) == 2 and 0 < joint[1] <= plain.joint else plain.joint,
    )


def read(shapes: Mapping[str, Shape]) -> Matching:
    """How a file's keys meet what is needed at the sizes that they tell."""
    return LAYOUT.match(dict(needed(sizes_of(shapes))), shapes)


def read_keys(shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """The same as a reading: neither tower is loaded without the other."""
    return (KeyReading(part="images", layout=LAYOUT.name, matching=read(shapes)),)


def needed(sizes: Sizes) -> Iterator[tuple[str, Shape]]:
    """Names and shapes."""
    width, text = sizes.width, sizes.text_width
    yield "visual.class_embedding", (width,)
    yield "visual.positional_embedding", ((IMAGE // PATCH) ** 2 + 1, width)
    yield "visual.conv1.weight", (width, 3, PATCH, PATCH)
    yield "visual.proj", (width, sizes.joint)
    for name in ("ln_pre", "ln_post"):
        yield from _norm(f"visual.{name}", width)
    yield from _blocks("visual.transformer", width, sizes.layers)
    yield "token_embedding.weight", (WORDS, text)
    yield "positional_embedding", (CONTEXT, text)
    yield from _blocks("transformer", text, sizes.text_layers)
    yield from _norm("ln_final", text)
    yield "text_projection", (text, sizes.joint)
    yield "logit_scale", ()


def _blocks(tower: str, width: int, layers: int) -> Iterator[tuple[str, Shape]]:
    for number in range(layers):
        block = f"{tower}.resblocks.{number}"
        yield from _norm(f"{block}.ln_1", width)
        yield f"{block}.attn.in_proj_weight", (3 * width, width)
        yield f"{block}.attn.in_proj_bias", (3 * width,)
        yield from _linear(f"{block}.attn.out_proj", width, width)
        yield from _norm(f"{block}.ln_2", width)
        yield from _linear(f"{block}.mlp.c_fc", width, 4 * width)
        yield from _linear(f"{block}.mlp.c_proj", 4 * width, width)


def _linear(name: str, inside: int, outside: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outside, inside)
    yield f"{name}.bias", (outside,)


def _norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _width(shapes: Mapping[str, Shape], key: str, published: int) -> int:
    found = shapes.get(key, ())
    return found[0] if len(found) == 1 and 0 < found[0] <= published and found[0] % HEAD == 0 else published


def _layers(shapes: Mapping[str, Shape], tower: str, published: int) -> int:
    pattern = re.compile(rf"{re.escape(tower)}\.resblocks\.(\d+)\.ln_1\.weight")
    found = sum(pattern.fullmatch(key) is not None for key in shapes)
    return found if 0 < found <= published else published
