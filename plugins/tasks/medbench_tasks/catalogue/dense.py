"""Detection and segmentation: heads on the feature maps of an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from medbench.specs import MetricSpec, Recipe, TaskSpec
from medbench_tasks.recipes import (
    MGCA_DETECTION_OBJECT_CXR,
    MGCA_DETECTION_RSNA,
    QUICK_DETECTION,
    STANDARD_DETECTION,
)
from medbench_tasks.segmentation.recipe import (
    MEDSLIP_METRICS,
    MEDSLIP_SEGMENTATION_SIIM,
    METRICS,
    MGCA_SEGMENTATION_RSNA,
    MGCA_SEGMENTATION_SIIM,
    QUICK_SEGMENTATION,
    STANDARD_SEGMENTATION,
)

_NO_RECIPES: Mapping[str, Recipe] = MappingProxyType({})
_DETECTION_METRICS = (
    MetricSpec(name="map", title="mAP 0.40:0.75"),
    MetricSpec(name="ap50", title="AP 0.50"),
    MetricSpec(name="ap75", title="AP 0.75"),
    MetricSpec(name="map-as-released", title="mAP 0.40:0.75, images with a truth and a detection", as_released=True),
)


def _detection(
    prefix: str,
    title: str,
    split: str,
    recipes: Mapping[str, Recipe] = _NO_RECIPES,
) -> TaskSpec:
    return TaskSpec(
        id=f"{prefix}-det",
        title=f"{title}: detection",
        dataset=prefix,
        split=split,
        protocol="detection",
        capabilities=frozenset({"DenseImageEncoder"}),
        metrics=_DETECTION_METRICS,
        recipes={"standard": STANDARD_DETECTION, "quick": QUICK_DETECTION, **recipes},
        loader="medbench_tasks.detection.protocol:PROTOCOL",
        requires=("mmengine", "mmcv", "mmdet"),
        distributed=True,
        tags=("cxr", "detection"),
    )


def _segmentation(
    prefix: str,
    title: str,
    split: str,
    recipes: Mapping[str, Recipe] = _NO_RECIPES,
    *,
    metrics: tuple[MetricSpec, ...] = METRICS,
) -> TaskSpec:
    return TaskSpec(
        id=f"{prefix}-seg",
        title=title,
        dataset=prefix,
        split=split,
        protocol="segmentation",
        capabilities=frozenset({"DenseImageEncoder"}),
        metrics=metrics,
        recipes={"standard": STANDARD_SEGMENTATION, "quick": QUICK_SEGMENTATION, **recipes},
        loader="medbench_tasks.segmentation.protocol:PROTOCOL",
        requires=("mmengine", "mmcv", "mmseg"),
        distributed=True,
        tags=("cxr", "segmentation"),
    )


_SIIM = _segmentation(
    "siim",
    "Pneumothorax, SIIM-ACR: segmentation",
    "image",
    {"mgca": MGCA_SEGMENTATION_SIIM, "medslip": MEDSLIP_SEGMENTATION_SIIM},
    metrics=(*METRICS, *MEDSLIP_METRICS),
)

TASKS = (
    _detection(
        "rsna",
        "Pneumonia opacities, RSNA",
        "detection",
        {"mgca": MGCA_DETECTION_RSNA},
    ),
    _segmentation(
        "rsna",
        "Pneumonia opacities, RSNA: segmentation of filled boxes",
        "detection",
        {"mgca": MGCA_SEGMENTATION_RSNA},
    ),
    _SIIM,
    replace(
        _SIIM,
        id="siim-seg-rows",
        title="Pneumothorax, SIIM-ACR: segmentation, as released on a split of rows (images recur in several parts)",
        split="as-released-rows",
        metrics=tuple(replace(metric, as_released=True) for metric in METRICS),
        recipes={name: recipe for name, recipe in _SIIM.recipes.items() if name != "medslip"},
        tags=("cxr", "segmentation", "as-released"),
    ),
    _detection("covid-cxr", "Right and left lung, covid-chestxray", "patient"),
    _segmentation("covid-cxr", "Lungs, covid-chestxray: segmentation", "patient"),
    _detection(
        "object-cxr",
        "Foreign objects, Object-CXR",
        "mgca",
        {"mgca": MGCA_DETECTION_OBJECT_CXR},
    ),
    _segmentation("object-cxr", "Foreign objects, Object-CXR: segmentation", "mgca"),
    _detection("tbx11k", "Tuberculosis, TBX11K", "official"),
    _segmentation("tbx11k", "Tuberculosis, TBX11K: segmentation of filled boxes", "official"),
)
