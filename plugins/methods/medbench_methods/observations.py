"""The 75 findings that MedKLIP and its descendant MeDSLIP ask for, the names they go by, and where their texts lie.

Order and names are those of the MeDSLIP release (2024-07-15): zero-shot scripts for ChestX-ray14 and RSNA. That MedKLIP's list
of 75 is the same, file order included, is our reading: MeDSLIP's code is a modification of MedKLIP's. Plain data: no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FINDINGS = """
normal clear sharp sharply unremarkable intact stable free effusion opacity pneumothorax edema atelectasis tube
consolidation process abnormality enlarge tip low pneumonia line congestion catheter cardiomegaly fracture air
tortuous lead disease calcification prominence device engorgement picc clip elevation expand nodule wire fluid
degenerative pacemaker thicken marking scar hyperinflate blunt loss widen collapse density emphysema aerate mass
crowd infiltrate obscure deformity hernia drainage distention shift stent pressure lesion finding borderline
hardware dilation chf redistribution aspiration tail_abnorm_obs excluded_obs
"""
FINDINGS = tuple(_FINDINGS.split())

ALIASES = {
    "pleural_effusion": "effusion",
    "infiltration": "infiltrate",
    "lung_mass": "mass",
    "lung_nodule": "nodule",
    "pleural_thicken": "thicken",
    "pleural_thickening": "thicken",
    "fibrosis": "tail_abnorm_obs",
}
"""What the releases score under another name: ChestX-ray14's labels, and their spelling in the list shipped with them.

Fibrosis has no query of its own and is scored by that of all rarer observations together.
"""

VECTORS = "books.safetensors"
TEXTS = "observation explanation.json"
ENCODER = "bio_clinicalbert"
_MODEL = ("config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt")


def text_files(method: str) -> tuple[str, ...]:
    """What makes the vectors of a method's texts, under the checkpoints root; its checkpoint holds none of it."""
    return (
        f"{method}/{VECTORS}",
        f"{method}/{TEXTS}",
        *(f"{method}/{ENCODER}/{name}" for name in _MODEL),
        "tokenizers/bio_clinicalbert",
        "tokenizers/bio_clinicalbert/vocab.txt",
    )


def query_indices(findings: Sequence[str], method: str) -> list[int]:
    """The query of each finding, whatever its case, spaces or hyphens.

    Raises `UnknownNameError`, a `UsageError`, which names the ``method``.
    """
    return [_query_index(finding, method) for finding in findings]


def _query_index(finding: str, method: str) -> int:
    name = "_".join(finding.lower().replace("-", " ").replace("_", " ").split())
    name = ALIASES.get(name, name)
    if name not in FINDINGS:
        raise UnknownNameError(f"finding of {method}", finding, (*FINDINGS, *ALIASES))
    return FINDINGS.index(name)
