"""Training recipes: plain data, with the published values."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from medbench_tasks.recipes import MGCA_DETECTION_RSNA, STANDARD_DETECTION, TrainingRecipe


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
