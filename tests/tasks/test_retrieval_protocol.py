"""Retrieval from images and texts to scores, through models made here: by embeddings, re-ranked, cut off and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from retrieval_toys import NAMES, TASK, Matcher, Reader, StudyMatcher, Watched, context_of, manifest_of
from torch import Tensor

from medbench.capabilities import StudyEncoder
from medbench.errors import StoreError, TrialError, UsageError
from medbench.protocols import Analysis, Compute, TrialOutcome
from medbench.specs import Recipe
from medbench_tasks.retrieval.protocol import PROTOCOL
from medbench_tasks.retrieval.recipe import EMBEDDING_RETRIEVAL, STANDARD_RETRIEVAL, RetrievalRecipe

TENS = [(10 * index, [f"{10 * index} units"]) for index in range(20)]


def _values(outcome: TrialOutcome) -> dict[str, float | None]:
    return {name: one.value for name, one in PROTOCOL.score(TASK, STANDARD_RETRIEVAL, outcome.predictions).items()}


def test_a_method_that_reads_finds_all_by_embeddings(tmp_path: Path) -> None:
    context = context_of(tmp_path, Reader(), manifest_of(tmp_path, TENS))
    outcome = PROTOCOL.run(context)
    values = _values(outcome)
    assert list(values) == NAMES
    assert values["rsum"] == 6
    assert values["mean-recall"] == values["mean-recall-as-released"] == values["i2t-median-rank"] == 1
    chance = PROTOCOL.score(TASK, STANDARD_RETRIEVAL, outcome.floors["chance"])
    assert chance["i2t-r5"].value == pytest.approx(5 / 20)
    assert chance["i2t-median-rank"].value == 10.5
    assert outcome.notes["pool_images"] == outcome.notes["pool_texts"] == 20
    assert outcome.notes["pairs_matched"] == 0
    assert outcome.predictions.column("sample_id").to_pylist() == context.test.sample_ids
    watched = context.progress
    assert isinstance(watched, Watched)
    assert watched.phases[-1] == ("rank", 40)
    assert watched.done == 40


def test_the_match_head_has_the_last_word_on_the_nearest(tmp_path: Path) -> None:
    """Its head asks for the number one above, so that with a list of two it takes the wrong one of neighbours."""
    rows = [(index, [f"{index} units"]) for index in range(12)]
    model = Matcher()
    outcome = PROTOCOL.run(context_of(tmp_path, model, manifest_of(tmp_path, rows), rerank=3))
    values = _values(outcome)
    assert values["embedding-mean-recall"] == 1
    assert values["i2t-r1"] == pytest.approx(1 / 12)  # the last one has none above
    assert values["t2i-r1"] == pytest.approx(1 / 12)
    assert values["i2t-r5"] == values["i2t-r1-as-released"] * 12 == 1
    assert len(model.shown) == len(set(model.shown)) == outcome.notes["pairs_matched"]
    assert 36 <= len(model.shown) <= 72


def test_a_recipe_without_re_ranking_asks_no_match(tmp_path: Path) -> None:
    model = Matcher()
    outcome = PROTOCOL.run(context_of(tmp_path, model, manifest_of(tmp_path, TENS), rerank=0))
    assert _values(outcome)["mean-recall"] == 1
    assert model.shown == []


def test_a_pool_smaller_than_the_list_and_a_single_image(tmp_path: Path) -> None:
    values = _values(PROTOCOL.run(context_of(tmp_path, Matcher(), manifest_of(tmp_path, [(5, ["5 units"])]))))
    assert values["rsum"] == 6
    assert values["t2i-median-rank"] == 1


def test_duplicate_captions_are_right_for_each_image_but_not_as_released(tmp_path: Path) -> None:
    rows = [(10, ["10 units"]), (11, ["10 units"]), (12, ["10 UNITS"]), (100, ["100 units"])]
    context = context_of(tmp_path, Reader(), manifest_of(tmp_path, rows))
    outcome = PROTOCOL.run(context)
    values = _values(outcome)
    assert values["i2t-r1"] == values["t2i-r1"] == 1
    assert isinstance(context.progress, Watched)
    assert context.progress.phases[-1] == ("rank", 4 + 2 + 4 + 4)
    assert context.progress.done == 14
    assert values["i2t-r1-as-released"] == pytest.approx(2 / 4)  # of three places that tie, the last stands first
    assert outcome.notes["repeated_texts"] == 2


def test_any_language_any_length_and_blanks_go_through(tmp_path: Path) -> None:
    texts = [["", " "], ["肺炎，右下叶"], ["word " * 5000], ["30 " + "лёгкие " * 10], ["\u200b"]]
    rows = [(10 * index, one) for index, one in enumerate(texts)]
    outcome = PROTOCOL.run(context_of(tmp_path, Matcher(), manifest_of(tmp_path, rows)))
    assert outcome.predictions.num_rows == 4
    assert outcome.notes["rows_without_text"] == 1
    assert outcome.notes["blank_texts"] == 2
    assert 0 < _values(outcome)["mean-recall"] <= 1


class _StopsOnce(Matcher):
    """Is cut off after some images."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().match(tokens, texts)


def test_a_second_start_matches_only_what_the_first_did_not(tmp_path: Path) -> None:
    test = manifest_of(tmp_path, TENS)
    whole = PROTOCOL.run(context_of(tmp_path / "other", Matcher(), test, rerank=4))
    with pytest.raises(KeyboardInterrupt):
        PROTOCOL.run(context_of(tmp_path, _StopsOnce(7), test, rerank=4))
    (kept,) = (tmp_path / "work").glob("match-*.f32")
    kept.write_bytes(kept.read_bytes()[:-3])  # a kill in the middle of writing loses one image
    again = Matcher()
    resumed = PROTOCOL.run(context_of(tmp_path, again, test, rerank=4))
    assert resumed.predictions == whole.predictions
    assert {image for image, _ in again.shown} == {10 * index for index in range(6, 20)}


def test_a_second_start_of_another_code_or_precision_matches_all_again(tmp_path: Path) -> None:
    test = manifest_of(tmp_path, TENS)
    context = context_of(tmp_path, Matcher(), test, rerank=4)
    PROTOCOL.run(context)
    for change in (
        {"identity": replace(context.features.identity, code="another")},
        {"text_files": "another"},
        {"compute": Compute(precision="bf16")},
    ):
        again = Matcher()
        features = replace(context.features, load=lambda again=again: again, **change)
        PROTOCOL.run(replace(context, features=features, compute=features.compute))
        assert {image for image, _ in again.shown} == set(range(0, 200, 10)), change


def test_the_match_head_computes_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    class Precise(Matcher):
        def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
            kinds.add((tokens[0] @ tokens[0].T).dtype)
            return super().match(tokens, texts)

    for precision, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        kinds: set[torch.dtype] = set()
        context = context_of(tmp_path / precision, Precise(), manifest_of(tmp_path, TENS))
        compute = Compute(precision=precision)
        PROTOCOL.run(replace(context, compute=compute, features=replace(context.features, compute=compute)))
        assert kinds == {kind}


def test_a_method_that_reads_studies_is_shown_both_views(tmp_path: Path) -> None:
    assert isinstance(StudyMatcher(), StudyEncoder)
    rows = [(2, ["21 units"]), (2, ["24 units"]), (2, ["22 units"]), (2, ["22 units"]), (5, ["57 units"])]
    test = manifest_of(tmp_path, rows, others=[1, 4, None, 2, 7])
    model = StudyMatcher()
    outcome = PROTOCOL.run(context_of(tmp_path, model, test))
    values = _values(outcome)
    assert values["rsum"] == 6
    assert values["embedding-mean-recall"] == 1
    assert model.studies == 2 * 4, "for features and for tokens; a single image is its own second view"
    assert outcome.notes["studies_of_two_views"] == 4
    assert outcome.notes["pool_images"] == 4
    plain = PROTOCOL.run(context_of(tmp_path / "plain", Matcher(), test))
    assert plain.notes["pool_images"] == 2
    assert plain.notes["studies_of_two_views"] == 0


def test_a_method_that_reads_studies_reads_single_images_as_such_where_no_study_has_two(tmp_path: Path) -> None:
    model = StudyMatcher()
    outcome = PROTOCOL.run(context_of(tmp_path, model, manifest_of(tmp_path, TENS), rerank=0))
    assert model.studies == 0
    assert _values(outcome)["rsum"] == 6


@pytest.mark.parametrize(("value", "shape"), [(float("nan"), None), (0.0, (1, 1))])
def test_match_scores_of_no_use_are_told(tmp_path: Path, value: float, shape: tuple[int, int] | None) -> None:
    class Broken(Matcher):
        def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
            return torch.full(shape or (len(texts),), value)

    with pytest.raises(TrialError, match="match"):
        PROTOCOL.run(context_of(tmp_path, Broken(), manifest_of(tmp_path, TENS)))


def test_features_that_are_not_finite_are_told(tmp_path: Path) -> None:
    class Broken(Reader):
        def project_images(self, features: Tensor) -> Tensor:
            return super().project_images(features) / 0

    with pytest.raises(TrialError, match="not finite"):
        PROTOCOL.run(context_of(tmp_path, Broken(), manifest_of(tmp_path, TENS)))


def test_a_disk_that_takes_no_scores_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write"):
        PROTOCOL.run(context_of(tmp_path, Matcher(), manifest_of(tmp_path, TENS)))


def test_it_offers_replicates_and_groups(tmp_path: Path) -> None:
    assert isinstance(PROTOCOL, Analysis)
    test = manifest_of(tmp_path, TENS, sex=["F", "M"] * 10)
    outcome = PROTOCOL.run(context_of(tmp_path, Reader(), test))
    replicates = PROTOCOL.replicates(TASK, STANDARD_RETRIEVAL, outcome.predictions)
    assert list(replicates) == NAMES
    assert np.isfinite(replicates["mean-recall"]).all()
    assert {one.group for one in PROTOCOL.groups(TASK, STANDARD_RETRIEVAL, outcome.predictions)} == {"F", "M"}
    assert PROTOCOL.reliability(TASK, STANDARD_RETRIEVAL, outcome.predictions) == ()


def test_recipes_refuse_what_makes_no_sense(tmp_path: Path) -> None:
    assert (STANDARD_RETRIEVAL.rerank, EMBEDDING_RETRIEVAL.rerank) == (256, 0)
    with pytest.raises(UsageError, match="rerank"):
        RetrievalRecipe(rerank=-1)
    context = context_of(tmp_path, Reader(), manifest_of(tmp_path, TENS))
    object.__setattr__(context, "recipe", Recipe())
    with pytest.raises(UsageError, match="not a RetrievalRecipe"):
        PROTOCOL.run(context)
