"""The published temporal evaluations of Med-ST, number by number, through the protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from temporal_toys import FINDINGS, KnownFeatures, context_of, pair_manifest, sentence_manifest, sentence_task
from weights import golden_arrays, golden_text

from medbench_tasks.temporal import image, sentences
from medbench_tasks.temporal.recipe import RELEASED_PAIRS, STANDARD_SENTENCES

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("consolidation", "edema", "pleural_effusion", "pneumonia", "pneumothorax")


@pytest.fixture(scope="module")
def numbers(shared: Path) -> dict[str, Any]:
    return golden_arrays(shared / "golden" / "medst-metrics")


@pytest.mark.parametrize("folds", [5, 10])
@pytest.mark.parametrize("seed", [42, 100, 666])
def test_pairs_give_the_published_accuracies(numbers: dict[str, Any], seed: int, folds: int) -> None:
    labels = np.stack([numbers[f"tic_label_{name}"] for name in COLUMNS], axis=1)
    features = numbers["tic_features"]
    manifest = pair_manifest(labels)
    recipe = replace(RELEASED_PAIRS, folds=folds)
    context = context_of(KnownFeatures({"image": features[::2], "previous": features[1::2]}), manifest, recipe, seed)
    outcome = image.PROTOCOL.run(context)
    per_finding = {
        value.group: value.value.value
        for value in image.PROTOCOL.groups(context.task, recipe, outcome.predictions)
        if value.metric == "accuracy-as-released"
    }
    mean = image.PROTOCOL.score(context.task, recipe, outcome.predictions)["accuracy-as-released"].value
    ours = 100 * np.array([*(per_finding[name] for name in FINDINGS), mean])
    np.testing.assert_allclose(ours, numbers[f"tic_cv{folds}_seed{seed}"], rtol=0, atol=1e-9)


def test_the_table_is_shuffled_as_published(numbers: dict[str, Any], shared: Path) -> None:
    from medbench_tasks.temporal.folds import released_folds

    truth = numbers["tic_label_consolidation"]
    folds = released_folds(truth, 5, 42)
    assert folds is not None
    order = np.random.RandomState(42).permutation(len(truth))
    first = [row for row in order if truth[row] >= 0][:6]
    told = golden_text(shared / "golden" / "medst-metrics")["tic_order_seed42_consolidation"]
    assert [f"{half}{row:03d}" for row in first for half in "cp"] == told
    # Later folds train on the table from its top, in the shuffled order.
    assert folds[-1].train[:6].tolist() == first


def test_sentences_give_the_published_numbers(numbers: dict[str, Any]) -> None:
    from medbench_tasks.temporal.sentence_metrics import sentence_table
    from medbench_tasks.temporal.thresholds import released_threshold

    similarity, truth = numbers["tss_similarity"].astype(np.float64), numbers["tss_label"]
    task = sentence_task()
    table = sentence_table(
        sentence_manifest(truth), similarity=similarity, truth=truth, thresholds=np.full(len(truth), np.nan)
    )
    scores = sentences.PROTOCOL.score(task, STANDARD_SENTENCES, table)
    assert scores["auroc"].value == pytest.approx(float(numbers["tss_auc"]), abs=1e-12)
    assert scores["accuracy-as-released"].value == pytest.approx(float(numbers["tss_acc"]), rel=1e-7)  # in float32
    assert released_threshold(similarity, truth) == pytest.approx(float(numbers["tss_threshold"]), abs=1e-12)
