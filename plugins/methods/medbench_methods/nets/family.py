"""MGCA and its descendants: how their checkpoints are told apart, checked and turned into encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.layouts import KeyReading, Matching, Shape
from medbench.untrusted import shown
from medbench_methods.nets.aligned import AlignedEncoder
from medbench_methods.nets.lateral import make_lateral_trunk
from medbench_methods.nets.loading import fill, hollow, match, read_tensors, require, shapes_of, taken, without_parallel
from medbench_methods.nets.trunks import make_trunk

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.lateral import LateralViTTrunk
    from medbench_methods.nets.text import TextTower
    from medbench_methods.nets.trunks import ResNetTrunk, ViTTrunk

Encoder = TypeVar("Encoder", bound=AlignedEncoder)

UPSAMPLE = 299
IMAGE_PREFIXES = {
    "trunk.net.": "img_encoder_q.model.",
    "global_embed.": "img_encoder_q.global_embed.",
    "local_embed.": "img_encoder_q.local_embed.",
}
TEXT_PREFIXES = {
    "bert.": "text_encoder_q.model.",
    "global_embed.": "text_encoder_q.global_embed.",
    "local_embed.": "text_encoder_q.local_embed.",
}
_TOKEN_TYPES = "bert.embeddings.token_type_embeddings.weight"


@dataclass(frozen=True, kw_only=True)
class Family:
    """What sets one method of the family apart from another.

    ``checkpoint`` is what to call its file in an error. ``clean`` prepares its texts. ``lateral`` says that its ViT has
    experts for lateral views. ``twins`` are image projections that are stored and never used, ``tail`` further modules
    of pre-training (key prefixes), and ``pooler`` says that its BERT has one. ``signs`` are parts of keys that only this
    method has.
    """

    method: str
    title: str
    checkpoint: str
    clean: Callable[[str], str]
    lateral: bool
    pooler: bool
    twins: tuple[str, ...]
    tail: tuple[str, ...]
    signs: tuple[str, ...]

    def trunk(self, variant: str) -> ResNetTrunk | ViTTrunk | LateralViTTrunk:
        """The trunk of that variant on the meta device."""
        if self.lateral and variant == "vit-b16":
            return make_lateral_trunk()
        return make_trunk(variant, upsample=UPSAMPLE)

    def match_images(self, tensors: Mapping[str, Tensor], needed: Mapping[str, Shape]) -> Matching:
        """A file's tensors beside those that the image encoder needs."""
        return match(tensors, needed, prefixes=IMAGE_PREFIXES, ignore=self.ignores_for_images)

    def match_texts(self, tensors: Mapping[str, Tensor], needed: Mapping[str, Shape]) -> Matching:
        """A file's tensors beside those that the text tower needs; token types, of which there is one, are not stored."""
        stored = {name: shape for name, shape in needed.items() if name != _TOKEN_TYPES}
        return match(tensors, stored, prefixes=TEXT_PREFIXES, ignore=self.ignores_for_texts)

    def ignores_for_images(self, key: str) -> bool:
        """Whether a key may stand in the file unused when only the image encoder is built."""
        return key.startswith("text_encoder_q.") or self._ignores_in_pretraining(key)

    def ignores_for_texts(self, key: str) -> bool:
        """Whether a key may stand in the file unused when only the text tower is built."""
        unused = ".crossattention." in key or key == "text_encoder_q.model.embeddings.position_ids"
        pooled = self.pooler and key.startswith("text_encoder_q.model.pooler.")
        return unused or pooled or key.startswith("img_encoder_q.") or self._ignores_in_pretraining(key)

    def _ignores_in_pretraining(self, key: str) -> bool:
        twins = tuple(f"img_encoder_q.{name}." for name in self.twins)
        return key.startswith((*twins, *(f"{name}." for name in self.tail)))


@dataclass(frozen=True)
class CheckpointText:
    """The text tower of a checkpoint, read when it is first needed."""

    family: Family
    path: Path
    assets: Path | None

    def build(self) -> TextTower:
        """Read, check and fill the tower. Raises `CheckpointError`, or `MissingCheckpointError` without a tokenizer."""
        import torch

        from medbench_methods.nets.text import load_tokenizer, make_text_tower

        tower = make_text_tower(load_tokenizer(self.assets))
        tensors = read_tensors(self.path)
        needed = shapes_of(tower)
        matching = self.family.match_texts(tensors, needed)
        require(matching, tensors, self.path, f"the text tower of {self.family.title}")
        token_types = torch.zeros(needed.pop(_TOKEN_TYPES))
        fill(tower, {_TOKEN_TYPES: token_types, **taken(tensors, matching, needed)})
        return tower


def load_family(
    request: LoadRequest, family: Family, others: tuple[Family, ...], make: Callable[..., Encoder]
) -> Encoder:
    """The encoder that ``request`` asks for, made by ``make``, with its text tower left for later.

    Raises `MissingCheckpointError` without a file, and `CheckpointError` where it is of another method (one of
    ``others`` by name), of another variant, incomplete or damaged.
    """
    if request.checkpoint is None:
        raise MissingCheckpointError(f"{family.method}@{request.variant} needs its checkpoint file")
    path, tensors = request.checkpoint, read_tensors(request.checkpoint)
    _check_kind(path, tensors, family, others, request.variant)
    source = CheckpointText(family, path, request.assets)
    encoder = make_on_meta(family, request.variant, make, source)
    needed = shapes_of(encoder)
    matching = family.match_images(tensors, needed)
    require(matching, tensors, path, f"{family.title} ({request.variant})")
    fill(encoder, taken(tensors, matching, needed))
    return encoder


def read_family(family: Family, variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, KeyReading]:
    """What a file's keys are to the images and the texts of that variant."""
    tensors, layout = hollow(without_parallel(shapes)), f"{family.title}'s Lightning file"
    images = family.match_images(tensors, _image_needs(family, variant))
    texts = family.match_texts(tensors, _text_needs())
    return (
        KeyReading(part="images", layout=layout, matching=images),
        KeyReading(part="texts", layout=layout, matching=texts),
    )


def make_on_meta(family: Family, variant: str, make: Callable[..., Encoder], source: CheckpointText | None) -> Encoder:
    """The encoder of that variant on the meta device, without weights."""
    import torch

    trunk = family.trunk(variant)
    with torch.device("meta"):
        return make(trunk, clean=family.clean, text_source=source)


@cache
def _image_needs(family: Family, variant: str) -> Mapping[str, Shape]:
    return shapes_of(make_on_meta(family, variant, AlignedEncoder, None))


@cache
def _text_needs() -> Mapping[str, Shape]:
    from medbench_methods.nets.text import make_text_tower

    return shapes_of(make_text_tower())


def _check_kind(
    path: Path, tensors: Mapping[str, Tensor], family: Family, others: tuple[Family, ...], variant: str
) -> None:
    for other in others:
        sign = next((key for key in tensors for part in other.signs if part in key), None)
        if sign is not None:
            raise CheckpointError(
                f"{path}: this is {other.checkpoint} ({shown(sign)}), not {family.title}",
                fix=f"use --methods {other.method}",
            )
    found = _variant_of(tensors)
    if found is None:
        first = shown(next(iter(tensors)))
        raise CheckpointError(
            f"{path}: this is not {family.checkpoint} (no img_encoder_q.model.*; it holds {first}, ...)",
            fix="point medbench at the method's published file",
        )
    if found != variant:
        raise CheckpointError(
            f"{path}: this is the {found} variant of {family.title}, not {variant}",
            fix=f"use --methods {family.method}@{found}",
        )


def _variant_of(tensors: Mapping[str, object]) -> str | None:
    if "img_encoder_q.model.cls_token" in tensors:
        return "vit-b16"
    return "resnet50" if "img_encoder_q.model.conv1.weight" in tensors else None
