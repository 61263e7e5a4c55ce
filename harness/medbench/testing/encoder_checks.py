"""Checks of the capabilities that give features: `ImageEncoder`, `DenseImageEncoder`, `TextEncoder`, `StudyEncoder`."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from medbench.capabilities import Preprocess
from medbench.testing.contract import PLUGIN_ERRORS, Check, Finding, LeftOut, attempt, in_words
from medbench.testing.rows import RowFunction, check_rows

if TYPE_CHECKING:
    from torch import Tensor

IMAGES = 2
LONG = "There is a small left pleural effusion with adjacent atelectasis. " * 120
TEXTS = (
    "No acute cardiopulmonary abnormality.",
    LONG,
    "Ödem, 心脏扩大, \u0645\u0631\u062d\u0628\u0627, 🫁 e\u0301.",
    "",
)
"""A short text, one far longer than any method reads, one of many scripts, an empty one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model with its name, and the same model loaded a second time."""

    where: str
    model: Any
    again: Any

    def images(self, count: int = IMAGES, side: int | None = None) -> Tensor:
        """(count, 3, S, S) different images, normalised as the model asks."""
        import torch

        from medbench.preprocessing import normalised

        how = self.model.preprocess
        size = side or how.crop
        generator = torch.Generator().manual_seed(3)
        coarse = torch.rand(count, 1, 7, 7, generator=generator) * 200 + torch.arange(count).reshape(-1, 1, 1, 1) * 20
        fine = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")[:, 0]
        return normalised(fine.clamp(0, 255).byte(), how)


def check_image_encoder(subject: Subject) -> Check:
    """Features by image, and gradients through them."""
    images = subject.images()
    width = subject.model.embed_dim
    if not isinstance(width, int):
        yield Finding(subject.where, f"embed_dim is {width!r}", "give a whole number")
        return
    yield from check_rows(
        RowFunction(
            subject.where,
            "encode_images",
            "image",
            IMAGES,
            (width,),
            lambda rows: subject.model.encode_images(images[rows].clone()),
            lambda rows: subject.again.encode_images(images[rows].clone()),
        )
    )
    yield from check_gradient(subject, "encode_images", partial(subject.model.encode_images))


def check_dense_encoder(subject: Subject) -> Check:
    """Maps of the sizes that ``channels`` and ``strides`` say, at the method's own size of image and at a larger one."""
    channels, strides = subject.model.channels, subject.model.strides
    if len(channels) != len(strides) or not channels:
        yield Finding(subject.where, f"{len(channels)} channels and {len(strides)} strides", "give one of each a map")
        return
    if list(strides) != sorted(strides):
        yield Finding(subject.where, f"its strides are {tuple(strides)}", "give the finest map first")
    coarsest = math.lcm(*strides)
    own = max(coarsest, subject.model.preprocess.crop // coarsest * coarsest)
    for side in (own, own + coarsest):
        found = list(_check_maps(subject, side))
        yield from found
        if found:
            return
    images = subject.images(side=own)
    yield from check_rows(
        RowFunction(
            subject.where,
            "encode_pyramid",
            "image",
            IMAGES,
            (None,),
            lambda rows: _joined(subject.model.encode_pyramid(images[rows])),
            lambda rows: _joined(subject.again.encode_pyramid(images[rows])),
        )
    )
    yield from check_gradient(subject, "encode_pyramid", lambda images: subject.model.encode_pyramid(images)[-1])


def _check_maps(subject: Subject, side: int) -> Check:
    """Of images of ``side`` pixels, a map for each stride, of its size."""
    import torch

    channels, strides = subject.model.channels, subject.model.strides
    with torch.inference_mode():
        maps = attempt(
            subject.where,
            f"encode_pyramid at {side} pixels",
            lambda: subject.model.encode_pyramid(subject.images(side=side)),
            "the task chooses the size of the input; interpolate what depends on it",
        )
    if isinstance(maps, Finding | LeftOut):
        yield maps
        return
    if not isinstance(maps, tuple | list) or len(maps) != len(channels):
        yield Finding(subject.where, f"encode_pyramid gives {_many(maps)}, channels and strides name {len(channels)}")
        return
    for index, (one, width, stride) in enumerate(zip(maps, channels, strides, strict=True)):
        wanted = (IMAGES, width, side // stride, side // stride)
        if tuple(one.shape) != wanted:
            text = f"map {index} of encode_pyramid has shape {tuple(one.shape)} for images of {side} pixels"
            yield Finding(subject.where, text, f"channels {width} and stride {stride} make it {wanted}")


def check_text_encoder(subject: Subject) -> Check:
    """Texts of every kind, and images in the same space."""
    width = subject.model.joint_dim
    yield from check_rows(
        RowFunction(
            subject.where,
            "encode_texts",
            "text",
            len(TEXTS),
            (width,),
            lambda rows: subject.model.encode_texts([TEXTS[row] for row in rows]),
            lambda rows: subject.again.encode_texts([TEXTS[row] for row in rows]),
        )
    )
    images = subject.images()
    yield from check_rows(
        RowFunction(
            subject.where,
            "project_images",
            "image",
            IMAGES,
            (width,),
            lambda rows: subject.model.project_images(subject.model.encode_images(images[rows])),
            lambda rows: subject.again.project_images(subject.again.encode_images(images[rows])),
        )
    )


def check_study_encoder(subject: Subject) -> Check:
    """Two images read as one."""
    import torch

    images = subject.images(IMAGES + 1)
    studies = torch.stack([images[:-1], images[1:]], dim=1)  # no two of the same images: their order may not matter
    for name, read in (
        ("study_tokens", lambda model, rows: model.study_tokens(studies[rows])),
        ("project_studies", lambda model, rows: model.project_studies(model.study_tokens(studies[rows])[:, 0])),
    ):
        shape = (None, None) if name == "study_tokens" else (subject.model.joint_dim,)
        call, again = partial(read, subject.model), partial(read, subject.again)
        yield from check_rows(RowFunction(subject.where, name, "study", IMAGES, shape, call, again))


def check_preprocess(where: str, how: object) -> Check:
    """A `Preprocess` of sensible numbers, which can be carried out."""
    import numpy as np

    from medbench.preprocessing import resized

    if not isinstance(how, Preprocess):
        yield Finding(where, f"preprocess is a {type(how).__name__}", "give a medbench.capabilities.Preprocess")
        return
    hints = get_type_hints(Preprocess)
    for name in ("mode", "interpolation"):
        if getattr(how, name) not in get_args(hints[name]):
            yield Finding(
                where, f"preprocess.{name} is {getattr(how, name)!r}", f"one of {', '.join(get_args(hints[name]))}"
            )
            return
    sides = (how.resize, how.crop)
    if not all(isinstance(side, int) and side > 0 for side in sides):
        yield Finding(where, f"preprocess.resize and crop are {sides}", "give whole numbers of pixels")
        return
    numbers = (*how.mean, *how.std)
    if len(how.mean) != 3 or len(how.std) != 3 or not all(map(math.isfinite, numbers)) or min(how.std) <= 0:
        yield Finding(
            where, f"preprocess has mean {how.mean}, std {how.std}", "three of each, std above 0, for pixels / 255"
        )
        return
    try:
        resized(np.arange(60 * 40, dtype=np.uint8).reshape(60, 40), how)
    except PLUGIN_ERRORS as error:  # whatever a strange combination leads to
        yield Finding(where, f"preprocess cannot be carried out ({in_words(error)})", str(dataclasses.asdict(how)))


def check_gradient(subject: Subject, name: str, call: Any) -> Check:
    """With gradients on, the answer has one: fine-tuning stands on that."""
    import torch

    if not isinstance(subject.model, torch.nn.Module) or not any(True for _ in subject.model.parameters()):
        return
    with torch.enable_grad():
        answer = attempt(subject.where, f"{name} with gradients on", lambda: call(subject.images(2)))
    if isinstance(answer, torch.Tensor) and not answer.requires_grad:
        yield Finding(
            subject.where,
            f"{name} gives an answer without a gradient though gradients are on",
            "leave no_grad, inference_mode and detach to the task, and requires_grad on, or it cannot be fine-tuned",
        )
    elif isinstance(answer, Finding):
        yield answer


def _joined(maps: tuple[Tensor, ...]) -> Tensor:
    """(B, all numbers of all maps)."""
    import torch

    return torch.cat([one.flatten(1) for one in maps], dim=1)


def _many(value: object) -> str:
    return f"{len(value)} maps" if isinstance(value, tuple | list) else f"a {type(value).__name__}"
