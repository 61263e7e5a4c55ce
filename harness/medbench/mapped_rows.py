"""Rows of features that stay on the disk until one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MappedRows:
    """N rows of one shape.

    ``segments`` are memory-mapped arrays (n, ...); ``segment`` (N,) and ``row`` (N,) say where in them each lies.
    """

    segments: list[NDArray[np.float32]]
    segment: NDArray[np.int32]
    row: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Of one row; () where there is none."""
        return self.segments[0].shape[1:] if self.segments else ()

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return np.array(self.segments[self.segment[index]][self.row[index]])

    def take(self, indices: Iterable[int]) -> NDArray[np.float32]:
        """Several rows (n, ...), in that order."""
        return np.stack([self[index] for index in indices])


def mapped_bytes(path: Path) -> NDArray[np.uint8]:
    """A file's bytes, mapped. Raises `OSError`.

    By torch, which keeps no descriptor open: a process has 1,024 of them, and there may be more segments.
    """
    import torch

    try:
        return torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8).numpy()
    except RuntimeError as error:
        raise OSError(str(error).splitlines()[0]) from error
