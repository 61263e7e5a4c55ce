"""What a trained generator is given of a study: frozen features of its images, or the images themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from medbench.preprocessing import resized
from medbench_tasks.generation.pictures import KeptPictures
from medbench_tasks.generation.studies import view_counts, view_pictures
from medbench_tasks.patches import patch_need
from medbench_tasks.pixels import framing_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest, Picture, Which
    from medbench.mapped_rows import MappedRows
    from medbench.protocols import FeatureNeed, TrialContext
    from medbench.specs import Part
    from medbench_tasks.generation.studies import Studies

_LONGEST = 4


class PatchStudies(Dataset[Any]):
    """``self[i]`` is ``{"inputs": (views, tokens, channels) float32, "data_samples": reference}``, read from the disk.

    The tokens of an image are its `medbench_tasks.patches.patch_features`.
    """

    def __init__(self, rows: list[MappedRows], places: NDArray[np.int64], references: list[str]) -> None:
        self._rows = rows
        self._places = places
        self._references = references
        self.epoch = 0

    @classmethod
    def of(cls, studies: Studies, context: TrialContext, *, views: int, grid: int) -> PatchStudies:
        """Encode what is not in the cache yet. Raises as `medbench_tasks.patches.patch_features`."""
        manifest = studies.manifest
        counts = np.asarray(view_counts(manifest, views))
        places = np.zeros((len(studies), views, 2), np.int64)
        rows: list[MappedRows] = []
        for view in range(views):
            having = np.flatnonzero(counts > view)
            places[:, view] = places[:, max(view - 1, 0)]  # the last view again where a study has fewer
            if not len(having):
                continue
            places[having, view, 0] = len(rows)
            places[having, view, 1] = np.arange(len(having))
            rows.append(context.features.answer_mapped(_view_need(manifest, having, view, grid)))
        return cls(rows, places, studies.references)

    @staticmethod
    def foreseen(studies: Studies, *, views: int, grid: int) -> Iterator[FeatureNeed]:
        """What `of` asks of the encoder."""
        counts = np.asarray(view_counts(studies.manifest, views))
        for view in range(views):
            having = np.flatnonzero(counts > view)
            if len(having):
                yield _view_need(studies.manifest, having, view, grid)

    @property
    def shape(self) -> tuple[int, int]:
        """(tokens, channels) of an image."""
        tokens, channels = self._rows[0].row_shape
        return tokens, channels

    def __len__(self) -> int:
        return len(self._references)

    def set_epoch(self, epoch: int) -> None:
        """Remember the epoch, for what asks; nothing is drawn."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        views = np.stack([self._rows[view][row] for view, row in self._places[index]])
        return {"inputs": torch.from_numpy(views), "data_samples": self._references[index]}


class ImageStudies(Dataset[Any]):
    """``self[i]`` is ``{"inputs": (views, S, S) or (views, S, S, 3) uint8, "data_samples": reference}``, from the disk.

    Where ``augment_seed`` is given, each image is scaled by its shorter side to S pixels, cropped at random and flipped every
    other time, as MOTOR trains; a draw depends on the seed, the epoch, the study and the view alone.
    """

    def __init__(
        self,
        pictures: KeptPictures,
        places: NDArray[np.int64],
        references: list[str],
        side: int,
        augment_seed: int | None = None,
    ) -> None:
        self._pictures = pictures
        self._places = places
        self._references = references
        self._side = side
        self._seed = augment_seed
        self.epoch = 0

    @classmethod
    def prepare(
        cls,
        studies: Studies,
        part: Part,
        preprocess: Preprocess,
        context: TrialContext,
        *,
        views: int,
        augment_seed: int | None = None,
    ) -> ImageStudies:
        """Decode each picture of the part once. Raises as `medbench_tasks.generation.pictures.KeptPictures.prepare`."""
        known: dict[Picture, int] = {}
        seen = view_pictures(studies.manifest, views)
        places = np.array([[known.setdefault(one, len(known)) for one in study] for study in seen], np.int64)
        augmented = augment_seed is not None
        frame = partial(scaled, side=preprocess.crop) if augmented else partial(resized, preprocess=preprocess)
        how = {"name": f"scaled {preprocess.crop}"} if augmented else framing_of(preprocess)
        pictures = KeptPictures.prepare(list(known), studies.manifest, part, frame, how, context)
        return cls(pictures, places, studies.references, preprocess.crop, augment_seed)

    def __len__(self) -> int:
        return len(self._references)

    def __getitem__(self, index: int) -> dict[str, Any]:
        views = [self._view(self._pictures[place], index, view) for view, place in enumerate(self._places[index])]
        return {"inputs": torch.stack(views), "data_samples": self._references[index]}

    def set_epoch(self, epoch: int) -> None:
        """Draw the crops of that epoch from now on."""
        self.epoch = epoch

    def _view(self, pixels: NDArray[np.uint8], index: int, view: int) -> Tensor:
        if self._seed is None:
            return torch.from_numpy(pixels)
        return cropped(pixels, self._side, (self._seed, self.epoch, index, view))


def _view_need(manifest: Manifest, having: NDArray[np.int64], view: int, grid: int) -> FeatureNeed:
    """The patches of that view of the studies that have it."""
    which: Which = "image" if view == 0 else view - 1
    return patch_need(manifest.take(having.tolist()), which, grid=grid)


def scaled(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) -> the same with a shorter side of ``side`` pixels; of a strip the middle, `_LONGEST` as long.

    Scaled bilinearly, smoothed on the way down, as torchvision does with Pillow's images.
    """
    height, width = pixels.shape[:2]
    longest = _LONGEST * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    planes = torch.tensor(pixels[top : top + longest, left : left + longest])
    planes = planes[None] if planes.ndim == 2 else planes.permute(2, 0, 1)
    small = v2.functional.resize(planes, [side], antialias=True)
    planar: NDArray[np.uint8] = (small[0] if pixels.ndim == 2 else small.permute(1, 2, 0)).contiguous().numpy()
    return planar


def cropped(pixels: NDArray[np.uint8], side: int, draw: tuple[int, ...]) -> Tensor:
    """(H, W) or (H, W, 3) -> (side, side) or (side, side, 3): a crop at a drawn place, or its mirror."""
    numbers = np.random.default_rng(draw)
    top, left = (int(numbers.integers(0, length - side + 1)) for length in pixels.shape[:2])
    cut = torch.from_numpy(pixels[top : top + side, left : left + side])
    return cut.flip(1) if numbers.random() < 0.5 else cut
