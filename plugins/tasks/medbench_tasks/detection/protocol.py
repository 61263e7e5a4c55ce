"""Detection: a YOLOv3 head trained on a method's feature maps, scored by mean average precision over all images.

The image is squashed to a square, as in the MGCA release; recipe ``standard`` trains mmdet's head, ``mgca`` the published
one. This module loads neither torch nor mmdet, so that predictions are scored again quickly.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from medbench_tasks.detection.exhibits import show_boxes
from medbench_tasks.detection.scoring import box_reliability, group_boxes, replicate_boxes, score_boxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.protocols import Example, GroupValue, ReliabilityBin, TrialContext, TrialOutcome
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec


class DetectionProtocol:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` of detection."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Train on ``context.train``, choose the epoch on ``context.valid``, detect on ``context.test``.

        Rows without box annotations are left out. Raises `TrialError` where a part has none annotated or where the loss
        stops being finite; `ImageError` names an image that cannot be read.
        """
        _ = context.model  # weights that cannot be used are told before mmdet is imported, ten seconds sooner
        with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it could not import
            from mmdet.utils import register_all_modules

            from medbench_tasks.detection.pipeline import train_and_detect

            register_all_modules(init_default_scope=False)  # else mmengine imports the rest, loudly, in mid-training
        return train_and_detect(context)

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """Every metric of the task, with intervals by bootstrap over patients. Raises `UnknownNameError`."""
        return score_boxes(predictions, _names(task))

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        return replicate_boxes(predictions, _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by class of boxes, sex, age band and view, where the table has them."""
        return group_boxes(predictions, _names(task))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """How often a box of some score finds a truth of its class at IoU 0.50."""
        return box_reliability(predictions)

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Boxes beside the true ones, as `medbench_tasks.detection.exhibits` says."""
        return show_boxes(predictions, count)


PROTOCOL = DetectionProtocol()


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]
