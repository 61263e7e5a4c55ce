"""mmdet's YOLOv3 on a method's pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmdet.models.dense_heads import YOLOV3Head
from mmdet.models.detectors import YOLOV3
from mmdet.models.necks import YOLOV3Neck
from mmengine.config import ConfigDict
from torch import Tensor, nn

from medbench_tasks.detection.mgca_head import MGCAYOLOV3Head
from medbench_tasks.pyramid import MethodPyramid, MoveInputs, SimpleFeaturePyramid
from medbench_tasks.training_shares import means_over_ranks, sums_over_ranks

if TYPE_CHECKING:
    from medbench_tasks.recipes import DetectionRecipe

STRIDES = (8, 16, 32)
_ANCHORS_AT_416 = (
    ((116, 90), (156, 198), (373, 326)),
    ((30, 61), (62, 45), (59, 119)),
    ((10, 13), (16, 30), (33, 23)),
)
_PYRAMID_CHANNELS = 256


class SharedYOLOV3(YOLOV3):  # type: ignore[misc]
    """YOLOv3 whose losses are those of the whole batch where several processes share it."""

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[Any]) -> dict[str, list[Tensor]]:
        """The head's losses by name and scale: mmdet's are sums over the batch, the published ones means over its images."""
        losses: dict[str, list[Tensor]] = super().loss(batch_inputs, batch_data_samples)
        mine = [one for scales in losses.values() for one in scales]
        published = isinstance(self.bbox_head, MGCAYOLOV3Head)
        shared = iter(means_over_ranks(*mine, images=len(batch_data_samples)) if published else sums_over_ranks(*mine))
        return {name: [next(shared) for _ in scales] for name, scales in losses.items()}


def build_detector(pyramid: MethodPyramid, recipe: DetectionRecipe, num_classes: int) -> YOLOV3:
    """The detector, untrained; boxes go in and come out in pixels of the ``recipe.image_size`` square.

    ``pyramid`` gives maps of `STRIDES`, or a single map, on which a `SimpleFeaturePyramid` is trained along.
    """
    neck, strides = _neck(pyramid, list(recipe.neck_channels))
    detector = SharedYOLOV3(
        backbone=ConfigDict(type=_given, module=pyramid),
        neck=ConfigDict(type=_given, module=neck),
        bbox_head=_head(recipe, strides, num_classes),
        train_cfg=ConfigDict(assigner=dict(type="GridAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0)),
        test_cfg=_test_cfg(recipe),
        data_preprocessor=MoveInputs(pyramid.preprocess),
    )
    if recipe.flavour == "mgca":
        _initialise_as_torch_does(detector.neck, detector.bbox_head)
    return detector


def anchor_sizes(image_size: int) -> list[list[tuple[float, float]]]:
    """Widths and heights by scale, coarsest first: YOLOv3's anchors, brought from 416 pixels to ``image_size``."""
    return [[(w * image_size / 416, h * image_size / 416) for w, h in scale] for scale in _ANCHORS_AT_416]


def _given(module: nn.Module) -> nn.Module:
    """A module that exists already, in a place where mmdet expects a recipe to build one."""
    return module


def _neck(pyramid: MethodPyramid, out_channels: list[int]) -> tuple[nn.Module, tuple[int, ...]]:
    """The neck, and the strides of its maps, coarsest first."""
    if pyramid.strides == STRIDES:
        return YOLOV3Neck(3, list(reversed(pyramid.channels)), out_channels), tuple(reversed(STRIDES))
    (channels,), (stride,) = pyramid.channels, pyramid.strides
    neck = YOLOV3Neck(3, [_PYRAMID_CHANNELS] * 3, out_channels)
    return nn.Sequential(SimpleFeaturePyramid(channels, _PYRAMID_CHANNELS), neck), (stride * 2, stride, stride // 2)


def _head(recipe: DetectionRecipe, strides: tuple[int, ...], num_classes: int) -> ConfigDict:
    """Loss weights are those of mmdet's own YOLOv3 configuration; `MGCAYOLOV3Head` has its own."""
    cross_entropy: dict[str, Any] = {"type": "CrossEntropyLoss", "use_sigmoid": True, "reduction": "sum"}
    return ConfigDict(
        type=MGCAYOLOV3Head if recipe.flavour == "mgca" else YOLOV3Head,
        num_classes=num_classes,
        in_channels=list(recipe.neck_channels),
        out_channels=[2 * channels for channels in recipe.neck_channels],
        anchor_generator=dict(
            type="YOLOAnchorGenerator", base_sizes=anchor_sizes(recipe.image_size), strides=list(strides)
        ),
        featmap_strides=list(strides),
        loss_cls=dict(cross_entropy, loss_weight=1.0),
        loss_conf=dict(cross_entropy, loss_weight=1.0),
        loss_xy=dict(cross_entropy, loss_weight=2.0),
        loss_wh=dict(type="MSELoss", loss_weight=2.0, reduction="sum"),
    )


def _test_cfg(recipe: DetectionRecipe) -> ConfigDict:
    return ConfigDict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=recipe.score_threshold,
        conf_thr=recipe.score_threshold,
        nms=dict(type="nms", iou_threshold=recipe.nms_iou),
        max_per_img=recipe.max_per_image,
    )


def _initialise_as_torch_does(*modules: nn.Module) -> None:
    """The publication names no initialisation for neck and head, so torch's own is taken in place of mmcv's."""
    for module in modules:
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.BatchNorm2d):
                part.reset_parameters()
