"""What a trained generator is given of a study: frozen features of its images, or the images themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import Dataset
from torchvision.transforms import v2

from medbench.images import read_region
from medbench.preprocessing import resized
from medbench_tasks.generation.studies import view_counts, view_pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess
    from medbench.feature_store import MappedRows
    from medbench.manifest import Picture
    from medbench.protocols import TrialContext
    from medbench_tasks.generation.studies import Studies


class PatchStudies(Dataset[Any]):
    """``self[i]`` is ``{"inputs": (views, tokens, channels) float32, "data_samples": reference}``, read from the disk.

    The tokens of an image are the means of its coarsest map over a grid, 7 x 7 as a rule: what a ResNet gives at 224 pixels,
    so that encoders are compared at one resolution, and a quarter of a plain ViT's 14 x 14, which on 270,000 images would
    not fit on a disk. A map that is smaller already stays as it is.
    """

    def __init__(self, rows: list[MappedRows], places: NDArray[np.int64], references: list[str]) -> None:
        self._rows = rows
        self._places = places
        self._references = references
        self.epoch = 0

    @classmethod
    def of(cls, studies: Studies, context: TrialContext, *, views: int, grid: int) -> PatchStudies:
        """Encode what is not in the cache yet. Raises as `medbench.features.Features.mapped_rows`."""
        manifest, features = studies.manifest, context.features
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
            rows.append(
                features.mapped_rows(
                    manifest.take(having.tolist()),
                    f"patches-{grid}x{grid}",
                    lambda model, images: patches(model.encode_pyramid(images)[-1], grid),
                    image="image" if view == 0 else view - 1,
                )
            )
        return cls(rows, places, studies.references)

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


def patches(features: Tensor, grid: int) -> Tensor:
    """(B, C, h, w) -> (B, tokens, C), averaged down to at most ``grid`` x ``grid``, row by row."""
    height, width = (min(side, grid) for side in features.shape[-2:])
    return adaptive_avg_pool2d(features, (height, width)).flatten(2).transpose(1, 2)


class ImageStudies(Dataset[Any]):
    """``self[i]`` is ``{"inputs": (views, S, S) or (views, S, S, 3) uint8, "data_samples": reference}``, decoded at each use.

    Where ``augment_seed`` is given, each image is scaled by its shorter side to S pixels, cropped at random and flipped every
    other time, as MOTOR trains; a draw depends on the seed, the epoch, the study and the view alone.
    Raises `ImageError` for an image that cannot be read.
    """

    def __init__(
        self, studies: Studies, preprocess: Preprocess, *, views: int, augment_seed: int | None = None
    ) -> None:
        self._manifest = studies.manifest
        self._pictures = view_pictures(studies.manifest, views)
        self._references = studies.references
        self._preprocess = preprocess
        self._seed = augment_seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._references)

    def __getitem__(self, index: int) -> dict[str, Any]:
        views = [self._view(picture, index, view) for view, picture in enumerate(self._pictures[index])]
        return {"inputs": torch.stack(views), "data_samples": self._references[index]}

    def set_epoch(self, epoch: int) -> None:
        """Draw the crops of that epoch from now on."""
        self.epoch = epoch

    def _view(self, picture: Picture, index: int, view: int) -> Tensor:
        pixels = read_region(self._manifest.root / picture.path, picture.region, colour=self._manifest.colour)
        if self._seed is None:
            return torch.tensor(resized(pixels, self._preprocess))
        return cropped(pixels, self._preprocess.crop, (self._seed, self.epoch, index, view))


def cropped(pixels: NDArray[np.uint8], side: int, draw: tuple[int, ...]) -> Tensor:
    """(H, W) or (H, W, 3) -> (side, side) or (side, side, 3): a crop of the image scaled by its shorter side, or its mirror.

    Scaled bilinearly, smoothed on the way down, as torchvision does with Pillow's images.
    """
    planes = torch.tensor(pixels)
    planes = planes[None] if planes.ndim == 2 else planes.permute(2, 0, 1)
    scaled = v2.functional.resize(planes, [side], antialias=True)
    numbers = np.random.default_rng(draw)
    top, left = (int(numbers.integers(0, length - side + 1)) for length in scaled.shape[-2:])
    cut = scaled[:, top : top + side, left : left + side]
    if numbers.random() < 0.5:
        cut = cut.flip(-1)
    planar: Tensor = cut[0] if pixels.ndim == 2 else cut.permute(1, 2, 0)
    return planar
