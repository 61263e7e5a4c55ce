"""A detection trial from manifest to metrics, on drawn blobs and a tiny encoder."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from dense_toys import TASK, TinyEncoder, TinyPlainEncoder, blob_manifest, blobs, toy_context

from medbench.errors import MissingDataError, TrialError, UnknownNameError
from medbench.samples import Box
from medbench.specs import MetricSpec
from medbench_tasks.detection.metrics import as_released
from medbench_tasks.detection.predictions import SCHEMA, images_of, mean_boxes
from medbench_tasks.detection.protocol import PROTOCOL
from medbench_tasks.recipes import MGCA_DETECTION_RSNA, STANDARD_DETECTION

if TYPE_CHECKING:
    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext, TrialOutcome

SMALL: dict[str, Any] = {"image_size": 64, "batch_size": 8, "neck_channels": (32, 16, 16)}
STANDARD = replace(STANDARD_DETECTION, **SMALL, lr=2e-3, epochs=18)
MGCA = replace(MGCA_DETECTION_RSNA, **SMALL, epochs=2)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialContext, TrialOutcome]:
    folder = tmp_path_factory.mktemp("learnt")
    train, other = blob_manifest(folder / "train", blobs(32)), blob_manifest(folder / "other", blobs(16, seed=5))
    context = toy_context(folder / "work", STANDARD, train=train, valid=other)
    return context, PROTOCOL.run(context)


def map_of(table: Any) -> float:
    value = PROTOCOL.score(TASK, STANDARD, table)["map"].value
    assert value is not None
    return value


def test_training_finds_what_the_floors_do_not(learnt: tuple[TrialContext, TrialOutcome]) -> None:
    _, outcome = learnt
    floors = {name: map_of(table) for name, table in outcome.floors.items()}
    assert floors["no-detection"] == 0
    assert floors["mean-box"] < 0.1
    assert map_of(outcome.predictions) > 0.2


def test_each_image_is_encoded_once(learnt: tuple[TrialContext, TrialOutcome]) -> None:
    context, _ = learnt
    assert context.model.encoded == len(context.train) + len(context.valid) + len(context.test)
    phases = [name for name, _ in context.progress.phases]
    # The test part is the validation part here: its frames are there already.
    assert phases == ["prepare", "encode", "prepare", "encode", "train", "evaluate"]


def test_the_encoder_is_as_it_was(learnt: tuple[TrialContext, TrialOutcome]) -> None:
    context, _ = learnt
    assert all(
        torch.equal(value, context.model.state_dict()[name]) for name, value in TinyEncoder().state_dict().items()
    )


def test_predictions_are_in_pixels_of_the_original_image(learnt: tuple[TrialContext, TrialOutcome]) -> None:
    context, outcome = learnt
    table = outcome.predictions
    assert table.schema == SCHEMA
    assert table.column("sample_id").to_pylist() == context.test.sample_ids
    images = images_of(table)
    best = np.array([image.boxes[0] for image in images if len(image.truth_labels) and len(image.boxes)])
    truth = np.array([image.truth_boxes[0] for image in images if len(image.truth_labels) and len(image.boxes)])
    sides = (best[:, 2:] - best[:, :2]).mean(axis=0)
    np.testing.assert_allclose((truth[:, 2:] - truth[:, :2]).mean(axis=0), [36, 24])
    assert sides[0] > 1.1 * sides[1], "boxes are wide in the original frame and square in the squashed one"
    assert all((np.diff(image.scores) <= 0).all() and len(image.scores) <= 100 for image in images)


def test_every_metric_has_a_value_and_an_interval(learnt: tuple[TrialContext, TrialOutcome]) -> None:
    _, outcome = learnt
    values = PROTOCOL.score(TASK, STANDARD, outcome.predictions)
    assert list(values) == ["map", "ap50", "ap75", "map-as-released"]
    assert values["ap50"].value >= values["map"].value >= values["ap75"].value
    assert all(one.low <= one.value <= one.high for one in values.values())
    assert (values["map"].n, values["map-as-released"].n) == (16, len(as_released(images_of(outcome.predictions))))


def test_an_unknown_metric_is_named(learnt: tuple[TrialContext, TrialOutcome]) -> None:
    _, outcome = learnt
    task = replace(TASK, metrics=(MetricSpec(name="maps", title="maps"),))
    with pytest.raises(UnknownNameError, match="did you mean 'map'"):
        PROTOCOL.score(task, STANDARD, outcome.predictions)


def test_the_same_seed_gives_the_same_predictions(tmp_path: Path) -> None:
    train = blob_manifest(tmp_path / "images", blobs(8))
    short = replace(STANDARD, epochs=2)
    first, second, other = (
        PROTOCOL.run(toy_context(tmp_path / name, short, train=train, seed=seed)).predictions
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.equals(second)
    assert not first.equals(other)


def test_the_published_recipe_drifts_on_a_copy_of_the_encoder(tmp_path: Path) -> None:
    context = toy_context(tmp_path / "work", MGCA, train=blob_manifest(tmp_path / "images", blobs(8)))
    outcome = PROTOCOL.run(context)
    saved = torch.load(tmp_path / "work" / "training.pth", weights_only=True)["best"]
    assert int(saved["backbone.encoder.norm.num_batches_tracked"]) > 0
    assert int(context.model.norm.num_batches_tracked) == 0
    assert all((image.scores >= 0.5).all() for image in images_of(outcome.predictions))


def test_nothing_is_written_to_the_console(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from dataclasses import replace
        from dense_toys import blob_manifest, blobs, toy_context
        from medbench_tasks.detection.protocol import PROTOCOL
        from medbench_tasks.recipes import QUICK_DETECTION
        folder = Path(sys.argv[1])
        recipe = replace(QUICK_DETECTION, image_size=64, epochs=1)
        PROTOCOL.run(toy_context(folder / "work", recipe, train=blob_manifest(folder / "images", blobs(4))))
    """
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": here},
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_plain_encoder_of_one_map_can_be_trained_on(tmp_path: Path) -> None:
    train = blob_manifest(tmp_path / "images", blobs(6))
    context = toy_context(tmp_path / "work", replace(STANDARD, epochs=1), train=train, model=TinyPlainEncoder())
    assert PROTOCOL.run(context).predictions.num_rows == 6


@pytest.mark.parametrize("recipe", [replace(STANDARD, epochs=2), MGCA], ids=["standard", "mgca"])
def test_images_without_any_box_train_and_score_as_undefined(tmp_path: Path, recipe: Any) -> None:
    context = toy_context(tmp_path / "work", recipe, train=blob_manifest(tmp_path / "images", [[]] * 6))
    outcome = PROTOCOL.run(context)
    for table in (outcome.predictions, *outcome.floors.values()):
        values = PROTOCOL.score(TASK, recipe, table)
        assert [one.value for one in values.values()] == [None] * 4
        assert all(one.note for one in values.values())


@pytest.mark.parametrize("recipe", [replace(STANDARD, epochs=1), MGCA], ids=["standard", "mgca"])
def test_a_subset_of_one_sample_trains(tmp_path: Path, recipe: Any) -> None:
    train = blob_manifest(tmp_path / "images", blobs(2)[1:])
    outcome = PROTOCOL.run(toy_context(tmp_path / "work", recipe, train=train))
    assert outcome.predictions.num_rows == 1


def test_rows_without_annotation_are_left_out_and_counted(tmp_path: Path) -> None:
    mixed = blob_manifest(tmp_path / "images", [None, *blobs(4), None])
    outcome = PROTOCOL.run(toy_context(tmp_path / "work", replace(STANDARD, epochs=1), train=mixed))
    assert outcome.predictions.column("sample_id").to_pylist() == ["s1", "s2", "s3", "s4"]
    assert outcome.notes["unannotated_test"] == 2


def test_a_part_without_annotation_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="no sample with box annotations"):
        PROTOCOL.run(toy_context(tmp_path / "work", STANDARD, train=blob_manifest(tmp_path / "images", [None])))


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    train = blob_manifest(tmp_path / "images", blobs(4))
    (tmp_path / "images" / "2.png").write_bytes(b"not an image")
    with pytest.raises(MissingDataError, match=r"sample s2: .*2\.png"):
        PROTOCOL.run(toy_context(tmp_path / "work", STANDARD, train=train))
    assert not list((tmp_path / "work").glob("pixels-*.npy"))


def test_the_mean_box_is_relative_to_each_image(tmp_path: Path) -> None:
    manifest: Manifest = blob_manifest(
        tmp_path,
        [[Box(0, 0, 0, 48, 32)], [Box(0, 48, 32, 48, 32), Box(0, 48, 32, 48, 32)], [], []],
        height=64,
        width=96,
    )
    mean = mean_boxes(manifest)
    np.testing.assert_allclose(mean.boxes, [[1 / 3, 1 / 3, 5 / 6, 5 / 6]])
    np.testing.assert_allclose(mean.scores, [0.5])
