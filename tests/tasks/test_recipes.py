"""Training recipes: plain data, with the published values."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from medbench.errors import UsageError
from medbench_tasks.catalogue import TASKS
from medbench_tasks.recipes import (
    MGCA_DETECTION_RSNA,
    QUICK_DETECTION,
    STANDARD_DETECTION,
    DetectionRecipe,
    TrainingRecipe,
)
from medbench_tasks.segmentation.recipe import QUICK_SEGMENTATION, STANDARD_SEGMENTATION, SegmentationRecipe


def test_recipes_import_neither_torch_nor_numpy() -> None:
    code = "import sys, medbench_tasks.recipes; print([n for n in ('torch', 'numpy', 'mmengine') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scoring_detections_again_imports_no_torch() -> None:
    code = "import sys, medbench_tasks.detection.protocol; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_published_recipe_changes_lr_and_batch_at_one_percent() -> None:
    overrides = {fraction: dict(fields) for fraction, fields in MGCA_DETECTION_RSNA.fraction_overrides}
    assert overrides == {0.01: {"lr": 2e-4, "batch_size": 8}}
    assert replace(MGCA_DETECTION_RSNA, **overrides[0.01]).batch_size == 8
    assert (MGCA_DETECTION_RSNA.lr, MGCA_DETECTION_RSNA.batch_size, MGCA_DETECTION_RSNA.seeds) == (5e-4, 16, (42,))


@pytest.mark.parametrize(
    ("change", "constant"),
    [({}, True), ({"augment": True}, False), ({"batchnorm": "batch"}, False), ({"freeze_encoder": False}, False)],
)
def test_features_are_constant_only_where_nothing_moves_them(change: dict[str, object], *, constant: bool) -> None:
    assert replace(TrainingRecipe(), **change).encoder_is_constant is constant


def test_the_standard_recipe_lets_ap_see_the_whole_curve() -> None:
    assert STANDARD_DETECTION.score_threshold <= 0.05
    assert STANDARD_DETECTION.encoder_is_constant


@pytest.mark.parametrize("recipe", [STANDARD_DETECTION, STANDARD_SEGMENTATION])
def test_the_schedule_of_a_standard_recipe_runs_to_its_end_at_every_fraction(recipe: TrainingRecipe) -> None:
    for _, fields in ((1.0, ()), *recipe.fraction_overrides):
        changed = replace(recipe, **dict(fields))
        assert changed.schedule == "cosine"
        assert changed.patience >= changed.epochs
    assert (QUICK_DETECTION.fraction_overrides, QUICK_SEGMENTATION.fraction_overrides) == ((), ())


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        (TrainingRecipe, {"schedule": "linear"}, "recipe field schedule cannot be 'linear' - use constant or cosine"),
        (TrainingRecipe, {"batchnorm": "off"}, "recipe field batchnorm cannot be 'off' - use frozen or batch"),
        (TrainingRecipe, {"normalise": "zero"}, "recipe field normalise cannot be 'zero' - use method or half"),
        (DetectionRecipe, {"flavour": "yolo"}, "recipe field flavour cannot be 'yolo' - use mmdet or mgca"),
        (SegmentationRecipe, {"loss": "bce"}, "recipe field loss cannot be 'bce' - use bce-dice or mixed"),
        (
            SegmentationRecipe,
            {"mask_frame": "crop"},
            "recipe field mask_frame cannot be 'crop' - use squash or nearest or pad",
        ),
        (SegmentationRecipe, {"select": "iou"}, "recipe field select cannot be 'iou' - use dice or dice-all or loss"),
        (TrainingRecipe, {"epochs": 0}, "recipe field epochs cannot be 0 - use a whole number from 1 up"),
        (TrainingRecipe, {"batch_size": 2.5}, "recipe field batch_size cannot be 2.5 - use a whole number from 1 up"),
        (TrainingRecipe, {"image_size": 16}, "recipe field image_size cannot be 16 - use a whole number from 32 up"),
        (TrainingRecipe, {"patience": "x"}, "recipe field patience cannot be 'x' - use a whole number from 1 up"),
        (TrainingRecipe, {"validate_every": 0}, "recipe field validate_every cannot be 0 - use a whole number from 1"),
        (TrainingRecipe, {"lr": 0.0}, "recipe field lr cannot be 0.0 - use a finite number above 0"),
        (TrainingRecipe, {"lr": float("nan")}, "recipe field lr cannot be nan - use a finite number above 0"),
    ],
)
def test_a_field_out_of_its_choices_or_range_is_named(
    recipe: type[TrainingRecipe], change: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(**change)
    assert str(caught.value).startswith(message)


def test_a_split_in_which_images_recur_is_marked_as_released() -> None:
    tasks = {task.id: task for task in TASKS}
    assert all(metric.as_released for metric in tasks["siim-seg-rows"].metrics)
    assert not tasks["siim-seg"].metrics[0].as_released
