"""mmseg's EncoderDecoder around an already loaded encoder, with one logit channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from medbench_tasks.pyramid import MethodPyramid, MoveInputs
from medbench_tasks.segmentation import losses
from medbench_tasks.segmentation.heads import THRESHOLD, UnetHead, head_config
from medbench_tasks.segmentation.recipe import SegmentationRecipe
from medbench_tasks.segmentation.resunet import ImageAndMaps, resunet_config

LOSSES = {"mixed": losses.MixedLoss, "bce-dice": losses.BceDiceLoss}


@MODELS.register_module()
class BinarySegmentor(EncoderDecoder):
    """An EncoderDecoder whose backbone is built already and whose answers keep their logits beside the mask."""

    def __init__(self, pyramid: MethodPyramid | ImageAndMaps, loss: str, width: int) -> None:
        config = resunet_config if isinstance(pyramid, ImageAndMaps) else head_config
        preprocess = (pyramid.pyramid if isinstance(pyramid, ImageAndMaps) else pyramid).preprocess
        super().__init__(
            backbone=ConfigDict(type=_as_given, module=pyramid),
            decode_head=config(pyramid.channels, pyramid.strides, loss, width),
            data_preprocessor=MoveInputs(preprocess),
            test_cfg=ConfigDict(mode="whole"),
        )

    def postprocess_result(self, seg_logits: Tensor, data_samples: Sequence[Any] | None = None) -> list[Any]:
        """Put ``seg_logits`` (1, H, W) and ``pred_sem_seg`` (1, H, W) bool into each sample."""
        for sample, logits in zip(data_samples or (), seg_logits.float(), strict=True):
            answer = logits.sigmoid() > THRESHOLD
            sample.set_data({"seg_logits": PixelData(data=logits), "pred_sem_seg": PixelData(data=answer)})
        return list(data_samples or ())


def build_segmentor(pyramid: MethodPyramid, recipe: SegmentationRecipe) -> BinarySegmentor:
    """The recipe's decoder, freshly drawn, over that pyramid. Raises `TrialError` for strides that it cannot use."""
    backbone = ImageAndMaps(pyramid) if recipe.decoder == "resunet" else pyramid
    segmentor = BinarySegmentor(backbone, LOSSES[recipe.loss].__name__, recipe.decoder_width)
    if recipe.loss == "mixed" and isinstance(segmentor.decode_head, UnetHead):
        segmentor.decode_head.draw_as_published()
    return segmentor


def _as_given(module: MethodPyramid | ImageAndMaps) -> MethodPyramid | ImageAndMaps:
    return module
