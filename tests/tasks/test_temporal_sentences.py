"""Sentence similarity: honest thresholds, shared sentences, floors, and what is said where a metric is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from temporal_toys import FINDINGS, KnownFeatures, context_of, pair_manifest, sentence_manifest, sentence_task

from medbench.errors import MissingDataError, TrialError, UsageError
from medbench.protocols import Analysis
from medbench.specs import Recipe
from medbench_tasks.temporal.recipe import SENTENCE_METRICS, STANDARD_SENTENCES
from medbench_tasks.temporal.sentences import PROTOCOL
from medbench_tasks.temporal.thresholds import (
    best_threshold,
    nested_thresholds,
    released_threshold,
    sharing_groups,
)

PAIRS = 80
RNG = np.random.default_rng(3)
TRUTH = (RNG.random(PAIRS) < 0.4).astype(np.int8)
SIMILARITY = np.clip(0.45 + 0.2 * TRUTH + 0.15 * RNG.standard_normal(PAIRS), -1, 1)
NAMES = [metric.name for metric in SENTENCE_METRICS]


def _features(similarity: np.ndarray) -> KnownFeatures:
    """Vectors in the plane, of length 1 and 2, whose cosines are those given."""
    first = np.stack([np.ones_like(similarity), np.zeros_like(similarity)], axis=1)
    second = 2 * np.stack([similarity, np.sqrt(1 - similarity**2)], axis=1)
    return KnownFeatures({}, np.concatenate([first, second]).astype(np.float32))


def _run(truth=TRUTH, similarity=SIMILARITY, texts=None, recipe=STANDARD_SENTENCES, seed=0):
    context = context_of(_features(similarity), sentence_manifest(truth, texts), recipe, seed, sentence_task())
    return context, PROTOCOL.run(context)


def _scores(table, recipe=STANDARD_SENTENCES):
    return PROTOCOL.score(sentence_task(), recipe, table)


def test_cosines_are_kept_and_scored_by_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    context, outcome = _run()
    kept = outcome.predictions.column("similarity").to_numpy()
    np.testing.assert_allclose(kept, SIMILARITY, atol=1e-6)
    scores = _scores(outcome.predictions)
    assert list(scores) == NAMES
    assert scores["auroc"].value == pytest.approx(roc_auc_score(TRUTH, kept))
    assert all(score.low < score.value < score.high for score in scores.values())
    assert context.features.asked[0] == "first 0"
    assert context.features.asked[PAIRS] == "second 0"


def test_the_constant_floor_is_chance_and_the_majority() -> None:
    _, outcome = _run()
    floor = _scores(outcome.floors["constant"])
    assert floor["auroc"].value == 0.5
    assert floor["accuracy"].value == pytest.approx(1 - TRUTH.mean())
    assert floor["accuracy-as-released"].value == pytest.approx(1 - TRUTH.mean())
    assert _scores(outcome.predictions)["accuracy"].value > floor["accuracy"].value


def test_an_honest_accuracy_of_noise_is_not_above_the_majority_where_the_released_one_is() -> None:
    truth = np.arange(PAIRS) % 2
    gains = []
    for seed in range(12):
        similarity = np.random.default_rng(seed).uniform(0.2, 0.8, PAIRS)
        scores = _scores(_run(truth, similarity)[1].predictions)
        gains.append((scores["accuracy"].value - 0.5, scores["accuracy-as-released"].value - 0.5))
    honest, released = np.mean(gains, axis=0)
    assert honest < 0.02
    assert released > 0.03


def test_thresholds_come_from_the_other_folds_alone() -> None:
    from medbench_tasks.temporal.folds import grouped_folds

    folds = grouped_folds(TRUTH, [str(index) for index in range(PAIRS)], 10, 0)
    assert folds is not None
    before = nested_thresholds(SIMILARITY, TRUTH, folds)
    for fold in folds:
        changed = SIMILARITY.copy()
        changed[fold.test] = 0.99
        np.testing.assert_array_equal(nested_thresholds(changed, TRUTH, folds)[fold.test], before[fold.test])


def test_pairs_that_share_a_sentence_are_of_one_group() -> None:
    texts = [("a b", "c"), ("d", "A  b"), ("d", "e"), ("f", "g"), ("g", "h"), ("x", "y")]
    groups = sharing_groups(texts)
    assert len(set(groups)) == 3
    assert len(set(groups[:3])) == len(set(groups[3:5])) == 1


def test_pairs_that_share_a_sentence_get_one_threshold() -> None:
    texts = [(f"said {index // 2}", f"other {index}") for index in range(PAIRS)]
    thresholds = _run(texts=texts)[1].predictions.column("threshold").to_pylist()
    assert thresholds[::2] == thresholds[1::2]
    assert len(set(thresholds)) > 1


@pytest.mark.parametrize(
    ("similarity", "truth", "low", "high"),
    [([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.2, 0.8), ([0.5, 0.5], [1, 1], -9, 0.5), ([0.5, 0.6], [0, 0], 0.6, 9)],
)
def test_the_best_threshold_parts_what_can_be_parted(similarity, truth, low: float, high: float) -> None:
    assert low < best_threshold(np.array(similarity), np.array(truth)) < high


def test_the_released_threshold_is_on_its_grid() -> None:
    threshold = released_threshold(SIMILARITY, TRUTH)
    assert threshold is not None
    assert threshold * 200 == pytest.approx(round(threshold * 200))
    assert released_threshold(SIMILARITY[:9], TRUTH[:9]) is None


def test_undefined_metrics_say_why() -> None:
    one_class = _scores(_run(np.ones(PAIRS, np.int8))[1].predictions)
    assert (one_class["auroc"].value, one_class["auroc"].note) == (None, "one class only")
    assert one_class["accuracy"].value is None
    assert one_class["accuracy-as-released"].value == 1
    few = _scores(_run(np.array([0, 1, 0, 1]), SIMILARITY[:4])[1].predictions)
    assert few["auroc"].value is not None
    assert few["accuracy"].note == "too few pairs, or too many that share a sentence, for 10 folds"
    assert few["accuracy-as-released"].note == "fewer pairs than 10 folds"
    same = _scores(_run(texts=[("the same", f"b {index}") for index in range(PAIRS)])[1].predictions)
    assert same["accuracy"].value is None
    assert same["auroc"].value is not None


def test_pairs_without_a_label_are_left_out_and_counted() -> None:
    truth = TRUTH.astype(np.int64)
    truth[:5] = -1
    context = context_of(_features(SIMILARITY[5:]), sentence_manifest(truth), STANDARD_SENTENCES, 0, sentence_task())
    outcome = PROTOCOL.run(context)
    assert outcome.predictions.num_rows == PAIRS - 5
    assert outcome.notes["pairs_without_label"] == 5


def test_bad_data_are_one_error_each() -> None:
    def run(manifest, similarity=SIMILARITY, recipe: Recipe = STANDARD_SENTENCES) -> None:
        PROTOCOL.run(context_of(_features(similarity), manifest, recipe, 0, sentence_task()))

    with pytest.raises(MissingDataError, match="no pair of toy's test part has a label"):
        run(sentence_manifest(np.full(PAIRS, -1)))
    with pytest.raises(MissingDataError, match="has 1 texts, where a pair is needed"):
        run(sentence_manifest(TRUTH, [("alone",)] * PAIRS))
    with pytest.raises(MissingDataError, match="has 0 texts"):
        run(pair_manifest(np.zeros((3, len(FINDINGS)), np.int8)))
    with pytest.raises(TrialError, match="are not finite"):
        run(sentence_manifest(TRUTH), np.where(np.arange(PAIRS) == 3, np.nan, SIMILARITY))
    with pytest.raises(UsageError, match="not a SentenceRecipe"):
        run(sentence_manifest(TRUTH), recipe=Recipe())


def test_it_offers_replicates_but_no_groups_and_no_reliability() -> None:
    context, outcome = _run()
    assert isinstance(PROTOCOL, Analysis)
    replicates = PROTOCOL.replicates(context.task, STANDARD_SENTENCES, outcome.predictions)
    scores = _scores(outcome.predictions)
    for name in NAMES:
        assert (scores[name].low, scores[name].high) == pytest.approx(np.quantile(replicates[name], [0.025, 0.975]))
    assert PROTOCOL.groups(context.task, STANDARD_SENTENCES, outcome.predictions) == ()
    assert PROTOCOL.reliability(context.task, STANDARD_SENTENCES, outcome.predictions) == ()
