"""REFERS (Nature Machine Intelligence 2022): radiographs supervised by free-text reports across the views of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.normalisation import IMAGENET_MEAN, IMAGENET_STD
from medbench_methods.vit_names import jax_names

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Published

SEEN, MIMIC = ("mimic-cxr", "imagenet-21k"), ("mimic-cxr:train", "imagenet-21k")
_DRIVE = "https://drive.google.com/open?id=1JvtcYOdLWC9BTzCnCJqNzCP7R6CmUK1N"
_BENCHX = "https://huggingface.co/youngzhou12/REFERS"


def _layout(name: str, prefix: str) -> Layout:
    """The tower below ``prefix``, and what pretraining leaves beside it."""
    return Layout(
        name=name,
        renames=jax_names(f"{prefix}transformer."),
        ignore=(f"{prefix}head.**", "fusion.**", "contrastive_bert.**", "textual.**", "backward_textual.**"),
    )


BARE, TRAINED = _layout("REFERS's bare tower", ""), _layout("REFERS's pretraining file", "visual.vit.")
SPEC = MethodSpec(
    id="refers",
    title="REFERS",
    summary="Cross-supervision from free-text radiology reports, over up to three views of a study: a ViT-B/16.",
    variants=(
        variant("vit-b16", "ViT-B/16", "refers/refers_checkpoint.pth", _DRIVE, SEEN),
        variant("vit-b16-benchx", "ViT-B/16 (BenchX)", "refers/REFERS.pth", _BENCHX, MIMIC),
    ),
    licence="MIT",
    citation="Zhou et al., Generalized radiograph representation learning via cross-supervision between images and free-text"
    " radiology reports, Nature Machine Intelligence 2022",
    code_url="https://github.com/funnyzhou/REFERS",
    pretrained_on=SEEN,
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """The CLS token after the last LayerNorm; either variant is read from either form of file.

    Its texts are aligned with three views at once, so that it has no text encoder for one image.
    """
    from medbench.capabilities import Preprocess
    from medbench_methods.nets.shapes import Published, ViTTrunk, image_part

    shown = Preprocess(
        resize=224, mode="shorter", crop=224, mean=IMAGENET_MEAN, std=IMAGENET_STD, interpolation="bilinear"
    )
    if variant == "vit-b16":
        return Published(images=(image_part(ViTTrunk, shown, BARE, TRAINED),))
    return Published(
        images=(image_part(ViTTrunk, shown, TRAINED, BARE),),
        container=lambda state: {"model": state, "optimizer": {}, "iteration": 1},
        spare={"contrastive_bert.fc.weight": (2304, 768)},
    )


load, write_phantom, keys = offer(SPEC, published)
