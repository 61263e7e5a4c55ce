"""Detection: a YOLOv3 head trained on a method's feature maps, scored by mean average precision over all images.

The image is squashed to a square, as in the MGCA release; recipe ``standard`` trains mmdet's head, ``mgca`` the published
one. This module loads neither torch nor mmdet, so that predictions are scored again quickly.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from medbench.errors import UnknownNameError
from medbench.records import MetricValue
from medbench_tasks.detection.metrics import ALL_THRESHOLDS, IOU_THRESHOLDS, as_released, confident, estimate, match
from medbench_tasks.detection.predictions import images_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from medbench.protocols import TrialContext, TrialOutcome
    from medbench.specs import Recipe, TaskSpec
    from medbench_tasks.detection.metrics import Estimate, ImageBoxes

THRESHOLDS = {
    "map": ALL_THRESHOLDS,
    "ap50": (IOU_THRESHOLDS.index(0.50),),
    "ap75": (IOU_THRESHOLDS.index(0.75),),
}
AS_RELEASED = "map-as-released"
METRICS = (*THRESHOLDS, AS_RELEASED)


class DetectionProtocol:
    """The `medbench.protocols.TaskProtocol` of detection."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Train on ``context.train``, choose the epoch on ``context.valid``, detect on ``context.test``.

        Rows without box annotations are left out. Raises `TrialError` where a part has none annotated or where the loss
        stops being finite; `ImageError` names an image that cannot be read.
        """
        with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it could not import
            from mmdet.utils import register_all_modules

            from medbench_tasks.detection.pipeline import train_and_detect

            register_all_modules(init_default_scope=False)  # else mmengine imports the rest, loudly, in mid-training
        return train_and_detect(context)

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """Every metric of the task, with intervals by bootstrap over patients. Raises `UnknownNameError`."""
        names = [metric.name for metric in task.metrics]
        for name in names:
            if name not in METRICS:
                raise UnknownNameError("metric of detection", name, METRICS)
        images = images_of(predictions)
        patients = predictions.column("patient_id").to_pylist()
        wanted = {name: THRESHOLDS[name] for name in names if name in THRESHOLDS}
        found = estimate(match(images), patients, wanted)
        values = {name: _value(one, len(images), "no image has a truth") for name, one in found.items()}
        if AS_RELEASED in names:
            values[AS_RELEASED] = _as_released_value(images, patients)
        return {name: values[name] for name in names}


PROTOCOL = DetectionProtocol()


def _as_released_value(images: Sequence[ImageBoxes], patients: Sequence[str]) -> MetricValue:
    used = as_released(images)
    detections = match([confident(images[index]) for index in used])
    found = estimate(detections, [patients[index] for index in used], {AS_RELEASED: ALL_THRESHOLDS})
    return _value(found[AS_RELEASED], len(used), "no image has both a truth and a detection of score 0.5 or more")


def _value(found: Estimate | None, images: int, absent: str) -> MetricValue:
    if found is None:
        return MetricValue(value=None, n=images, note=absent)
    return MetricValue(value=found.value, low=found.low, high=found.high, n=images)
