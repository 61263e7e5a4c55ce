"""How datasets' label names are put into words, and into the findings that a method is asked by."""

from __future__ import annotations

from collections.abc import Mapping

_CHEXPERT: Mapping[str, str] = {
    "no finding": "normal",
    "lung opacity": "opacity",
    "lung lesion": "lesion",
    "support devices": "device",
}

FINDINGS: Mapping[str, Mapping[str, str]] = {"chexpert": _CHEXPERT, "mimic-cxr": _CHEXPERT}
"""By dataset, the readable label names that are no plain name of a finding.

What a method calls a finding among its own queries (MeDSLIP scores ``fibrosis`` by ``tail_abnorm_obs``) is the method's affair.
"""


def readable(label: str) -> str:
    """``Pleural_Thickening`` -> ``pleural thickening``."""
    return " ".join(label.replace("_", " ").lower().split())


def finding_of(dataset: str, label: str) -> str:
    """The finding by which ``label`` of ``dataset`` is asked: its readable name, unless `FINDINGS` has another."""
    name = readable(label)
    return FINDINGS.get(dataset, {}).get(name, name)
