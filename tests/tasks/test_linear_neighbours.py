"""Nearest neighbours against scikit-learn's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from linear_toys import context_of, drawn
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from medbench.errors import TrialError, UsageError
from medbench.specs import Target
from medbench_tasks.linear import neighbours
from medbench_tasks.linear.neighbours import PROTOCOL, Voters
from medbench_tasks.linear.recipe import KnnRecipe, LinearRecipe

RECIPE = KnnRecipe()


def wanted(
    train: NDArray[np.float32], truth: NDArray[np.int8], queries: NDArray[np.float32], k: int
) -> NDArray[np.float64]:
    """(M,) share of label 1, by scikit-learn with the same weights: exp(cosine / temperature)."""

    def vote(distances: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp((1 - distances) / RECIPE.temperature)

    model = KNeighborsClassifier(k, metric="cosine", weights=vote).fit(train, truth)
    shares: NDArray[np.float64] = model.predict_proba(queries)[:, list(model.classes_).index(1)]
    return shares


def test_votes_agree_with_scikit_learn() -> None:
    features, truth = drawn(160, 9, 2)
    found = Voters(features[:100], truth[:100], RECIPE).scores(features[100:], (1, 5, 20))
    for index, k in enumerate((1, 5, 20)):
        for label in range(2):
            expected = wanted(features[:100], truth[:100, label], features[100:], k)
            np.testing.assert_allclose(found[index, :, label], expected, atol=1e-4)


def test_each_label_counts_neighbours_among_samples_that_have_it() -> None:
    features, truth = drawn(160, 9, 3)
    truth[::3, 0] = -1
    truth[:, 2] = -1
    found = Voters(features[:100], truth[:100], RECIPE).scores(features[100:], (5,))[0]
    for label in range(2):
        known = truth[:100, label] >= 0
        expected = wanted(features[:100][known], truth[:100, label][known], features[100:], 5)
        np.testing.assert_allclose(found[:, label], expected, atol=1e-4)
    assert (found[:, 2] == 0.5).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, truth = drawn(120, 6, 2)
    whole = Voters(features[:60], truth[:60], RECIPE).scores(features[60:], (3, 7))
    monkeypatch.setattr(neighbours, "_BLOCK", 450)
    blocks = Voters(features[:60], truth[:60], RECIPE).scores(features[60:], (3, 7))
    np.testing.assert_allclose(blocks, whole, atol=1e-6)


def test_more_neighbours_than_samples_is_all_of_them() -> None:
    features, truth = drawn(40, 5, 1)
    found = Voters(features[:10], truth[:10], RECIPE).scores(features, (10, 200))
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("kind", ["multi-label", "multi-class"])
def test_the_protocol_chooses_the_number_and_beats_chance(tmp_path: Path, kind: str) -> None:
    features, truth = drawn(400, 6, 2, noise=0.2)
    target = Target(kind="multi-class" if kind == "multi-class" else "multi-label")
    answers = np.eye(3, dtype=np.int8)[truth.sum(1)] if kind == "multi-class" else truth
    context = context_of(tmp_path, RECIPE, features, answers, target=target, protocol="linear.neighbours")
    outcome = PROTOCOL.run(context)
    values = PROTOCOL.score(context.task, RECIPE, outcome.predictions)
    assert values["auroc"].low is not None and values["auroc"].low > 0.6
    assert outcome.notes["neighbours"] in RECIPE.neighbours and outcome.notes["neighbours"] > 1
    assert outcome.notes["train_images"] == 200


def test_the_notes_count_what_really_voted_and_labels_that_are_masked(tmp_path: Path) -> None:
    features, truth = drawn(80, 6, 3, noise=0.2)
    truth[:, 1] = np.where(np.arange(80) < 40, -1, truth[:, 1])
    truth[40:60, 2] = -1
    truth[:10, 0] = -1
    recipe = KnnRecipe(neighbours=(200,))
    target = Target(kind="multi-label")
    outcome = PROTOCOL.run(context_of(tmp_path, recipe, features, truth, target=target, protocol="linear.neighbours"))
    assert outcome.notes["neighbours"] == 40, "of all 40 training samples, not 200"
    assert outcome.notes["unlabelled_in_train"] == 1
    assert outcome.notes["labels_absent_from_validation"] == 1
    fewer = np.where(np.arange(80)[:, None] < 30, truth, -1)[:, :1]
    fewer[40:] = truth[40:, :1]
    outcome = PROTOCOL.run(context_of(tmp_path, recipe, features, fewer, target=target, protocol="linear.neighbours"))
    assert outcome.notes["neighbours"] == 20


def test_of_several_classes_the_number_is_chosen_by_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = drawn(40, 3, 1)
    truth = np.eye(2, dtype=np.int8)[np.arange(40) % 2]

    def scores(self: Voters, features: NDArray[np.float32], counts: tuple[int, ...]) -> NDArray[np.float64]:
        right = np.where(truth[20:30] == 1, 0.51, 0.49)
        sure = np.where(truth[20:30] == 1, 0.99, 0.01)
        sure[0] = 0.49, 0.51
        by_count = {5: right, 20: sure}
        return np.stack([by_count[count] for count in counts])

    monkeypatch.setattr(Voters, "scores", scores)
    recipe, target = KnnRecipe(neighbours=(5, 20)), Target(kind="multi-class")
    context = context_of(tmp_path, recipe, features, truth, target=target, protocol="linear.neighbours")
    assert PROTOCOL.run(context).notes["neighbours"] == 5


def test_other_recipes_and_broken_features_are_refused(tmp_path: Path) -> None:
    features, truth = drawn(40, 3, 1)
    context = context_of(tmp_path, RECIPE, features, truth, target=Target(kind="multi-label"))
    with pytest.raises(UsageError, match="KnnRecipe"):
        PROTOCOL.run(replace(context, recipe=LinearRecipe()))
    with pytest.raises(TrialError, match="not finite"):
        Voters(features, truth, RECIPE).scores(np.full((1, 3), np.inf, np.float32), (1,))
