"""BLEU, ROUGE-L and CIDEr: the published numbers, pycocoevalcap's on any texts, and resampling without reading texts again."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medbench.errors import UsageError
from medbench.statistics import patient_weights
from medbench_tasks.texts.measures import MEASURES, TextMeasures

if TYPE_CHECKING:
    from pathlib import Path

RELEASED = {"BLEU_1": "bleu-1", "BLEU_2": "bleu-2", "BLEU_3": "bleu-3", "BLEU_4": "bleu-4", "ROUGE_L": "rouge-l"}
RELEASED |= {"CIDER": "cider"}

TEXT = st.lists(st.sampled_from(["no", "effusion", "heart", "is", "normal", ",", "."]), max_size=12).map(" ".join)
SAMPLE = st.tuples(st.lists(TEXT, min_size=1, max_size=3), TEXT)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((shared / "golden/metrics-blip/golden.json").read_text())["results"]
    return told


def test_one_reference_each_gives_the_published_numbers(golden: dict[str, Any]) -> None:
    pairs = golden["caption_pairs"]
    found = TextMeasures.of([[pair["reference"]] for pair in pairs], [pair["hypothesis"] for pair in pairs]).values()
    _agree(found, golden["caption_compute_scores"])


def test_two_references_each_give_the_published_numbers(golden: dict[str, Any]) -> None:
    pairs = golden["caption_pairs"]
    references = [[pair["reference"], pairs[(row + 1) % len(pairs)]["reference"]] for row, pair in enumerate(pairs)]
    _agree(
        TextMeasures.of(references, [pair["hypothesis"] for pair in pairs]).values(), golden["caption2_compute_scores"]
    )


def test_an_empty_hypothesis_gives_the_published_numbers(golden: dict[str, Any]) -> None:
    told = golden["empty_hypothesis"]
    found = TextMeasures.of([[reference] for reference in told["ref"]], told["hyp"]).values()
    _agree(found, {name: told[name] for name in RELEASED})


def test_a_single_pair_has_no_cider(golden: dict[str, Any]) -> None:
    assert TextMeasures.of([["lungs are clear"]], ["lungs are clear"]).values()["cider"] == golden["cider_single_pair"]


@settings(max_examples=40, deadline=None)
@given(st.lists(SAMPLE, min_size=1, max_size=6))
def test_any_texts_are_scored_as_pycocoevalcap_does(samples: list[tuple[list[str], str]]) -> None:
    bleu, rouge, cider = (
        pytest.importorskip(f"pycocoevalcap.{name}.{name}", reason="pycocoevalcap is not installed")
        for name in ("bleu", "rouge", "cider")
    )
    assume(any(reference.split() for references, _ in samples for reference in references))  # else it stops
    references = {row: list(given) for row, (given, _) in enumerate(samples)}
    hypotheses = {row: [text] for row, (_, text) in enumerate(samples)}
    told = dict(zip(MEASURES[:4], bleu.Bleu(4).compute_score(references, hypotheses, verbose=0)[0], strict=True))
    told["rouge-l"] = rouge.Rouge().compute_score(references, hypotheses)[0]
    told["cider"] = cider.Cider().compute_score(references, hypotheses)[0]
    found = TextMeasures.of(list(references.values()), [text for (text,) in hypotheses.values()]).values()
    assert found == pytest.approx(told, rel=1e-12, abs=1e-12)


def test_resampling_gives_what_the_drawn_texts_give() -> None:
    references = [["the heart is normal"], ["no effusion", "no pleural effusion is seen"], ["lungs are clear"], [""]]
    hypotheses = ["heart is normal", "no effusion is seen", "", "lungs"]
    measures = TextMeasures.of(references, hypotheses)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 4, 0, 0]])
    replicates = measures.replicates(weights)
    for row, drawn in enumerate(weights):
        rows = np.repeat(np.arange(4), drawn)
        again = TextMeasures.of([references[index] for index in rows], [hypotheses[index] for index in rows]).values()
        for name in (*MEASURES[:4], "rouge-l"):
            assert replicates[name][row] == pytest.approx(again[name], abs=1e-12)
        # Document frequencies are of the whole set.
        assert replicates["cider"][row] == pytest.approx(measures.cider[rows].mean(), abs=1e-12)


def test_an_interval_over_patients_holds_the_value() -> None:
    words = "the heart lungs are is clear normal no effusion seen small left right".split()  # noqa: SIM905
    draw = np.random.default_rng(0)
    references = [[" ".join(draw.choice(words, 12))] for _ in range(60)]
    hypotheses = [" ".join([*draw.choice(words, 6), *given[0].split()[: draw.integers(2, 12)]]) for given in references]
    measures = TextMeasures.of(references, hypotheses)
    replicates = measures.replicates(patient_weights([str(row // 2) for row in range(60)], replicates=200))
    for name, value in measures.values().items():
        low, high = np.quantile(replicates[name], [0.005, 0.995])
        assert low < value < high


def test_empty_texts_are_defined() -> None:
    both = TextMeasures.of([[""]], [""]).values()
    assert both == {"bleu-1": 0, "bleu-2": 0, "bleu-3": 0, "bleu-4": 0, "rouge-l": 1, "cider": 0}
    assert max(TextMeasures.of([[""]], ["lungs are clear"]).values().values()) < 1e-9


def test_no_samples_leave_every_measure_undefined() -> None:
    assert all(math.isnan(value) for value in TextMeasures.of([], []).values().values())
    none_drawn = TextMeasures.of([["clear"]], ["clear"]).replicates(np.zeros((1, 1)))
    assert all(math.isnan(value[0]) for value in none_drawn.values())


def test_a_sample_without_a_reference_is_refused() -> None:
    with pytest.raises(UsageError, match="text 1 has no list of references"):
        TextMeasures.of([["clear"], []], ["clear", "clear"])
    with pytest.raises(UsageError, match="2 generated texts"):
        TextMeasures.of([["clear"]], ["clear", "clear"])
    with pytest.raises(UsageError, match="text 0"):
        TextMeasures.of(["clear"], ["clear"])


def _agree(found: dict[str, float], told: dict[str, float]) -> None:
    for name, ours in RELEASED.items():
        assert found[ours] == pytest.approx(told[name], rel=0, abs=1e-9), name
