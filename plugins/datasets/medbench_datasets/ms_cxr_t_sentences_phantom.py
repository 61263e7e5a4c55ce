"""A generated stand-in for MS-CXR-T's sentence pairs in the official raw form: changes told in other or contrary words."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench_datasets import ms_cxr_t_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medbench.samples import PhantomSize

_SIDES = ("left", "right", "bilateral")
_FINDINGS = ("pleural effusion", "basilar opacity", "edema", "consolidation", "pneumothorax")
_CHANGES = ("has improved", "has worsened")
_SWAPS_SHARE, _PARAPHRASE_SHARE = 0.6, 0.4


class Case(NamedTuple):
    """One row: the subset's official name, both sentences, and the category."""

    subset: str
    sentences: tuple[str, str]
    category: str


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` pairs of sentences; same size and seed, same cases. ``size.side`` means nothing here."""
    rng = np.random.default_rng(size.seed)
    for _ in range(size.images):
        subject = f"{rng.choice(_SIDES)} {rng.choice(_FINDINGS)}"
        change = int(rng.integers(len(_CHANGES)))
        same = bool(rng.random() < _PARAPHRASE_SHARE)
        told = _CHANGES[
            change if same else 1 - change
        ]  # a paraphrase shares more words, so that a bag of words can tell
        yield Case(
            subset="Swaps" if rng.random() < _SWAPS_SHARE else "RadGraph",
            sentences=(f"The {subject} {_CHANGES[change]}.", f"Compared with the prior study, the {subject} {told}."),
            category="paraphrase" if same else "contradiction",
        )


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the CSV under ``root``; same size, same bytes."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ms_cxr_t_sentences.LABELS_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(ms_cxr_t_sentences.COLUMNS)
        table.writerows([case.subset, *case.sentences, case.category] for case in draw_cases(size))
