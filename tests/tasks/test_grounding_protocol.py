"""The grounding protocol end to end on drawn images."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zeroshot_toys import SIDE, Asked, context_of, manifest_of

from medbench.errors import MissingDataError, TrialError, UsageError
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.masks import box_mask, empty_mask
from medbench.protocols import Analysis, TrialOutcome
from medbench.samples import Box, Sample
from medbench.specs import Recipe, Target, TaskSpec
from medbench_tasks.grounding.protocol import PROTOCOL
from medbench_tasks.grounding.recipe import (
    AS_RELEASED_GROUNDING_RSNA,
    METRICS,
    STANDARD_GROUNDING,
    GroundingRecipe,
)
from medbench_tasks.grounding.truths import truths_of

TASK = TaskSpec(
    id="toy-ground",
    title="Toy",
    dataset="toy",
    split="main",
    protocol="grounding",
    capabilities=frozenset({"Grounder"}),
    metrics=METRICS,
    recipes={"standard": STANDARD_GROUNDING},
    loader="medbench_tasks.grounding.protocol:PROTOCOL",
    target=Target(kind="multi-label", labels=("Bright",)),
)
TOY = replace(STANDARD_GROUNDING, threshold=0.1, cells=16)
"""The toy's maps have 16 cells, of which a spot fills one."""


def parts_of(folder: Path) -> tuple[Manifest, Manifest, Manifest]:
    train = manifest_of(folder / "data", [1, 0, 0, 0, 0, 0, 1], prefix="train")
    test = manifest_of(folder / "data", [0, 1, 1, 0, 1, -1, 1], prefix="test")
    return train, train.take([]), test


def run(
    folder: Path,
    model: nn.Module,
    recipe: Recipe = TOY,
    task: TaskSpec = TASK,
    parts: tuple[Manifest, Manifest, Manifest] | None = None,
) -> TrialOutcome:
    return PROTOCOL.run(context_of(folder, model, task, recipe, parts or parts_of(folder)))


def values_of(outcome: TrialOutcome, source: str | None = None) -> dict[str, float | None]:
    table = outcome.predictions if source is None else outcome.floors[source]
    return {name: value.value for name, value in PROTOCOL.score(TASK, TOY, table).items()}


def test_maps_that_see_the_spot_score_fully_on_the_images_that_show_it(tmp_path: Path) -> None:
    outcome = run(tmp_path, Asked())
    assert outcome.predictions.column("sample_id").to_pylist() == ["test1", "test2", "test4", "test6"]
    assert values_of(outcome) == {metric.name: 1.0 for metric in METRICS}
    assert outcome.notes == {"test_without_finding": 3.0, "test_finding_too_small": 0.0}


def test_the_map_itself_is_kept_to_draw(tmp_path: Path) -> None:
    row = run(tmp_path, Asked()).predictions.slice(0, 1).to_pylist()[0]
    relevance = np.array(row["map"]).reshape(row["map_height"], row["map_width"])
    assert relevance.shape == (4, 4)
    assert relevance.sum() == pytest.approx(1, abs=1e-5)
    assert np.unravel_index(relevance.argmax(), relevance.shape) == (0, 1)


def test_the_floors_look_at_no_image(tmp_path: Path) -> None:
    outcome = run(tmp_path, Asked())
    everywhere, usual = values_of(outcome, "all-ones"), values_of(outcome, "usual-place")
    assert everywhere["pointing-game"] == everywhere["iou"] == everywhere["precision"] == pytest.approx(1 / 16)
    assert everywhere["dice"] == pytest.approx(2 / 17)
    assert everywhere["recall"] == 1
    # The training spots are in cells 0 and 6; of the test spots, in 1, 2, 4 and 6, the last shares the place.
    assert usual["pointing-game"] == pytest.approx(1 / 8, abs=0.02)
    ids = [table.column("sample_id").to_pylist() for table in (outcome.predictions, *outcome.floors.values())]
    assert all(one == ids[0] for one in ids)


def test_without_training_boxes_there_is_one_floor(tmp_path: Path) -> None:
    train, valid, test = parts_of(tmp_path)
    assert set(run(tmp_path, Asked(), parts=(train.take([1, 2]), valid, test)).floors) == {"all-ones"}


def test_the_released_threshold_answers_every_pixel_whatever_the_map(tmp_path: Path) -> None:
    outcome = run(tmp_path, Asked(), replace(AS_RELEASED_GROUNDING_RSNA, released_stream=False))
    released, floor = values_of(outcome), values_of(outcome, "all-ones")
    assert released["iou"] == floor["iou"]
    assert released["dice"] == floor["dice"]
    assert released["pointing-game"] == 1, "equalising moves no peak"


def test_the_threshold_is_scaled_to_the_cells_of_the_map(tmp_path: Path) -> None:
    class Fine(Asked):
        def ground(self, images: Tensor, findings: list[str]) -> Tensor:
            maps = super().ground(images, findings)
            return maps.repeat_interleave(2, 2).repeat_interleave(2, 3) / 4

    parts = parts_of(tmp_path)
    coarse = run(tmp_path / "coarse", Asked(), parts=parts)
    fine = run(tmp_path / "fine", Fine(), parts=parts)
    assert values_of(fine) == values_of(coarse)
    assert fine.predictions.column("map_height").to_pylist() == [8] * 4


def test_a_division_by_the_maximum_is_by_batch(tmp_path: Path) -> None:
    class Fading(Asked):
        def ground(self, images: Tensor, findings: list[str]) -> Tensor:
            maps = super().ground(images, findings)
            return maps * torch.logspace(0, 1 - len(maps), len(maps))[:, None, None, None]

    parts = parts_of(tmp_path)
    recipe = replace(TOY, divide_by="batch-maximum", threshold=0.5)
    alone = run(tmp_path, Fading(), replace(recipe, batch_size=1), parts=parts)
    together = run(tmp_path, Fading(), recipe, parts=parts)
    assert values_of(alone)["recall"] == 1
    assert values_of(together)["recall"] == 0.25, "the others fade beside the first"


def test_images_that_are_not_square_are_compared_in_one_frame(tmp_path: Path) -> None:
    class Padded(Asked):
        preprocess = dataclasses.replace(Asked.preprocess, mode="pad")

    tall = manifest_of(tmp_path / "data", [1, 1, 1, 1], size=(2 * SIDE, SIDE))
    outcome = run(tmp_path, Padded(), replace(TOY, threshold=0.05), parts=(tall.take([]), tall.take([]), tall))
    values = values_of(outcome)
    assert values["pointing-game"] == 0.5, "the image fills half of the map's width, so that a cell is two spots wide"
    assert values["pointing-game-as-released"] == 1
    assert values["recall"] == 1


def test_masks_stand_in_where_the_dataset_has_no_boxes(tmp_path: Path) -> None:
    boxed = manifest_of(tmp_path / "data", [1, 0, 1])
    samples = [
        Sample(
            sample_id=row.sample_id,
            patient_id=row.patient_id,
            image=row.image.name,
            labels={"Bright": int(bool(row.boxes))},
            mask=box_mask(row.boxes, SIDE, SIDE) if row.boxes else empty_mask(SIDE, SIDE),
        )
        for row in boxed.rows()
    ]
    table = build_table(samples, ["Bright"], [ImageFacts(SIDE, SIDE, "0")] * 3)
    masked = replace(boxed, table=table, box_names=())
    truths = truths_of(masked, "Bright", 224)
    assert truths.manifest.sample_ids == ["s0", "s2"]
    for one, other in zip(truths.masks, truths_of(boxed, "Bright", 224).masks, strict=True):
        np.testing.assert_array_equal(one, other)


def test_boxes_of_other_classes_are_not_the_truth(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, [1, 1], labels=("Bright", "Other"))
    samples = [
        Sample(sample_id=str(label), patient_id="p", image="s0.png", boxes=(Box(label, 0, 0, 32, 32),))
        for label in (0, 1)
    ]
    table = build_table(samples, manifest.label_names, [ImageFacts(SIDE, SIDE, "0")] * 2)
    two = replace(manifest, table=table, box_names=("other", "BRIGHT"))
    assert truths_of(two, "Bright", 224).manifest.sample_ids == ["1"]
    with pytest.raises(UsageError, match=r"toy has no boxes of 'Hernia' - classes of boxes: other, BRIGHT"):
        truths_of(two, "Hernia", 224)


def test_a_box_too_small_for_the_frame_is_left_out_and_counted(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, [1, 1])
    samples = [
        Sample(sample_id=str(side), patient_id="p", image="s0.png", boxes=(Box(0, 1.0, 1.0, side, side),))
        for side in (1, 300)
    ]
    table = build_table(samples, manifest.label_names, [ImageFacts(1024, 1024, "0")] * 2)
    truths = truths_of(replace(manifest, table=table), "Bright", 224)
    assert (truths.manifest.sample_ids, truths.lost) == (["300"], 1)


def test_a_test_part_without_the_finding_is_said(tmp_path: Path) -> None:
    train, valid, test = parts_of(tmp_path)
    with pytest.raises(MissingDataError, match="toy has no test image on which 'Bright' is drawn"):
        run(tmp_path, Asked(), parts=(train, valid, test.take([0, 3])))


@pytest.mark.parametrize(
    ("labels", "said"),
    [(("Bright", "Dark"), "grounds 2 findings"), (("Hernia",), "grounds 'Hernia', which toy does not label")],
)
def test_a_task_that_names_no_single_label_is_refused(tmp_path: Path, labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(tmp_path, Asked(), task=replace(TASK, target=Target(kind="multi-label", labels=labels)))


def test_a_finding_that_the_method_does_not_know_is_its_own_error(tmp_path: Path) -> None:
    train, valid, test = (replace(part, label_names=("Hernia",)) for part in parts_of(tmp_path))
    with pytest.raises(UsageError, match="unknown finding 'hernia' - known: bright, dark"):
        run(tmp_path, Asked(), task=replace(TASK, target=None), parts=(train, valid, test))


def test_maps_that_are_not_finite_fail_the_trial(tmp_path: Path) -> None:
    class Broken(Asked):
        def ground(self, images: Tensor, findings: list[str]) -> Tensor:
            return super().ground(images, findings) * torch.nan

    with pytest.raises(TrialError, match="not finite"):
        run(tmp_path, Broken())


def test_maps_of_another_shape_fail_the_trial(tmp_path: Path) -> None:
    class Flat(Asked):
        def ground(self, images: Tensor, findings: list[str]) -> Tensor:
            return super().ground(images, findings).flatten(1)

    with pytest.raises(TrialError, match=r"maps of 'bright' have shape \(4, 16\), not \(images, 1, height, width\)"):
        run(tmp_path, Flat())


def test_replicates_are_of_the_same_patients_for_every_table(tmp_path: Path) -> None:
    outcome = run(tmp_path, Asked())
    assert isinstance(PROTOCOL, Analysis)
    replicates = PROTOCOL.replicates(TASK, TOY, outcome.floors["all-ones"])
    assert list(replicates) == [metric.name for metric in METRICS]
    np.testing.assert_allclose(replicates["iou"], 1 / 16)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("divide_by", "sum"),
        ("map", "saliency"),
        ("cells", 0),
        ("batch_size", 0),
        ("side", 0),
        ("threshold", float("nan")),
    ],
)
def test_fields_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"recipe field {field} cannot be"):
        replace(STANDARD_GROUNDING, **{field: value})


def test_a_recipe_of_another_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gives Recipe, not a GroundingRecipe"):
        run(tmp_path, Asked(), Recipe())


def test_the_default_is_medklips_threshold_on_14_by_14_cells() -> None:
    assert GroundingRecipe() == STANDARD_GROUNDING
    assert (STANDARD_GROUNDING.threshold, STANDARD_GROUNDING.cells) == (0.008, 14 * 14)
