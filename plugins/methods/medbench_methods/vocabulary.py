"""Where the vocabulary of Bio_ClinicalBERT lies under the checkpoints root, for the methods that read texts by it."""

from __future__ import annotations

CLINICAL_BERT = ("tokenizers/bio_clinicalbert", "tokenizers/bio_clinicalbert/vocab.txt")
"""Either is read: the file itself, or the one in a folder."""
