"""The 75 findings and 51 places that MeDSLIP asks for, in the order of its queries, and the names they go by.

Order and names are those of the MeDSLIP release (2024-07-15): zero-shot scripts for ChestX-ray14 and RSNA, and the
pre-training script. Plain data: no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

from medbench.errors import UnknownNameError

_FINDINGS = """
normal clear sharp sharply unremarkable intact stable free effusion opacity pneumothorax edema atelectasis tube
consolidation process abnormality enlarge tip low pneumonia line congestion catheter cardiomegaly fracture air
tortuous lead disease calcification prominence device engorgement picc clip elevation expand nodule wire fluid
degenerative pacemaker thicken marking scar hyperinflate blunt loss widen collapse density emphysema aerate mass
crowd infiltrate obscure deformity hernia drainage distention shift stent pressure lesion finding borderline
hardware dilation chf redistribution aspiration tail_abnorm_obs excluded_obs
"""
FINDINGS = tuple(_FINDINGS.split())

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

ALIASES = {
    "pleural_effusion": "effusion",
    "infiltration": "infiltrate",
    "lung_mass": "mass",
    "lung_nodule": "nodule",
    "pleural_thicken": "thicken",
    "pleural_thickening": "thicken",
    "fibrosis": "tail_abnorm_obs",
}
"""What the release scores under another name: ChestX-ray14's labels, and their spelling in the list shipped with it.

Fibrosis has no query of its own and is scored by that of all rarer observations together.
"""


def query_indices(findings: Sequence[str]) -> list[int]:
    """The query of each finding, whatever its case, spaces or hyphens. Raises `UnknownNameError`, a `UsageError`."""
    return [_query_index(finding) for finding in findings]


def _query_index(finding: str) -> int:
    name = "_".join(finding.lower().replace("-", " ").replace("_", " ").split())
    name = ALIASES.get(name, name)
    if name not in FINDINGS:
        raise UnknownNameError("finding of medslip", finding, (*FINDINGS, *ALIASES))
    return FINDINGS.index(name)
