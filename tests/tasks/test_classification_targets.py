"""Targets settle by the data, and labels read as the recipe says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from classification_toys import manifest_of

from medbench.errors import MissingDataError, UnknownNameError, UsageError
from medbench.samples import UNCERTAIN
from medbench.specs import Target
from medbench_tasks.classification.recipe import LabelRecipe
from medbench_tasks.classification.targets import labelled, settle, truth_of

AUTO = Target(kind="auto")
BOTH = Target(kind="multi-label", labels=("A", "B"))


def _truth(rows: list[dict[str, int]], target: Target = BOTH, **recipe: Any) -> list[list[int]]:
    return truth_of(manifest_of(rows), target, LabelRecipe(**recipe)).tolist()


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([{"A": 1, "B": 0}, {"A": 0, "B": 1}, {}], "multi-class"),
        ([{"A": 1, "B": 0}, {"A": 0, "B": 0}], "multi-label"),
        ([{"A": 1, "B": 1}, {"A": 0, "B": 1}], "multi-label"),
        ([{"A": 1, "B": 0}, {"A": 1}], "multi-label"),
        ([{"A": 1, "B": UNCERTAIN}, {"A": 0, "B": 1}], "multi-label"),
        ([{}, {}], "multi-label"),
    ],
)
def test_auto_is_multi_class_only_where_every_labelled_sample_has_exactly_one(rows: Any, kind: str) -> None:
    assert settle(AUTO, manifest_of(rows)) == Target(kind=kind, labels=("A", "B"))


def test_one_label_alone_is_multi_label_and_labels_keep_the_order_asked_for() -> None:
    manifest = manifest_of([{"A": 1, "B": 0}])
    assert settle(Target(kind="auto", labels=("B",)), manifest) == Target(kind="multi-label", labels=("B",))
    backwards = settle(Target(kind="auto", labels=("B", "A")), manifest)
    assert backwards == Target(kind="multi-class", labels=("B", "A"))
    assert truth_of(manifest, backwards, LabelRecipe()).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({}, [[1, -1], [-1, 0], [-1, -1]]),
        ({"blank": "absent"}, [[1, -1], [0, 0], [0, 0]]),
        ({"uncertain": "present"}, [[1, 1], [-1, 0], [-1, -1]]),
        ({"uncertain": "absent"}, [[1, 0], [-1, 0], [-1, -1]]),
        ({"uncertain": "absent", "uncertain_present": ("B",)}, [[1, 1], [-1, 0], [-1, -1]]),
        ({"uncertain_absent": ("B",)}, [[1, 0], [-1, 0], [-1, -1]]),
    ],
)
def test_unknown_and_uncertain_labels_read_as_the_recipe_says(recipe: Any, expected: Any) -> None:
    assert _truth([{"A": 1, "B": UNCERTAIN}, {"B": 0}, {}], **recipe) == expected


def test_multi_class_rows_are_one_hot_or_masked_throughout() -> None:
    target = Target(kind="multi-class", labels=("A", "B"))
    rows = [{"A": 1, "B": 0}, {"B": 1}, {"A": 1, "B": 1}, {"A": 0, "B": 0}, {"A": 0}, {"A": 1, "B": UNCERTAIN}, {}]
    assert _truth(rows, target) == [[1, 0], [0, 1], *[[-1, -1]] * 5]
    assert _truth(rows, target, uncertain="absent")[5] == [1, 0]


def test_samples_without_a_label_are_dropped_in_order() -> None:
    manifest = manifest_of([{"A": 1}, {}, {"B": 0}])
    assert labelled(manifest, "test", BOTH, LabelRecipe()).sample_ids == ["s0", "s2"]
    assert labelled(manifest, "test", BOTH, LabelRecipe(blank="absent")) is manifest


@pytest.mark.parametrize(
    ("part", "target", "recipe", "mend"),
    [
        ("train", BOTH, {}, " - use a larger fraction, or --set blank=absent"),
        ("test", BOTH, {}, " - --set blank=absent"),
        ("train", Target(kind="multi-class", labels=("A", "B")), {}, " - use a larger fraction"),
        ("valid", Target(kind="multi-label", labels=("A",)), {"blank": "absent"}, ""),
    ],
)
def test_a_part_without_a_label_is_named_with_what_mends_it(part: Any, target: Target, recipe: Any, mend: str) -> None:
    names = ", ".join(target.labels)
    with pytest.raises(MissingDataError) as caught:
        labelled(manifest_of([{"A": UNCERTAIN}, {"A": UNCERTAIN}]), part, target, LabelRecipe(**recipe))
    assert str(caught.value) == f"none of the 2 {part} samples of toy has a usable label of {names}{mend}"


def test_labels_that_the_dataset_lacks_are_refused_with_the_nearest() -> None:
    manifest = manifest_of([{"Edema": 1}], names=("Edema",))
    with pytest.raises(UnknownNameError, match="unknown label of toy 'Oedema' - did you mean 'Edema'"):
        settle(Target(kind="auto", labels=("Oedema",)), manifest)
    with pytest.raises(UnknownNameError, match="Edemas"):
        truth_of(manifest, Target(kind="multi-label", labels=("Edema",)), LabelRecipe(uncertain_present=("Edemas",)))
    with pytest.raises(MissingDataError, match="toy has no labels"):
        settle(AUTO, manifest_of([{}], names=()))


def test_targets_and_labels_that_make_no_sense_are_refused() -> None:
    manifest = manifest_of([{"A": 2, "B": 0}])
    with pytest.raises(UsageError, match="names a label twice"):
        settle(Target(kind="auto", labels=("A", "A")), manifest)
    with pytest.raises(UsageError, match="needs two labels or more"):
        settle(Target(kind="multi-class", labels=("A",)), manifest)
    with pytest.raises(UsageError, match="not settled"):
        truth_of(manifest, AUTO, LabelRecipe())
    with pytest.raises(UsageError, match="label 'A' of toy has more than two values"):
        truth_of(manifest, BOTH, LabelRecipe())


def test_recipes_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(UsageError, match="recipe field uncertain cannot be 'maybe'"):
        LabelRecipe(uncertain="maybe")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="label 'A' stands in both"):
        LabelRecipe(uncertain_present=("A",), uncertain_absent=("A", "B"))


def test_recipes_and_the_catalogue_of_metrics_load_neither_numpy_nor_torch() -> None:
    modules = "medbench_tasks.classification.recipe, medbench_tasks.classification.metrics_catalogue"
    code = f"import sys, {modules}; sys.exit(bool({{'numpy', 'torch', 'pyarrow', 'scipy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
