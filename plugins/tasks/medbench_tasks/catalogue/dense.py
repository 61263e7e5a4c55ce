"""The catalogue of tasks: dataset x protocol x recipe, with the metric that ranks."""

from __future__ import annotations

from dataclasses import replace

from medbench.specs import MetricSpec, TaskSpec
from medbench_tasks import reported
from medbench_tasks.recipes import MGCA_DETECTION_RSNA, QUICK_DETECTION, STANDARD_DETECTION
from medbench_tasks.segmentation.recipe import (
    METRICS,
    MGCA_SEGMENTATION_RSNA,
    MGCA_SEGMENTATION_SIIM,
    QUICK_SEGMENTATION,
    STANDARD_SEGMENTATION,
)

_DENSE = frozenset({"DenseImageEncoder"})
_DETECTION = "medbench_tasks.detection.protocol:PROTOCOL"
_SEGMENTATION = "medbench_tasks.segmentation.protocol:PROTOCOL"
_DETECTION_RECIPES = {"standard": STANDARD_DETECTION, "quick": QUICK_DETECTION}
_SEGMENTATION_RECIPES = {"standard": STANDARD_SEGMENTATION, "quick": QUICK_SEGMENTATION}
_DETECTION_METRICS = (
    MetricSpec(name="map", title="mAP 0.40:0.75"),
    MetricSpec(name="ap50", title="AP 0.50"),
    MetricSpec(name="ap75", title="AP 0.75"),
    MetricSpec(name="map-as-released", title="mAP 0.40:0.75, images with a truth and a detection", as_released=True),
)

TASKS = (
    TaskSpec(
        id="rsna-det",
        title="Pneumonia opacities, RSNA: detection",
        dataset="rsna",
        split="detection",
        protocol="detection",
        capabilities=_DENSE,
        metrics=_DETECTION_METRICS,
        recipes=_DETECTION_RECIPES | {"mgca": MGCA_DETECTION_RSNA},
        reported=reported.RSNA_DETECTION,
        loader=_DETECTION,
        requires=("mmengine", "mmcv", "mmdet"),
        tags=("cxr", "detection"),
    ),
    TaskSpec(
        id="rsna-seg",
        title="Pneumonia opacities, RSNA: segmentation of filled boxes",
        dataset="rsna",
        split="detection",
        protocol="segmentation",
        capabilities=_DENSE,
        metrics=METRICS,
        recipes=_SEGMENTATION_RECIPES | {"mgca": MGCA_SEGMENTATION_RSNA},
        reported=reported.RSNA_SEGMENTATION,
        loader=_SEGMENTATION,
        requires=("mmengine", "mmcv", "mmseg"),
        tags=("cxr", "segmentation"),
    ),
    TaskSpec(
        id="siim-seg",
        title="Pneumothorax, SIIM-ACR: segmentation",
        dataset="siim",
        split="image",
        protocol="segmentation",
        capabilities=_DENSE,
        metrics=METRICS,
        recipes=_SEGMENTATION_RECIPES | {"mgca": MGCA_SEGMENTATION_SIIM},
        reported=reported.SIIM_SEGMENTATION,
        loader=_SEGMENTATION,
        requires=("mmengine", "mmcv", "mmseg"),
        tags=("cxr", "segmentation"),
    ),
    TaskSpec(
        id="siim-seg-rows",
        title="Pneumothorax, SIIM-ACR: segmentation, as released on a split of rows (images recur in several parts)",
        dataset="siim",
        split="as-released-rows",
        protocol="segmentation",
        capabilities=_DENSE,
        metrics=tuple(replace(metric, as_released=True) for metric in METRICS),
        recipes=_SEGMENTATION_RECIPES | {"mgca": MGCA_SEGMENTATION_SIIM},
        loader=_SEGMENTATION,
        requires=("mmengine", "mmcv", "mmseg"),
        tags=("cxr", "segmentation", "as-released"),
    ),
    TaskSpec(
        id="covid-cxr-det",
        title="Right and left lung, covid-chestxray: detection",
        dataset="covid-cxr",
        split="patient",
        protocol="detection",
        capabilities=_DENSE,
        metrics=_DETECTION_METRICS,
        recipes=_DETECTION_RECIPES,
        loader=_DETECTION,
        requires=("mmengine", "mmcv", "mmdet"),
        tags=("cxr", "detection"),
    ),
    TaskSpec(
        id="covid-cxr-seg",
        title="Lungs, covid-chestxray: segmentation",
        dataset="covid-cxr",
        split="patient",
        protocol="segmentation",
        capabilities=_DENSE,
        metrics=METRICS,
        recipes=_SEGMENTATION_RECIPES,
        loader=_SEGMENTATION,
        requires=("mmengine", "mmcv", "mmseg"),
        tags=("cxr", "segmentation"),
    ),
)
