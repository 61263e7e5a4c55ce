"""A manifest as mmdet's detection samples: squashed images, and boxes in the square's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch.utils.data import Dataset

from medbench.errors import TrialError
from medbench_tasks.pixels import SquashedPixels
from medbench_tasks.training_shares import main_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext
    from medbench.samples import Box
    from medbench_tasks.recipes import TrainingRecipe


class DetectionSamples(Dataset[Any]):
    """Items of ``inputs`` (S, S) uint8 and ``data_samples`` with ``gt_instances`` (``bboxes`` x1, y1, x2, y2; ``labels``).

    The manifest is left as it is, whatever is read how often (the published dataset rescales its labels in place).
    """

    def __init__(self, manifest: Manifest, pixels: SquashedPixels, size: int) -> None:
        self._pixels = pixels
        self._size = size
        self._truths = [
            (torch.from_numpy(squashed_boxes(row.boxes or (), row.height, row.width, size)), _labels(row.boxes or ()))
            for row in manifest.rows()
        ]

    @classmethod
    def prepare(cls, manifest: Manifest, part: str, context: TrialContext) -> DetectionSamples:
        """The samples of the trial's ``part``, decoded now."""
        recipe: TrainingRecipe = context.recipe  # type: ignore[assignment]
        with main_first():
            pixels = SquashedPixels.prepare(manifest, part, recipe.image_size, context)
        return cls(manifest, pixels, recipe.image_size)

    def __len__(self) -> int:
        return len(self._truths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": self.image(index), "data_samples": self.target(index)}

    def image(self, index: int) -> torch.Tensor:
        """(S, S) uint8."""
        return torch.from_numpy(self._pixels[index])

    def target(self, index: int) -> DetDataSample:
        """The truth in the square's pixels; ``scale_factor`` is 1, so that predictions come in the same frame."""
        shape = (self._size, self._size)
        sample = DetDataSample(
            metainfo={
                "img_id": index,
                "img_shape": shape,
                "ori_shape": shape,
                "pad_shape": shape,
                "batch_input_shape": shape,
                "scale_factor": (1.0, 1.0),
            }
        )
        boxes, labels = self._truths[index]
        sample.gt_instances = InstanceData(bboxes=boxes.clone(), labels=labels.clone())
        return sample


def annotated(manifest: Manifest) -> Manifest:
    """The rows whose boxes were annotated, be there any or none. Raises `TrialError` where no row's were."""
    known = [index for index, valid in enumerate(manifest.table.column("boxes").is_valid().to_pylist()) if valid]
    if not known:
        raise TrialError(f"{manifest.dataset} has no sample with box annotations in this part")
    return manifest if len(known) == len(manifest) else manifest.take(known)


def squashed_boxes(boxes: Sequence[Box], height: int, width: int, size: int) -> NDArray[np.float32]:
    """Boxes in pixels of a ``height`` x ``width`` image -> (n, 4) corners x1, y1, x2, y2 in the square's pixels."""
    corners = np.array([(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes], np.float64)
    scale = np.array([size / width, size / height, size / width, size / height])
    scaled: NDArray[np.float32] = (corners.reshape(-1, 4) * scale).astype(np.float32)
    return scaled


def _labels(boxes: Sequence[Box]) -> torch.Tensor:
    return torch.tensor([box.label for box in boxes], dtype=torch.int64)
