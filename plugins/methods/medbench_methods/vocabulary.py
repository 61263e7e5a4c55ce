"""The WordPiece vocabularies that methods read texts by, and where each lies under the checkpoints root."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A published ``vocab.txt``: its folder under ``tokenizers``, its repository on the hub, and its number of words."""

    name: str
    hub_id: str
    size: int

    @property
    def files(self) -> tuple[str, str]:
        """Either is read: the file itself, or the one in a folder."""
        return f"tokenizers/{self.name}", f"tokenizers/{self.name}/vocab.txt"


CLINICAL_BERT = Vocabulary("bio_clinicalbert", "emilyalsentzer/Bio_ClinicalBERT", 28996)
CXR_BERT = Vocabulary("cxr-bert-general", "microsoft/BiomedVLP-CXR-BERT-general", 30522)
