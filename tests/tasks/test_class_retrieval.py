"""Retrieval by class: against brute force and scikit-learn, ties in expectation, and from images and texts to scores."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from retrieval_toys import Matcher, Reader, StudyMatcher, Watched, context_of, manifest_of
from sklearn.metrics import top_k_accuracy_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from medbench.errors import MissingDataError, TrialError, UnknownNameError, UsageError
from medbench.features import Features
from medbench.manifest import Manifest
from medbench.protocols import TrialContext, TrialOutcome
from medbench.samples import UNCERTAIN
from medbench.specs import Recipe
from medbench.statistics import patient_counts
from medbench_tasks.catalogue import TASKS
from medbench_tasks.retrieval.class_metrics import by_image, replicate_classes, score_classes
from medbench_tasks.retrieval.class_pool import class_pool_of
from medbench_tasks.retrieval.class_predictions import SCHEMA, class_table
from medbench_tasks.retrieval.class_protocol import PROTOCOL
from medbench_tasks.retrieval.class_ranking import Classes, Firsts, firsts_of, random_firsts
from medbench_tasks.retrieval.class_recipe import CLASS_METRICS, STANDARD_CLASS_RETRIEVAL
from medbench_tasks.retrieval.ranking import Search

TASK = next(task for task in TASKS if task.id == "mimic-5x200-retrieval")
FIVE = TASK.target.labels
CUTS = (1, 5, 10)
NAMES = [metric.name for metric in CLASS_METRICS]


def labelled(manifest: Manifest, *classes: int | dict[int, int] | None) -> Manifest:
    """With the task's labels: a row's one class (the others absent), its values by class (the others unknown), or none."""
    rows = []
    for one in classes:
        values = dict.fromkeys(range(5), 0) | {one: 1} if isinstance(one, int) else one or {}
        rows.append([values.get(place, -1) for place in range(5)])
    column = manifest.table.schema.get_field_index("labels")
    table = manifest.table.set_column(column, "labels", pa.array(rows, pa.list_(pa.int8())))
    return replace(manifest, label_names=FIVE, table=table)


def trial(folder: Path, model: torch.nn.Module, test: Manifest) -> TrialContext:
    return replace(context_of(folder, model, test), task=TASK, recipe=STANDARD_CLASS_RETRIEVAL)


def values_of(table: pa.Table) -> dict[str, float | None]:
    return {name: one.value for name, one in PROTOCOL.score(TASK, STANDARD_CLASS_RETRIEVAL, table).items()}


def unit(angles: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def expected(scores: list[int], right: list[bool], cut: int) -> tuple[float, float]:
    """Hit and found at ``cut``, the mean over every order that respects the scores."""
    hits, found, orders = 0, 0, 0
    for order in itertools.permutations(range(len(scores))):
        if all(scores[one] >= scores[two] for one, two in itertools.pairwise(order)):
            among = [right[place] for place in order[:cut]]
            hits, found, orders = hits + any(among), found + sum(among), orders + 1
    return hits / orders, found / orders


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_equal_scores_count_as_the_mean_over_all_their_orders(pool: list[tuple[int, bool]], cut: int) -> None:
    """Candidates of one score are one vector at several places, as equal reports are."""
    scores, right = ([one[place] for one in pool] for place in (0, 1))
    classes = Classes(np.zeros(1, np.int64), np.where(right, 0, 1))
    vectors = unit(np.array([1.2, 0.6, 0.0]))  # the nearer to 0, the nearer to the query
    (firsts,) = firsts_of(unit(np.zeros(1)), vectors, np.array(scores), classes, (cut,), Search()).values()
    hit, found = expected(scores, right, cut)
    assert firsts.hits(cut)[0] == pytest.approx(hit)
    assert firsts.found()[0] == pytest.approx(found)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_precision_and_hits_are_those_of_scikit_learn(seed: int, queries: int, candidates: int) -> None:
    draw = np.random.default_rng(seed)
    images, texts = (draw.normal(size=(count, 8)).astype(np.float32) for count in (queries, candidates))
    images, texts = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (images, texts))
    classes = Classes(draw.integers(0, 5, queries), draw.integers(0, 5, candidates))
    found = firsts_of(images, texts, np.arange(candidates), classes, CUTS, Search(cells=100))
    for cut, firsts in found.items():
        shown = min(cut, candidates)
        near = NearestNeighbors(n_neighbors=shown, metric="cosine", algorithm="brute").fit(texts)
        right = classes.candidates[near.kneighbors(images)[1]] == classes.queries[:, None]
        np.testing.assert_allclose(firsts.found(), right.sum(axis=1))
        np.testing.assert_allclose(firsts.hits(cut), right.any(axis=1))


@given(st.integers(0, 10_000), st.integers(3, 30))
@settings(max_examples=25, deadline=None)
def test_with_a_text_a_class_hits_are_top_k_accuracy(seed: int, queries: int) -> None:
    """A pool of one text for each of twelve classes is a classifier by nearest text."""
    draw = np.random.default_rng(seed)
    images, texts = (draw.normal(size=(count, 4)).astype(np.float32) for count in (queries, 12))
    classes = Classes(draw.integers(0, 12, queries), np.arange(12))
    found = firsts_of(images, texts, np.arange(12), classes, CUTS, Search())
    for cut, firsts in found.items():
        theirs = top_k_accuracy_score(classes.queries, images @ texts.T, k=cut, labels=np.arange(12))
        assert firsts.hits(cut).mean() == pytest.approx(theirs)
        assert firsts.found().mean() == pytest.approx(theirs)


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_an_answer_that_scores_all_alike_is_the_random_floor_and_the_order_of_the_pool_is_nothing(
    seed: int, candidates: int
) -> None:
    draw = np.random.default_rng(seed)
    classes = Classes(draw.integers(0, 3, 7), draw.integers(0, 3, candidates))
    images, one = unit(draw.uniform(0, 3, 7)), unit(np.array([0.5]))
    alike = firsts_of(images, one, np.zeros(candidates, np.int64), classes, CUTS, Search())
    floor = random_firsts(classes, CUTS)
    order = draw.permutation(candidates)
    texts = unit(draw.choice([0.0, 0.4, 0.8, 1.2], candidates))
    places = np.arange(candidates)
    here = firsts_of(images, texts, places, classes, CUTS, Search())
    moved = firsts_of(images, texts, order, Classes(classes.queries, classes.candidates[order]), CUTS, Search())
    for cut in CUTS:
        np.testing.assert_array_equal(alike[cut].hits(cut), floor[cut].hits(cut))
        np.testing.assert_array_equal(alike[cut].found(), floor[cut].found())
        np.testing.assert_array_equal(here[cut].hits(cut), moved[cut].hits(cut))
        np.testing.assert_array_equal(here[cut].found(), moved[cut].found())
        assert (here[cut].found() <= min(cut, candidates)).all()


def test_the_floor_of_five_times_two_hundred() -> None:
    """Hits of a random order are hypergeometric; precision is the share of the class."""
    classes = Classes(np.repeat(np.arange(5), 200), np.repeat(np.arange(5), 200))
    floor = random_firsts(classes, CUTS)
    for cut, hit in ((1, 0.2), (5, 0.67314), (10, 0.89384)):
        assert floor[cut].hits(cut) == pytest.approx(hit, abs=1e-5)
        assert floor[cut].found() / cut == pytest.approx(0.2)


def test_a_class_without_a_text_is_never_found() -> None:
    floor = random_firsts(Classes(np.array([0, 4]), np.array([0, 0])), (1, 5))
    assert floor[5].found().tolist() == [2, 0]
    assert floor[1].hits(1).tolist() == [1, 0]


def answered(folder: Path) -> TrialOutcome:
    """Three rows of one class near each other, two of another further off, the last of which reads like the first class."""
    rows = [(0, ["0 units"]), (10, ["10 units"]), (20, ["20 units"]), (200, ["200 units"]), (220, ["5 units"])]
    test = manifest_of(folder, rows, patients=["a", "b", "b", "c", "c"], sex=["F", "M", "F", "M", "F"])
    return PROTOCOL.run(trial(folder, Reader(), labelled(test, 1, 1, 1, 3, 3)))


def test_from_images_and_texts_to_scores(tmp_path: Path) -> None:
    outcome = answered(tmp_path)
    table = outcome.predictions
    assert table.schema == SCHEMA
    assert table.column("class").to_pylist() == ["Cardiomegaly"] * 3 + ["Edema"] * 2
    values = by_image(table)
    assert values["class-precision-1"].tolist() == values["class-hit-1"].tolist() == [1, 1, 1, 1, 1]
    assert values["class-precision-5"].tolist() == [0.6, 0.6, 0.6, 0.4, 0.4]
    assert values["class-precision-10"].tolist() == [0.3, 0.3, 0.3, 0.2, 0.2]  # places that are not there are misses
    scored = values_of(table)
    assert list(scored) == NAMES == [metric.name for metric in TASK.metrics]
    assert scored["class-precision-5"] == pytest.approx(0.52)
    floor = values_of(outcome.floors["chance"])
    assert floor["class-precision-1"] == floor["class-hit-1"] == pytest.approx((3 * 0.6 + 2 * 0.4) / 5)
    assert floor["class-hit-5"] == 1
    assert outcome.notes["pool_texts"] == 5 and outcome.notes["rows_without_class"] == 0


def test_equal_reports_and_equal_images_stay_candidates_and_queries_of_their_own(tmp_path: Path) -> None:
    rows = [(0, ["0 units"]), (0, ["0 UNITS"]), (0, ["0 units"]), (200, ["200 units"])]
    outcome = PROTOCOL.run(trial(tmp_path, Reader(), labelled(manifest_of(tmp_path, rows), 0, 1, 0, 1)))
    values = by_image(outcome.predictions)
    assert values["class-precision-1"] == pytest.approx([2 / 3, 1 / 3, 2 / 3, 1])
    assert outcome.predictions.column("pool_places").to_pylist() == [4] * 4
    assert outcome.notes["pool_texts"] == 2
    assert outcome.notes["repeated_texts"] == outcome.notes["repeated_images"] == 2


def detailed(manifest: Manifest, *details: dict[str, str]) -> Manifest:
    """With these details, a row each."""
    column = manifest.table.schema.get_field_index("details")
    kind = manifest.table.schema.field("details")
    table = manifest.table.set_column(column, kind, pa.array([list(one.items()) for one in details], kind.type))
    return replace(manifest, table=table)


def test_the_first_of_the_recipes_sections_is_the_text_else_the_datasets_own(tmp_path: Path) -> None:
    rows = [(0, ["R2Gen's wording", "more"])] * 3 + [(0, ["the impression alone"]), (0, []), (0, [" "])]
    test = labelled(manifest_of(tmp_path, rows), 0, 0, 0, 0, 0, 0)
    both = {"findings": "Clear.", "impression": "No change."}
    test = detailed(
        test, both, both | {"findings": " "}, {"last_paragraph": "Signed."}, {"impression": "Stable."}, both, {}
    )
    context = trial(tmp_path, Reader(), test)
    pool = class_pool_of(context, ("findings", "impression")).pool
    own = ["R2Gen's wording", "more"]
    assert [pool.texts[text] for text in pool.text_of] == ["Clear.", "No change.", *own, "Stable.", "Clear."]
    assert pool.rows.sample_ids == ["s0", "s1", "s2", "s3", "s4"]
    assert test.texts[0] == own
    plain = class_pool_of(context, ()).pool
    assert [plain.texts[text] for text in plain.text_of] == [*own, *own, *own, "the impression alone"]


def test_rows_without_one_class_an_image_or_a_text_are_left_out(tmp_path: Path) -> None:
    rows = [(brightness, ["9 units"]) for brightness in (0, 1, 2, 3, 4)] + [(None, ["9 units"]), (6, [" "]), (7, ["7"])]
    classes = [0, None, {0: 1, 2: 1}, {0: UNCERTAIN}, {0: 1, 4: UNCERTAIN}, 0, 0, 4]
    outcome = PROTOCOL.run(trial(tmp_path, Reader(), labelled(manifest_of(tmp_path, rows), *classes)))
    assert outcome.predictions.column("sample_id").to_pylist() == ["s0", "s4", "s7"]
    assert outcome.predictions.column("class").to_pylist() == [FIVE[0], FIVE[0], FIVE[4]]
    notes = outcome.notes
    assert (notes["rows_without_class"], notes["rows_without_image"], notes["rows_without_text"]) == (3, 1, 1)


def test_nothing_to_ask_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="exactly one of Atelectasis, Cardiomegaly"):
        PROTOCOL.run(trial(tmp_path, Reader(), labelled(manifest_of(tmp_path, [(1, ["1"])]), None)))
    with pytest.raises(MissingDataError, match="both an image and a text"):
        PROTOCOL.run(trial(tmp_path, Reader(), labelled(manifest_of(tmp_path, [(1, [])]), 2)))
    with pytest.raises(UnknownNameError, match="Atelectasis"):
        PROTOCOL.run(trial(tmp_path, Reader(), manifest_of(tmp_path, [(1, ["1"])])))
    context = trial(tmp_path, Reader(), labelled(manifest_of(tmp_path, [(1, ["1"])]), 2))
    with pytest.raises(UsageError, match="not a ClassRetrievalRecipe"):
        PROTOCOL.run(replace(context, recipe=Recipe()))
    with pytest.raises(UsageError, match="names no labels"):
        PROTOCOL.run(replace(context, task=replace(TASK, target=None)))
    with pytest.raises(TrialError, match="no prediction"):
        score_classes(SCHEMA.empty_table(), NAMES)


def test_features_that_are_not_finite_are_told(tmp_path: Path) -> None:
    class Broken(Reader):
        def project_images(self, features: Tensor) -> Tensor:
            return super().project_images(features) / 0

    with pytest.raises(TrialError, match="not finite"):
        PROTOCOL.run(trial(tmp_path, Broken(), labelled(manifest_of(tmp_path, [(1, ["1"])]), 2)))


def test_a_match_head_is_not_asked_and_studies_are_read_by_two_views(tmp_path: Path) -> None:
    rows = [(2, ["21 units"]), (2, ["24 units"]), (5, ["57 units"])]
    test = labelled(manifest_of(tmp_path, rows, others=[1, 4, 7]), 0, 1, 2)
    matcher = Matcher()
    plain = PROTOCOL.run(trial(tmp_path, matcher, test))
    assert matcher.shown == [] and plain.notes["studies_of_two_views"] == 0
    outcome = PROTOCOL.run(trial(tmp_path / "studies", StudyMatcher(), test))
    assert outcome.notes["studies_of_two_views"] == 3
    assert values_of(outcome.predictions)["class-hit-1"] == 1 > values_of(plain.predictions)["class-hit-1"]


def test_a_run_asks_what_was_foreseen_and_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = trial(tmp_path, Reader(), labelled(manifest_of(tmp_path, [(1, ["1"]), (1, ["2"]), (3, [])]), 0, 1, 2))
    (foreseen,) = PROTOCOL.foreseen(context)
    asked = []
    answer = Features.answer
    monkeypatch.setattr(Features, "answer", lambda self, need: asked.append(need) or answer(self, need))
    PROTOCOL.run(context)
    assert [(one.name, one.manifest.sample_ids) for one in asked] == [(foreseen.name, foreseen.manifest.sample_ids)]
    assert isinstance(context.progress, Watched)
    assert (context.progress.phases[-1], context.progress.done) == (("rank", 2), 2)


def test_intervals_draw_patients_and_groups_are_by_class_too(tmp_path: Path) -> None:
    table = answered(tmp_path).predictions
    replicates = replicate_classes(table, ["class-precision-5"])["class-precision-5"]
    drawn = patient_counts(["a", "b", "b", "c", "c"]).astype(float)
    precision = np.array([0.6, 0.6, 0.6, 0.4, 0.4])
    np.testing.assert_allclose(replicates, precision @ drawn / drawn.sum(axis=0))
    score = score_classes(table, NAMES)["class-precision-5"]
    assert score.n == 5 and score.low < score.value < score.high
    many = pa.concat_tables([table] * 4)
    groups = PROTOCOL.groups(TASK, STANDARD_CLASS_RETRIEVAL, many)
    found = {(one.grouping, one.group): one.value for one in groups if one.metric == "class-precision-5"}
    assert list(found) == [("class", "Cardiomegaly"), ("class", "Edema"), ("sex", "F"), ("sex", "M")]
    assert found["class", "Cardiomegaly"].value == pytest.approx(0.6)
    assert found["class", "Edema"].value is None and found["sex", "M"].note == "fewer than 10 samples"


def test_a_table_keeps_all_that_its_scores_need(tmp_path: Path) -> None:
    firsts = {cut: Firsts(*(np.array([value]) for value in (0, 1, 4, 1))) for cut in CUTS}
    rows = manifest_of(tmp_path, [(1, ["1"])])
    table = class_table(rows, ["Edema"], 40, firsts)
    assert {name: values[0] for name, values in by_image(table).items()} == {
        **{"class-precision-5": 0.05, "class-precision-1": 0.25, "class-precision-10": 0.025},
        **dict.fromkeys(("class-hit-1", "class-hit-5", "class-hit-10"), 0.25),
    }
    (example,) = PROTOCOL.examples(TASK, STANDARD_CLASS_RETRIEVAL, table, 2)
    assert (example.right, example.truth.text) == (False, "Edema")
    assert example.answer.text == "0.25 of the first 10 of 40 texts are of Edema"
    with pytest.raises(UnknownNameError, match="class-hit-3"):
        score_classes(table, ["class-hit-3"])
