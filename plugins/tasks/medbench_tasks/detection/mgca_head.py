"""The published YOLOv3 head of MGCA's detection protocol, as a subclass of mmdet's.

It differs from mmdet's head in all that comes after the convolutions: every truth is assigned at every scale, boxes are
compared with the "+1 pixel" IoU, the losses are means over whole grids, and the score is the objectness alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from mmdet.models.dense_heads import YOLOV3Head
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOX_WEIGHT = 2.5
_NOOBJ_WEIGHT = 0.5
_IGNORE_IOU = 0.5
_EPSILON = 1e-16


class GridTargets(NamedTuple):
    """What one scale should say, each (B, A, H, W); ``classes`` is (B, A, H, W, K).

    ``positive`` is 1 at a truth's cell and anchor, ``noobj`` 0 where an anchor is too alike a truth to count as empty.
    """

    positive: Tensor
    noobj: Tensor
    x: Tensor
    y: Tensor
    w: Tensor
    h: Tensor
    classes: Tensor


class GridLosses(NamedTuple):
    """The weighted terms of one scale's loss."""

    x: Tensor
    y: Tensor
    w: Tensor
    h: Tensor
    conf: Tensor
    classes: Tensor


class MGCAYOLOV3Head(YOLOV3Head):  # type: ignore[misc]
    """mmdet's YOLOv3 head with the published assignment, loss and decoding.

    ``test_cfg`` gives ``score_thr`` (kept where the objectness is at least that), ``nms.iou_threshold`` and
    ``max_per_img``.
    """

    def init_weights(self) -> None:
        """Nothing: the publication names no initialisation, so that torch's own stays."""

    def loss_by_feat(
        self,
        pred_maps: Sequence[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict[str, Any]],
        batch_gt_instances_ignore: Any = None,
    ) -> dict[str, list[Tensor]]:
        """Raw maps (B, A * (5 + K), H, W) and truths in input pixels -> lists of losses by scale."""
        losses: dict[str, list[Tensor]] = {f"loss_{name}": [] for name in GridLosses._fields}
        for level, raw in enumerate(pred_maps):
            targets = grid_targets(
                batch_gt_instances,
                anchors=self.anchors(level),
                stride=self.featmap_strides[level],
                grid=(raw.shape[-2], raw.shape[-1]),
                num_classes=self.num_classes,
            )
            # CUDA's autocast refuses binary cross-entropy of probabilities, float32 or not.
            with torch.autocast(raw.device.type, enabled=False):
                terms = grid_losses(self._split(raw.float()), GridTargets(*(one.to(raw.device) for one in targets)))
            for name, value in terms._asdict().items():
                losses[f"loss_{name}"].append(value)
        return losses

    def predict_by_feat(
        self,
        pred_maps: Sequence[Tensor],
        batch_img_metas: list[dict[str, Any]] | None = None,
        cfg: Any = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Raw maps -> for each image its boxes (x1, y1, x2, y2 in input pixels), scores and labels, best first."""
        cfg = self.test_cfg if cfg is None else cfg
        results = []
        for decoded in self.decode(pred_maps):
            rows = suppress(decoded, confidence=cfg["score_thr"], iou=cfg["nms"]["iou_threshold"])
            rows = rows[rows[:, 4].argsort(descending=True, stable=True)][: cfg["max_per_img"]]
            results.append(InstanceData(bboxes=rows[:, :4], scores=rows[:, 4], labels=rows[:, 6].long()))
        return results

    def decode(self, pred_maps: Sequence[Tensor]) -> Tensor:
        """Raw maps -> (B, N, 5 + K): centre x, centre y, width, height in input pixels, objectness, class scores."""
        flat = []
        for level, raw in enumerate(pred_maps):
            stride = self.featmap_strides[level]
            rows, columns = raw.shape[-2:]
            split = self._split(raw.float())
            anchors = self.anchors(level).to(raw.device)
            cells_x = torch.arange(columns, device=raw.device).view(1, 1, 1, columns)
            cells_y = torch.arange(rows, device=raw.device).view(1, 1, rows, 1)
            boxes = torch.stack(
                (
                    (split[..., 0].sigmoid() + cells_x) * stride,
                    (split[..., 1].sigmoid() + cells_y) * stride,
                    split[..., 2].exp() * anchors[:, 0].view(1, -1, 1, 1),
                    split[..., 3].exp() * anchors[:, 1].view(1, -1, 1, 1),
                ),
                dim=-1,
            )
            flat.append(torch.cat((boxes, split[..., 4:].sigmoid()), dim=-1).flatten(1, 3))
        return torch.cat(flat, dim=1)

    def anchors(self, level: int) -> Tensor:
        """(A, 2) widths and heights in input pixels."""
        return torch.tensor(self.prior_generator.base_sizes[level], dtype=torch.float32)

    def _split(self, raw: Tensor) -> Tensor:
        """(B, A * (5 + K), H, W) -> (B, A, H, W, 5 + K)."""
        batch, _, rows, columns = raw.shape
        return raw.view(batch, self.num_base_priors, self.num_attrib, rows, columns).permute(0, 1, 3, 4, 2)


def grid_targets(
    truths: Sequence[InstanceData], *, anchors: Tensor, stride: int, grid: tuple[int, int], num_classes: int
) -> GridTargets:
    """Truths in input pixels -> targets of one scale, on the CPU; ``anchors`` (A, 2) are in input pixels.

    Each truth is positive at its centre's cell for the scale's anchor of best shape IoU; a later truth wins a cell.
    """
    rows, columns = grid
    shape = (len(truths), len(anchors), rows, columns)
    positive, noobj = torch.zeros(shape), torch.ones(shape)
    x, y, w, h = (torch.zeros(shape) for _ in range(4))
    classes = torch.zeros((*shape, num_classes))
    scaled = anchors / stride
    for image, truth in enumerate(truths):
        corners = truth.bboxes.cpu() / stride
        centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        for centre, side, label in zip(centres, sizes, truth.labels.tolist(), strict=True):
            column, row = (min(max(int(value), 0), top - 1) for value, top in zip(centre, (columns, rows), strict=True))
            ious = plus_one_iou(_at_origin(side[None]), _at_origin(scaled))
            noobj[image, ious > _IGNORE_IOU, row, column] = 0
            cell = (image, int(ious.argmax()), row, column)
            positive[cell] = 1
            x[cell], y[cell] = centre[0] - column, centre[1] - row
            w[cell], h[cell] = torch.log(side / scaled[cell[1]] + _EPSILON)
            classes[(*cell, label)] = 1
    return GridTargets(positive, noobj, x, y, w, h, classes)


def grid_losses(split: Tensor, targets: GridTargets) -> GridLosses:
    """Raw values (B, A, H, W, 5 + K) of one scale -> its weighted losses, all means over the whole grid."""
    mask = targets.positive
    conf = split[..., 4].sigmoid()
    cross_entropy = functional.binary_cross_entropy
    class_error = cross_entropy(split[..., 5:].sigmoid(), targets.classes, reduction="none").sum(dim=-1)
    return GridLosses(
        x=_BOX_WEIGHT * cross_entropy(split[..., 0].sigmoid() * mask, targets.x * mask),
        y=_BOX_WEIGHT * cross_entropy(split[..., 1].sigmoid() * mask, targets.y * mask),
        w=_BOX_WEIGHT * functional.mse_loss(split[..., 2] * mask, targets.w * mask),
        h=_BOX_WEIGHT * functional.mse_loss(split[..., 3] * mask, targets.h * mask),
        conf=cross_entropy(conf * mask, mask)
        + _NOOBJ_WEIGHT * cross_entropy(conf * targets.noobj, torch.zeros_like(mask)),
        classes=(class_error * mask).mean(),
    )


def suppress(decoded: Tensor, *, confidence: float, iou: float) -> Tensor:
    """(N, 5 + K) of one image -> (n, 7): x1, y1, x2, y2, objectness, best class score, class.

    Rows with an objectness of at least ``confidence``; in each class the best first, dropping what overlaps a better one
    by ``iou`` or more.
    """
    rows = decoded[decoded[:, 4] >= confidence]
    half = rows[:, 2:4] / 2
    scores, labels = rows[:, 5:].max(dim=1) if len(rows) else (rows[:, 4], rows[:, 4])
    found = torch.cat(
        (rows[:, :2] - half, rows[:, :2] + half, rows[:, 4:5], scores[:, None], labels[:, None].to(rows.dtype)), dim=1
    )
    kept = [_suppress_class(found[found[:, 6] == label], iou) for label in found[:, 6].unique()]
    return torch.cat(kept) if kept else found


def plus_one_iou(first: Tensor, second: Tensor) -> Tensor:
    """Elementwise IoU of corner boxes (n, 4) that counts the last pixel in: a side is ``x2 - x1 + 1``."""
    top_left = torch.maximum(first[:, :2], second[:, :2])
    bottom_right = torch.minimum(first[:, 2:4], second[:, 2:4])
    overlap = (bottom_right - top_left + 1).clamp(min=0).prod(dim=1)
    areas = [(boxes[:, 2:4] - boxes[:, :2] + 1).prod(dim=1) for boxes in (first, second)]
    return overlap / (areas[0] + areas[1] - overlap + _EPSILON)


def _suppress_class(rows: Tensor, iou: float) -> Tensor:
    rows = rows[rows[:, 4].argsort(descending=True, stable=True)]
    kept = []
    while len(rows):
        kept.append(rows[0])
        rows = rows[1:][plus_one_iou(rows[:1], rows[1:]) < iou]
    return torch.stack(kept)


def _at_origin(sides: Tensor) -> Tensor:
    return torch.cat((torch.zeros_like(sides), sides), dim=1)
