"""Panels of brain figures as the released retrieval code cuts them: every caption of a figure with its first box."""

from __future__ import annotations

from dataclasses import replace

from medbench_datasets.brain_pubmed_panels import SPEC as PANELS

SPEC = replace(
    PANELS,
    id="brain-pubmed-panels-first",
    title="Brain panels of PubMed Central, first box as released",
    reader="medbench_datasets.brain_pubmed_panels:read_first",
    tags=(*PANELS.tags, "as-released"),
)
"""Files, rows and splits are those of `medbench_datasets.brain_pubmed_panels`; the region alone differs."""
