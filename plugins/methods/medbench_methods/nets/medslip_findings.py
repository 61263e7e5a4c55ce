"""The findings and the 51 places that MeDSLIP asks for, in the order of its queries.

The places are those of the MeDSLIP release (2024-07-15), pre-training script. Plain data: no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench_methods import observations
from medbench_methods.observations import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("FINDINGS", "PLACES", "query_indices")

_PLACES = """
trachea left_hilar right_hilar hilar_unspec left_pleural right_pleural pleural_unspec heart_size heart_border
left_diaphragm right_diaphragm diaphragm_unspec retrocardiac lower_left_lobe upper_left_lobe lower_right_lobe
middle_right_lobe upper_right_lobe left_lower_lung left_mid_lung left_upper_lung left_apical_lung
left_lung_unspec right_lower_lung right_mid_lung right_upper_lung right_apical_lung right_lung_unspec
lung_apices lung_bases left_costophrenic right_costophrenic costophrenic_unspec cardiophrenic_sulcus mediastinal
spine clavicle rib stomach right_atrium right_ventricle aorta svc interstitium parenchymal cavoatrial_junction
cardiopulmonary pulmonary lung_volumes unspecified other
"""
PLACES = tuple(_PLACES.split())


def query_indices(findings: Sequence[str]) -> list[int]:
    """The query of each finding, whatever its case, spaces or hyphens. Raises `UnknownNameError`, a `UsageError`."""
    return observations.query_indices(findings, "medslip")
