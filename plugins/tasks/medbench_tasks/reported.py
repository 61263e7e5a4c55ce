"""Figures that papers print for our tasks, with the table each stands in. Shares of 1, not percent.

Only rows that could be checked against a document are here; a dash in a table (below 1 %) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from medbench.specs import ReportedResult

FRACTIONS = (0.01, 0.1, 1.0)

_MGCA = "MGCA (NeurIPS 2022)"

_RSNA_DETECTION = {
    "random@resnet50": (1.0, 4.0, 8.9),
    "imagenet@resnet50": (3.6, 8.0, 15.7),
    "convirt@resnet50": (8.2, 15.6, 17.9),
    "gloria@resnet50": (9.8, 14.8, 18.8),
    "gloria-mimic@resnet50": (11.6, 16.1, 24.8),
    "mgca@resnet50": (12.9, 16.8, 24.9),
}
_OBJECT_CXR_DETECTION = {
    "random@resnet50": (None, 0.5, 4.4),
    "imagenet@resnet50": (None, 2.9, 8.3),
    "convirt@resnet50": (None, 8.6, 15.9),
    "gloria@resnet50": (None, 10.6, 15.6),
    "gloria-mimic@resnet50": (None, 8.9, 16.6),
    "mgca@resnet50": (None, 12.1, 19.2),
}
_CHEXPERT_LINEAR = {
    "random@resnet50": (56.1, 62.6, 65.7),
    "imagenet@resnet50": (74.4, 79.7, 81.4),
    "convirt@resnet50": (85.9, 86.8, 87.3),
    "gloria@resnet50": (86.6, 87.8, 88.1),
    "gloria-mimic@resnet50": (87.1, 88.7, 88.0),
    "mgca@resnet50": (87.6, 88.0, 88.2),
}
_RSNA_LINEAR = {
    "random@resnet50": (58.9, 69.4, 74.1),
    "imagenet@resnet50": (74.9, 74.5, 76.3),
    "convirt@resnet50": (77.4, 80.1, 81.3),
    "gloria@resnet50": (86.1, 88.0, 88.6),
    "gloria-mimic@resnet50": (87.0, 89.4, 90.2),
    "mgca@resnet50": (88.6, 89.1, 89.9),
}
_COVIDX_LINEAR = {
    "random@resnet50": (50.5, 60.3, 70.0),
    "imagenet@resnet50": (64.8, 78.8, 86.3),
    "convirt@resnet50": (72.5, 82.5, 92.0),
    "gloria@resnet50": (67.3, 77.8, 89.0),
    "gloria-mimic@resnet50": (66.5, 80.5, 88.8),
    "mgca@resnet50": (72.0, 83.5, 90.5),
}
_SIIM_SEGMENTATION = {
    "random@resnet50": (9.0, 28.6, 54.3),
    "imagenet@resnet50": (10.2, 35.5, 63.5),
    "convirt@resnet50": (25.0, 43.2, 59.9),
    "gloria@resnet50": (35.8, 46.9, 63.4),
    "gloria-mimic@resnet50": (37.4, 57.1, 64.0),
    "mgca@resnet50": (49.7, 59.3, 64.2),
}
_RSNA_SEGMENTATION = {
    "random@resnet50": (6.9, 10.6, 18.5),
    "imagenet@resnet50": (34.8, 39.9, 64.0),
    "convirt@resnet50": (55.0, 67.4, 67.5),
    "gloria@resnet50": (59.3, 67.5, 67.8),
    "gloria-mimic@resnet50": (60.3, 68.7, 68.3),
    "mgca@resnet50": (63.0, 68.3, 69.8),
}


def _rows(table: Mapping[str, tuple[float | None, ...]], metric: str, source: str) -> tuple[ReportedResult, ...]:
    return tuple(
        ReportedResult(
            method=method, metric=metric, value=round(value / 100, 4), fraction=fraction, recipe="mgca", source=source
        )
        for method, values in table.items()
        for fraction, value in zip(FRACTIONS, values, strict=True)
        if value is not None
    )


RSNA_DETECTION = _rows(_RSNA_DETECTION, "map-as-released", f"{_MGCA}, Table 2")
OBJECT_CXR_DETECTION = _rows(_OBJECT_CXR_DETECTION, "map-as-released", f"{_MGCA}, Table 2")
CHEXPERT_LINEAR = _rows(_CHEXPERT_LINEAR, "auroc", f"{_MGCA}, Table 1")
RSNA_LINEAR = _rows(_RSNA_LINEAR, "auroc", f"{_MGCA}, Table 1")
COVIDX_LINEAR = _rows(_COVIDX_LINEAR, "accuracy", f"{_MGCA}, Table 1")
SIIM_SEGMENTATION = _rows(_SIIM_SEGMENTATION, "dice-as-released", f"{_MGCA}, Table 3")
RSNA_SEGMENTATION = _rows(_RSNA_SEGMENTATION, "dice-as-released", f"{_MGCA}, Table 3")

_MED_VQA = {
    "mevf-base": {"accuracy": 66.1, "open-accuracy": 49.2, "closed-accuracy": 77.2},
    "mevf-cr": {"accuracy": 71.6, "open-accuracy": 60.0, "closed-accuracy": 79.3},
}
VQA_RAD = tuple(
    ReportedResult(
        method=method,
        metric=metric,
        value=round(value / 100, 4),
        fraction=1.0,
        recipe="motor",
        source="README of Awenbocc/med-vqa, the code that MOTOR's question answering builds on",
    )
    for method, values in _MED_VQA.items()
    for metric, value in values.items()
)
"""MEVF with a plain classifier and with conditional reasoning: two heads, a question's true type given, as in `motor`."""
