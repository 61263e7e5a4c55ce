"""What a model is asked of a manifest: its pictures, read lazily, so that a million rows cost eight bytes each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from xxhash import xxh3_64_intdigest

from medbench.manifest import Manifest, Picture, Which

if TYPE_CHECKING:
    from numpy.typing import NDArray

Asked = tuple[Picture, ...]
"""What a model reads as one: an image, or the two of a study."""

_WINDOW = 2048
"""Rows that are made into Python objects at once."""


class AskedPictures:
    """For each sample of a manifest its picture; of ``studies`` the first two, or the only one twice.

    Nothing is held but the manifest itself: rows become pictures a window at a time. Iterating, `hashes` and `at` raise
    `MissingDataError` where a sample has no such image.
    """

    def __init__(self, manifest: Manifest, image: Which, *, studies: bool = False) -> None:
        own = "others" if isinstance(image, int) else image
        columns = dict.fromkeys(["sample_id", own, "region", "others"])
        self._manifest = replace(manifest, table=manifest.table.select(list(columns)))
        self._image = image
        self._studies = studies

    def __len__(self) -> int:
        return len(self._manifest)

    def __iter__(self) -> Iterator[Asked]:
        for start in range(0, len(self), _WINDOW):
            yield from self._window(start)

    def hashes(self) -> NDArray[np.uint64]:
        """(N,) `id_hash` of each sample's `picture_id`."""
        found = np.empty(len(self), np.uint64)
        for start in range(0, len(self), _WINDOW):
            window = self._window(start)
            found[start : start + len(window)] = [id_hash(picture_id(one)) for one in window]
        return found

    def at(self, rows: NDArray[np.integer]) -> Iterator[Asked]:
        """The pictures of ``rows``, which are in any order; the same window is not read twice for rows that follow it."""
        held = -1
        window: list[Asked] = []
        for row in rows:
            start = int(row) // _WINDOW * _WINDOW
            if start != held:
                held, window = start, self._window(start)
            yield window[int(row) - start]

    def ids_at(self, rows: NDArray[np.integer]) -> list[str]:
        """The `picture_id` of each of ``rows``."""
        return [picture_id(one) for one in self.at(rows)]

    def _window(self, start: int) -> list[Asked]:
        table = self._manifest.table.slice(start, _WINDOW)
        part = replace(self._manifest, table=table)
        pictures = part.pictures(self._image)
        if not self._studies:
            return [(picture,) for picture in pictures]
        others: list[list[str]] = table.column("others").to_pylist()
        return [(first, Picture(more[0]) if more else first) for first, more in zip(pictures, others, strict=True)]


class AskedTexts:
    """Texts, which are their own ids; as `AskedPictures` to a store."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def hashes(self) -> NDArray[np.uint64]:
        """(N,) `id_hash` of each text."""
        return np.fromiter(map(id_hash, self._texts), np.uint64, len(self._texts))

    def ids_at(self, rows: NDArray[np.integer]) -> list[str]:
        """The texts of ``rows``."""
        return [self._texts[row] for row in rows]


def picture_id(asked: Asked) -> str:
    """Tells what is asked from all else in a dataset."""
    return "|".join(picture.id for picture in asked)


def id_hash(one: str) -> int:
    """64 bits of an id: of a million ids two are the same with a chance of one in 40 million."""
    return xxh3_64_intdigest(one.encode(errors="surrogatepass"))
