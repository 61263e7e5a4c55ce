"""The size of a class of boxes is the number of images that have it, whether its value is given or not."""

from __future__ import annotations

import pytest
from kept_toys import kept

from medbench_tasks.catalogue import TASKS
from medbench_tasks.detection import scoring
from medbench_tasks.detection.scoring import group_boxes

TASK = next(task for task in TASKS if task.id == "rsna-det")


@pytest.mark.parametrize("fewest", [1, 1000])
def test_the_size_of_a_class_is_the_images_that_have_it(monkeypatch: pytest.MonkeyPatch, fewest: int) -> None:
    monkeypatch.setattr(scoring, "FEWEST", fewest)
    table = kept(TASK)
    found = {one.group: one.value for one in group_boxes(table, ["map"]) if one.grouping == "class"}
    having = [sum(label in labels for labels in table.column("gt_labels").to_pylist()) for label in (0, 1)]
    assert [found[name].n for name in ("left", "right")] == having
    assert all((value.value is None) == (fewest == 1000) for value in found.values())
    assert max(having) < table.num_rows
