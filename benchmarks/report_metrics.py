"""Report metrics of 3,858 pairs with 1,000-replicate intervals, beside pycocoevalcap's own scorers, which give values alone.

The pairs are as many as R2Gen's MIMIC-CXR test split, of sentences that chest reports are made of. Both sides compute
BLEU-1..4, ROUGE-L and CIDEr of the same texts, and their values are compared. METEOR is left out: it is the same Java
program on both.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from medbench.statistics import REPLICATES, interval_of, patient_weights
from medbench_tasks.texts.measures import MEASURES, TextMeasures

TARGET = 4.0
PAIRS = 3_858
SENTENCES = (
    "the heart is {} in size",
    "the {} lung is clear",
    "there is a {} {} pleural effusion",
    "no {} pneumothorax is seen",
    "{} opacities at the {} base may represent atelectasis",
    "{} pulmonary edema has {}",
    "the mediastinal contours are {}",
    "a {} endotracheal tube ends {} cm above the carina",
    "{} degenerative changes of the thoracic spine",
    "no acute {} fracture",
)
WORDS = (
    "normal", "enlarged", "left", "right", "small", "moderate", "large", "bilateral", "mild", "severe", "stable",
    "improved", "worsened", "new", "focal", "patchy", "lower", "upper", "basilar", "apical", "minimal", "persistent",
)  # fmt: skip


class Comparison(NamedTuple):
    """Wall-clock seconds: pycocoevalcap's values, ours, and ours with the intervals."""

    library_s: float
    values_s: float
    intervals_s: float

    @property
    def ratio(self) -> float:
        return self.library_s / self.intervals_s

    @property
    def met(self) -> bool:
        return self.ratio >= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, ratio, target."""
        return [
            [f"pycocoevalcap, values of {PAIRS:,} pairs", f"{self.library_s:.2f}", "1.0", ""],
            ["medbench, values", f"{self.values_s:.2f}", f"{self.library_s / self.values_s:.1f}", ""],
            [
                f"medbench, values and {REPLICATES:,} replicates",
                f"{self.intervals_s:.2f}",
                f"{self.ratio:.1f}",
                f"at least {TARGET:g}",
            ],
        ]


def compare(repeats: int = 3) -> Comparison:
    """Time both; the best of ``repeats`` for each. Raises `ValueError` where their values differ."""
    truth, given = _reports(0), _reports(1)
    library, values, intervals = [], [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        measures = TextMeasures.of([[text] for text in truth], given)
        ours = measures.values()
        values.append(time.perf_counter() - begin)
        replicates = measures.replicates(patient_weights([str(row) for row in range(PAIRS)]))
        if any(interval_of(estimates) is None for estimates in replicates.values()):
            raise ValueError("a measure has no interval")
        intervals.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        told = _by_pycocoevalcap(truth, given)
        library.append(time.perf_counter() - begin)
        if not np.allclose([ours[name] for name in MEASURES], told, rtol=0, atol=1e-12):
            raise ValueError("the measures differ from pycocoevalcap's: their time means nothing")
    return Comparison(min(library), min(values), min(intervals))


def _by_pycocoevalcap(truth: list[str], given: list[str]) -> list[float]:
    references = {row: [text] for row, text in enumerate(truth)}
    hypotheses = {row: [text] for row, text in enumerate(given)}
    bleu, _ = Bleu(4).compute_score(references, hypotheses, verbose=0)
    return [*bleu, Rouge().compute_score(references, hypotheses)[0], Cider().compute_score(references, hypotheses)[0]]


def _reports(seed: int) -> list[str]:
    """Four to ten sentences each: about 40 words."""
    draw = np.random.default_rng(seed)
    return [
        " . ".join(sentence.format(*draw.choice(WORDS, 2)) for sentence in draw.choice(SENTENCES, draw.integers(4, 11)))
        for _ in range(PAIRS)
    ]
