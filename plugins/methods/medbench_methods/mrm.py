"""MRM (ICLR 2023): masked images and masked reports restored together, so that the image encoder learns from both."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torch import Tensor

    from medbench_methods.nets.shapes import Published

SEEN, MIMIC = ("mimic-cxr", "imagenet"), ("mimic-cxr:train", "imagenet")
_DRIVE = "https://drive.google.com/open?id=1JwZaqvsSdk1bD3B7fsN0uOz-2Fzz1amc"
_BENCHX = "https://huggingface.co/youngzhou12/MRM"
IMAGES = Layout(
    name="MRM's training file",
    renames={"trunk.net.**": "**"},
    ignore=("decoder_**", "mask_token", "bert_encoder.**", "bert_mlp.**"),
)
SPEC = MethodSpec(
    id="mrm",
    title="MRM",
    summary="Masked record modelling: a ViT-B/16 that restored masked radiographs and their masked reports.",
    variants=(
        variant("vit-b16", "ViT-B/16", "mrm/MRM.pth", _DRIVE, SEEN),
        variant("vit-b16-benchx", "ViT-B/16 (BenchX)", "mrm/benchx/MRM.pth", _BENCHX, MIMIC),
    ),
    licence="MIT",
    citation="Zhou et al., Advancing Radiograph Representation Learning with Masked Record Modeling, ICLR 2023",
    code_url="https://github.com/RL4M/MRM-pytorch",
    paper_url="https://arxiv.org/abs/2301.13155",
    pretrained_on=SEEN,
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Both variants: the mean of the patch tokens before the last LayerNorm, as the release pools them.

    The release then trains a new LayerNorm in place of the file's, which is read and not used. Its CLS token never had a
    loss of its own. Its texts are restored, not aligned, so that it has no text encoder.
    """
    from medbench.capabilities import Preprocess
    from medbench_methods.nets.shapes import Published, ViTTrunk, image_part

    mean, std = 0.4978, 0.2449  # one value a channel, the release's
    shown = Preprocess(resize=224, mode="shorter", crop=224, mean=(mean,) * 3, std=(std,) * 3, interpolation="bilinear")
    return Published(
        images=(image_part(partial(ViTTrunk, pool="mean-before-norm"), shown, IMAGES),),
        container=_container,
        spare={"decoder_embed.weight": (768, 768), "decoder_pred.weight": (3072, 768)},
    )


def _container(state: dict[str, Tensor]) -> Mapping[str, Any]:
    """What its trainer saves: the arguments are a namespace."""
    return {"model": state, "optimizer": {}, "epoch": 1, "scaler": {}, "args": Namespace(batch_size=1)}


load, write_phantom, keys = offer(SPEC, published)
