"""An ``auto`` target is decided by the whole dataset, so that protocols, fractions and parts cannot disagree on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import finetuning_toys
import linear_toys
import numpy as np
import pyarrow as pa
import pytest
import zeroshot_toys
from test_zeroshot_protocol import parts_of, task_of
from trial_features import whole

from medbench.protocols import TrialOutcome
from medbench.specs import Target
from medbench_tasks.classification.predictions import read_predictions
from medbench_tasks.finetuning.protocol import PROTOCOL as FINE_TUNING
from medbench_tasks.linear.neighbours import PROTOCOL as NEIGHBOURS
from medbench_tasks.linear.protocol import PROTOCOL as LINEAR
from medbench_tasks.linear.recipe import KnnRecipe, LinearRecipe
from medbench_tasks.zeroshot.protocol import PROTOCOL as ZERO_SHOT
from medbench_tasks.zeroshot.recipe import STANDARD_ZEROSHOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from medbench.manifest import Manifest
    from medbench.protocols import TaskProtocol, TrialContext

AUTO = Target(kind="auto")
ONE_HOT = np.array([[1, 0], [0, 1]] * 12, np.int8)


def frozen(protocol: TaskProtocol) -> Callable[[Path], tuple[TaskProtocol, TrialContext]]:
    recipe = LinearRecipe(c_values=(0.1, 1.0)) if protocol is LINEAR else KnnRecipe()
    features, _ = linear_toys.drawn(len(ONE_HOT), 4, 1)
    return lambda folder: (protocol, linear_toys.context_of(folder, recipe, features, ONE_HOT, target=AUTO))


def fine_tuning(folder: Path) -> tuple[TaskProtocol, TrialContext]:
    images = finetuning_toys.labelled_images(folder / "images", ONE_HOT.tolist(), ("top", "middle"))
    context = finetuning_toys.context_of(folder, replace(finetuning_toys.TOY, epochs=1), target=AUTO)
    return FINE_TUNING, replace(context, dataset=images, train=images, valid=images, test=images)


def zero_shot(folder: Path) -> tuple[TaskProtocol, TrialContext]:
    parts = parts_of(folder, ("Bright", "Dark"))
    return ZERO_SHOT, zeroshot_toys.context_of(folder, zeroshot_toys.Reader(), task_of(AUTO), STANDARD_ZEROSHOT, parts)


def with_one_sample_of_both(dataset: Manifest) -> Manifest:
    """A sample more, of no part of the split, that has both labels."""
    first = dataset.table.slice(0, 1)
    place = first.schema.get_field_index("labels")
    both = first.set_column(place, first.schema.field(place), pa.array([[1, 1]], first.schema.field(place).type))
    return whole(dataset, replace(dataset, table=both))


@pytest.mark.parametrize("make", [frozen(LINEAR), frozen(NEIGHBOURS), fine_tuning, zero_shot])
def test_the_whole_dataset_decides(tmp_path: Path, make: Callable[[Path], tuple[TaskProtocol, TrialContext]]) -> None:
    protocol, context = make(tmp_path)

    def kind(outcome: TrialOutcome) -> str:
        return read_predictions(outcome.predictions).target.kind

    assert kind(protocol.run(context)) == "multi-class"
    context = replace(context, dataset=with_one_sample_of_both(context.dataset), work_dir=tmp_path / "second")
    context.work_dir.mkdir()
    assert kind(protocol.run(context)) == "multi-label"
