"""Figures that papers print for our tasks, with the table each stands in. Shares of 1, not percent.

Only rows that could be checked against a document are here; a dash in the table (below 1 %) is left out.
"""

from __future__ import annotations

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


def _rows(table: dict[str, tuple[float, float, float]], metric: str, source: str) -> tuple[ReportedResult, ...]:
    return tuple(
        ReportedResult(
            method=method, metric=metric, value=round(value / 100, 4), fraction=fraction, recipe="mgca", source=source
        )
        for method, values in table.items()
        for fraction, value in zip(FRACTIONS, values, strict=True)
    )


RSNA_DETECTION = _rows(_RSNA_DETECTION, "map-as-released", f"{_MGCA}, Table 2")
SIIM_SEGMENTATION = _rows(_SIIM_SEGMENTATION, "dice-as-released", f"{_MGCA}, Table 3")
RSNA_SEGMENTATION = _rows(_RSNA_SEGMENTATION, "dice-as-released", f"{_MGCA}, Table 3")
