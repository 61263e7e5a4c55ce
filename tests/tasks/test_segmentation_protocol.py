"""The segmentation protocol end to end on drawn images: what it learns, leaves out, repeats and resumes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from segmentation_toys import SIDE, TASK, Silent, ToyPyramid, ToySingleMap, context_of, draw_manifest

from medbench.errors import MissingDataError, UsageError
from medbench.specs import Recipe
from medbench_tasks import training
from medbench_tasks.pixels import SquashedPixels
from medbench_tasks.segmentation.protocol import PROTOCOL
from medbench_tasks.segmentation.recipe import (
    METRICS,
    MGCA_SEGMENTATION_RSNA,
    MGCA_SEGMENTATION_SIIM,
    STANDARD_SEGMENTATION,
)
from medbench_tasks.segmentation.samples import SegmentationSamples

QUICK = {"image_size": SIDE, "batch_size": 4, "lr": 2e-3}
STANDARD = replace(STANDARD_SEGMENTATION, epochs=8, **QUICK)
MGCA = replace(MGCA_SEGMENTATION_SIIM, epochs=6, **QUICK)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return draw_manifest(folder, 24, 1), draw_manifest(folder, 8, 2), draw_manifest(folder, 13, 3)


@pytest.fixture(scope="module")
def standard(parts, tmp_path_factory):
    """A finished standard trial: its context and outcome."""
    context = context_of(tmp_path_factory.mktemp("standard"), ToyPyramid(), STANDARD, parts)
    return context, PROTOCOL.run(context)


def _dice(table) -> float:
    return PROTOCOL.score(TASK, STANDARD, table)["dice-positive"].value


def test_standard_learns_beyond_both_floors(standard):
    _, outcome = standard
    assert set(outcome.floors) == {"all-background", "mean-mask"}
    assert _dice(outcome.floors["all-background"]) == 0
    assert _dice(outcome.floors["mean-mask"]) > 0
    assert _dice(outcome.predictions) > _dice(outcome.floors["mean-mask"]) + 0.1


def test_scores_come_from_the_table_alone_with_every_metric_and_interval(standard):
    context, outcome = standard
    scores = PROTOCOL.score(context.task, context.recipe, outcome.predictions)
    assert list(scores) == [metric.name for metric in METRICS]
    assert all(score.low <= score.value <= score.high for score in scores.values())
    assert outcome.predictions.column("sample_id").to_pylist() == context.test.sample_ids
    assert outcome.predictions.column("batch").to_pylist() == [index // 4 for index in range(13)]


def test_a_constant_encoder_sees_each_training_image_once(standard):
    context, outcome = standard
    assert context.model.encoded == 24 + 8 + 13
    assert context.progress.phases == [*["prepare"] * 7, "encode", "encode", "train", "evaluate"]
    assert outcome.notes["epochs"] == 8


def test_a_finished_training_is_not_repeated(standard, parts):
    context, outcome = standard
    once_more = context_of(context.work_dir.parent, ToyPyramid(), STANDARD, parts)
    again = PROTOCOL.run(once_more)
    assert again.predictions.equals(outcome.predictions)
    assert not once_more.progress.losses


def test_a_killed_trial_goes_on_and_ends_as_one_that_was_not(standard, parts, tmp_path, monkeypatch):
    _, outcome = standard
    monkeypatch.setattr(training, "fit", partial(training.fit, save_seconds=0))
    context = context_of(tmp_path, ToyPyramid(), STANDARD, parts)
    with pytest.raises(KeyboardInterrupt):
        PROTOCOL.run(replace(context, progress=Silent(kill_at=4)))
    second_start = context_of(tmp_path, ToyPyramid(), STANDARD, parts)
    resumed = PROTOCOL.run(second_start)
    assert resumed.predictions.equals(outcome.predictions)
    assert len(second_start.progress.losses) == 5
    assert resumed.notes["epochs"] == 8


def test_the_published_recipe_balances_and_learns_on_a_copy_of_the_model(parts, tmp_path):
    model = ToyPyramid()
    train = draw_manifest(tmp_path, 33, 7, lambda index: index % 3 == 0)
    context = context_of(tmp_path, model, MGCA, (train, *parts[1:]))
    outcome = PROTOCOL.run(context)
    assert _dice(outcome.predictions) > max(_dice(floor) for floor in outcome.floors.values())
    assert outcome.notes["train_images"] == 22
    assert "encode" not in context.progress.phases
    assert model.encoded == 0  # what training changes is a copy: the next trial gets the model as it was


def test_a_single_map_learns_too(parts, tmp_path):
    outcome = PROTOCOL.run(context_of(tmp_path, ToySingleMap(), replace(STANDARD, epochs=4), parts))
    assert _dice(outcome.predictions) > _dice(outcome.floors["mean-mask"])


def test_rows_without_a_mask_are_left_out_and_counted(parts, tmp_path):
    train, valid, _ = parts
    test = draw_manifest(tmp_path, 6, 4, lambda index: None if index < 2 else True)
    recipe = replace(STANDARD, epochs=1)
    outcome = PROTOCOL.run(context_of(tmp_path, ToySingleMap(), recipe, (train, valid, test)))
    assert outcome.predictions.num_rows == 4
    assert outcome.notes["test_without_mask"] == 2
    assert outcome.notes["train_without_mask"] == 0


def test_a_part_without_masks_is_refused_before_training(parts, tmp_path):
    train, _, test = parts
    bare = draw_manifest(tmp_path, 2, 5, lambda index: None)
    with pytest.raises(MissingDataError, match="no mask annotation on the 2 samples of the valid part"):
        PROTOCOL.run(context_of(tmp_path, ToySingleMap(), STANDARD, (train, bare, test)))


def test_a_test_part_without_foreground_is_said_and_not_crashed(parts, tmp_path):
    train, _, _ = parts
    empty = draw_manifest(tmp_path, 4, 6, lambda index: False)
    recipe = replace(STANDARD, epochs=1)
    outcome = PROTOCOL.run(context_of(tmp_path, ToySingleMap(), recipe, (train, empty, empty)))
    scores = PROTOCOL.score(TASK, recipe, outcome.predictions)
    assert scores["dice-positive"].value is None
    assert scores["dice-positive"].note == "no test image has foreground"
    assert PROTOCOL.score(TASK, recipe, outcome.floors["all-background"])["dice-all"].value == 1


def test_augmentation_depends_on_seed_epoch_and_sample_alone(parts, tmp_path):
    train, _, _ = parts
    pixels = SquashedPixels.prepare(train, "train", SIDE, context_of(tmp_path, ToySingleMap(), MGCA, parts))

    def drawn(seed: int, epoch: int) -> torch.Tensor:
        samples = SegmentationSamples(train, pixels, MGCA, Silent(), augment_seed=seed)
        samples.set_epoch(epoch)
        return torch.stack([samples[index]["inputs"] for index in range(8)])

    assert torch.equal(drawn(0, 3), drawn(0, 3))
    assert not torch.equal(drawn(0, 3), drawn(0, 4))
    assert not torch.equal(drawn(0, 3), drawn(1, 3))
    plain = SegmentationSamples(train, pixels, MGCA, Silent(), augment_seed=0).image(0)
    assert torch.equal(plain, SegmentationSamples(train, pixels, MGCA, Silent())[0]["inputs"])


def test_a_recipe_of_another_protocol_is_refused(parts, tmp_path):
    context = replace(context_of(tmp_path, ToySingleMap(), STANDARD, parts), recipe=Recipe())
    with pytest.raises(UsageError, match="gives Recipe, not a SegmentationRecipe"):
        PROTOCOL.run(context)


def test_published_presets_hold_the_published_values():
    siim, rsna = MGCA_SEGMENTATION_SIIM, MGCA_SEGMENTATION_RSNA
    assert (siim.lr, siim.weight_decay, siim.epochs, siim.patience, siim.seeds) == (5e-4, 0.05, 50, 10, (42,))
    assert (siim.batch_size, rsna.batch_size) == (8, 16)
    assert (siim.balance_train, rsna.balance_train) == (True, False)
    assert (siim.batchnorm, siim.select, siim.loss, siim.mask_frame) == ("batch", "loss", "mixed", "pad")
    assert (siim.drop_last, rsna.drop_last, siim.normalise, rsna.normalise) == (True, True, "half", "half")


def test_recipes_load_no_numpy_and_scoring_loads_no_torch():
    code = (
        "import sys, medbench_tasks.segmentation.recipe as r; assert 'numpy' not in sys.modules;"
        "import medbench_tasks.segmentation.protocol as p; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
