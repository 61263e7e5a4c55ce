"""The predictions table of detection, its floors, and back to boxes per image.

Columns: ``sample_id``, ``patient_id``, ``height``, ``width``, ``boxes`` (x1, y1, x2, y2), ``scores``, ``labels``,
``gt_boxes``, ``gt_labels``, ``box_names`` (of all classes, the same in every row), ``sex``, ``age``, ``view``; the last four
are missing from tables of older versions. Boxes are in pixels of the original image. The published script compares them in
the squashed square instead; the IoU is the same there, because both axes are stretched alike for all boxes of an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medbench.manifest import ATTRIBUTES
from medbench_tasks.detection.metrics import ImageBoxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medbench.manifest import Manifest, Row

_BOXES = pa.list_(pa.list_(pa.float64(), 4))
SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("boxes", _BOXES, nullable=False),
        pa.field("scores", pa.list_(pa.float64()), nullable=False),
        pa.field("labels", pa.list_(pa.int32()), nullable=False),
        pa.field("gt_boxes", _BOXES, nullable=False),
        pa.field("gt_labels", pa.list_(pa.int32()), nullable=False),
        pa.field("box_names", pa.list_(pa.string()), nullable=False),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)


class Found:
    """Detections of one image: boxes (n, 4) in 0..1 of its width and height, scores (n,), labels (n,)."""

    __slots__ = ("boxes", "labels", "scores")

    def __init__(self, boxes: NDArray[np.floating], scores: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        self.boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        self.scores = np.asarray(scores, np.float64)
        self.labels = np.asarray(labels, np.int64)


def predictions_table(manifest: Manifest, found: Sequence[Found]) -> pa.Table:
    """A row per sample of ``manifest``, in its order, with that image's detections and truths."""
    rows = [_row(row, one, manifest.box_names) for row, one in zip(manifest.rows(), found, strict=True)]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for name in ATTRIBUTES:
        column = pa.array(manifest.attribute(name), pa.string())
        table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), column)
    return table


def images_of(table: pa.Table) -> list[ImageBoxes]:
    """Boxes per image, in the table's order."""
    return [
        ImageBoxes(
            boxes=np.array(row["boxes"], np.float64).reshape(-1, 4),
            scores=np.array(row["scores"], np.float64),
            labels=np.array(row["labels"], np.int64),
            truth_boxes=np.array(row["gt_boxes"], np.float64).reshape(-1, 4),
            truth_labels=np.array(row["gt_labels"], np.int64),
        )
        for row in table.select(["boxes", "scores", "labels", "gt_boxes", "gt_labels"]).to_pylist()
    ]


def box_names_of(table: pa.Table) -> tuple[str, ...]:
    """The names of the classes of boxes by label; none where the table does not keep them."""
    if "box_names" not in table.column_names or not table.num_rows:
        return ()
    return tuple(table.column("box_names")[0].as_py())


def floors(train: Manifest, test: Manifest) -> dict[str, pa.Table]:
    """Trivial answers on the test samples: nothing at all, and each class's mean training box on every image.

    The mean box's score is the share of training images that have its class.
    """
    nothing = Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
    mean = mean_boxes(train)
    return {
        "no-detection": predictions_table(test, [nothing] * len(test)),
        "mean-box": predictions_table(test, [mean] * len(test)),
    }


def mean_boxes(train: Manifest) -> Found:
    """For each class that occurs, the mean of its boxes in 0..1 and the share of images that have it."""
    boxes: dict[int, list[tuple[float, float, float, float]]] = {}
    images: dict[int, int] = {}
    for row in train.rows():
        for box in row.boxes or ():
            corners = (
                box.x / row.width,
                box.y / row.height,
                (box.x + box.width) / row.width,
                (box.y + box.height) / row.height,
            )
            boxes.setdefault(box.label, []).append(corners)
        for label in {box.label for box in row.boxes or ()}:
            images[label] = images.get(label, 0) + 1
    labels = sorted(boxes)
    return Found(
        np.array([np.mean(boxes[label], axis=0) for label in labels]),
        np.array([images[label] / len(train) for label in labels]),
        np.array(labels, np.int64),
    )


def _row(row: Row, found: Found, box_names: Sequence[str]) -> dict[str, object]:
    scale = np.array([row.width, row.height, row.width, row.height], np.float64)
    return {
        "sample_id": row.sample_id,
        "patient_id": row.patient_id,
        "height": row.height,
        "width": row.width,
        "boxes": (found.boxes * scale).tolist(),
        "scores": found.scores.tolist(),
        "labels": found.labels.tolist(),
        "gt_boxes": [[box.x, box.y, box.x + box.width, box.y + box.height] for box in row.boxes or ()],
        "gt_labels": [box.label for box in row.boxes or ()],
        "box_names": list(box_names),
    }
