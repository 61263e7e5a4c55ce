"""Which samples show the asked finding, and where: boxes of its class, or else the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError, UsageError
from medbench_tasks.grounding.frames import boxes_in_frame, mask_in_frame
from medbench_tasks.zeroshot.names import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from medbench.manifest import Manifest, Row
    from medbench.specs import Target, TaskSpec


@dataclass(frozen=True, slots=True)
class Truths:
    """Samples with the finding and their truth in the frame, (side, side) each; ``lost`` had one too small for the frame."""

    manifest: Manifest
    masks: list[NDArray[np.bool_]]
    lost: int = 0


def asked_label(task: TaskSpec, manifest: Manifest) -> str:
    """The one label that the task grounds. Raises `UsageError` where it is not exactly one of the dataset's."""
    target: Target | None = task.target
    labels = (target.labels if target else ()) or manifest.label_names
    if len(labels) != 1:
        raise UsageError(f"task '{task.id}' grounds {len(labels)} findings", fix="its target must name one label")
    if labels[0] not in manifest.label_names:
        known = ", ".join(manifest.label_names)
        raise UsageError(f"task '{task.id}' grounds '{labels[0]}', which {manifest.dataset} does not label", fix=known)
    return labels[0]


def truths_of(manifest: Manifest, label: str, side: int) -> Truths:
    """The samples on which ``label`` is drawn. Raises as `drawn`."""
    positive = list(drawn(manifest, label, side))
    kept = [(index, mask) for index, mask in positive if mask.any()]
    return Truths(manifest.take([index for index, _ in kept]), [mask for _, mask in kept], len(positive) - len(kept))


def drawn(manifest: Manifest, label: str, side: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The index of each sample on which ``label`` is drawn, with its (side, side) truth, one at a time.

    Raises `UsageError` where no class of boxes is that label's.
    """
    box_class = _box_class(manifest, label)
    for index, row in enumerate(manifest.rows()):
        truth = _truth(row, box_class, side)
        if truth is not None:
            yield index, truth


def needed(truths: Truths, label: str) -> Truths:
    """``truths``, or `MissingDataError` where there is none."""
    if not len(truths.manifest):
        raise MissingDataError(f"{truths.manifest.dataset} has no test image on which '{label}' is drawn")
    return truths


def _box_class(manifest: Manifest, label: str) -> int | None:
    """The index of the label's boxes: the only class, or the one of the same name; None where the dataset has no boxes."""
    names = [readable(name) for name in manifest.box_names]
    if len(names) <= 1:
        return 0 if names else None
    if readable(label) not in names:
        known = ", ".join(manifest.box_names)
        raise UsageError(f"{manifest.dataset} has no boxes of '{label}'", fix=f"classes of boxes: {known}")
    return names.index(readable(label))


def _truth(row: Row, box_class: int | None, side: int) -> NDArray[np.bool_] | None:
    if box_class is not None and row.boxes is not None:
        boxes = [box for box in row.boxes if box.label == box_class]
        return boxes_in_frame(boxes, row.height, row.width, side) if boxes else None
    if box_class is None and row.mask is not None:
        mask = mask_in_frame(row.mask, side)
        return mask if mask.any() or _has_foreground(row) else None
    return None


def _has_foreground(row: Row) -> bool:
    from pycocotools import mask as coco

    mask = row.mask
    return mask is not None and bool(coco.area({"size": [mask.height, mask.width], "counts": mask.counts}))
