"""What is searched: the distinct images and texts of a test part, and which of them belong together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import MissingDataError
from medbench_tasks.retrieval.relevance import Relevance

if TYPE_CHECKING:
    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext


@dataclass(frozen=True)
class Pool:
    """R rows that have both an image and a text, N distinct images, M distinct texts and the P texts that the rows state.

    ``images`` has the first row of each distinct image, ``texts`` the first wording of each distinct text, both in order of
    first appearance. ``image_of`` (R,) and ``text_of`` (P,) index them; ``row_of`` (P,), ascending, is the row of
    a stated text.
    ``left_out`` counts what is not searched, for the record. ``studies`` says that two views of a row are read as one image.
    """

    rows: Manifest
    images: Manifest
    texts: list[str]
    image_of: NDArray[np.int64]
    text_of: NDArray[np.int64]
    row_of: NDArray[np.int64]
    left_out: Mapping[str, int]
    studies: bool = False

    @property
    def repeats(self) -> bool:
        """Whether any image or text is stated more than once."""
        return len(self.images) < len(self.rows) or len(self.texts) < len(self.row_of)

    @property
    def texts_of_images(self) -> Relevance:
        """(N queries, M candidates): an image's texts are all that any row states of it."""
        return Relevance.of_pairs(self.image_of[self.row_of], self.text_of, len(self.images))

    @property
    def images_of_texts(self) -> Relevance:
        """(M queries, N candidates): a text's images are all that any row states it of."""
        return Relevance.of_pairs(self.text_of, self.image_of[self.row_of], len(self.texts))

    @property
    def own_texts(self) -> Relevance:
        """(R queries, P candidates), exact pairs: only the texts that the row itself states."""
        return Relevance.of_pairs(self.row_of, np.arange(len(self.row_of)), len(self.rows))

    @property
    def own_row(self) -> Relevance:
        """(P queries, R candidates), exact pairs: only the row that states the text."""
        return Relevance.of_pairs(np.arange(len(self.row_of)), self.row_of, len(self.row_of))

    @property
    def first_rows(self) -> NDArray[np.int64]:
        """(N,) the row in which each distinct image first appears, ascending."""
        return np.unique(self.image_of, return_index=True)[1].astype(np.int64)

    @property
    def first_stated(self) -> NDArray[np.int64]:
        """(M,) the row in which each distinct text first appears, ascending."""
        return self.row_of[np.unique(self.text_of, return_index=True)[1]]


def pool_of(test: Manifest, *, studies: bool = False) -> Pool:
    """The pool of a test part, the same for every method that reads one image, and for every one that reads ``studies``.

    Images are the same where the files' bytes and the region are, and of ``studies`` the second view's bytes (a single image
    is its own second view); texts where they differ in nothing but white space and case. Where no row that is searched has a
    second view, there are no studies. A row without image or without any text that is not blank is left out: it is no
    distractor either. Raises `MissingDataError` where no row is left.
    """
    stated = [[text for text in texts if text.strip()] for texts in test.texts]
    has_image = [bool(name) for name in test.table.column("image").to_pylist()]
    kept = [row for row, texts in enumerate(stated) if texts and has_image[row]]
    if not kept:
        raise MissingDataError(f"no sample of {test.dataset}'s test part has both an image and a text")
    rows = test.take(kept)
    studies = studies and any(has_second_view(rows))
    texts = [text for row in kept for text in stated[row]]
    image_of, first_images = _numbered(_image_keys(rows, studies=studies))
    text_of, first_texts = _numbered(text_key(text) for text in texts)
    return Pool(
        rows=rows,
        images=rows.take(first_images),
        texts=[texts[index] for index in first_texts],
        image_of=image_of,
        text_of=text_of,
        row_of=np.repeat(np.arange(len(kept)), [len(stated[row]) for row in kept]),
        left_out={
            "rows_without_image": has_image.count(False),
            "rows_without_text": stated.count([]),
            "blank_texts": sum(map(len, test.texts)) - sum(map(len, stated)),
        },
        studies=studies,
    )


def trial_pool(context: TrialContext, test: Manifest) -> Pool:
    """`pool_of` rows of the test part, as studies where the trial's method reads these."""
    return pool_of(test, studies="StudyEncoder" in context.features.capabilities)


def pool_notes(pool: Pool) -> dict[str, float]:
    """What was searched, what repeats, how many studies were read by two views, and what was left out."""
    return {
        "pool_images": float(len(pool.images)),
        "pool_texts": float(len(pool.texts)),
        "repeated_images": float(len(pool.rows) - len(pool.images)),
        "repeated_texts": float(len(pool.row_of) - len(pool.texts)),
        "studies_of_two_views": float(sum(has_second_view(pool.rows))) if pool.studies else 0.0,
        **{name: float(count) for name, count in pool.left_out.items()},
    }


def text_key(text: str) -> str:
    """What two texts that count as the same have in common."""
    return " ".join(text.split()).casefold()


def has_second_view(rows: Manifest) -> list[bool]:
    """Of each row."""
    return [bool(others) for others in rows.table.column("others").to_pylist()]


def _image_keys(rows: Manifest, *, studies: bool) -> list[Hashable]:
    digests, others = (rows.table.column(name).to_pylist() for name in ("image_sha256", "others_sha256"))
    second = [(more or [own])[0] if studies else "" for own, more in zip(digests, others, strict=True)]
    regions = [picture.region for picture in rows.pictures()]
    return list(zip(digests, regions, second, strict=True))


def _numbered(keys: Iterable[Hashable]) -> tuple[NDArray[np.int64], Sequence[int]]:
    """The number of each key in order of first appearance, and where each number first appears."""
    numbers: dict[Hashable, int] = {}
    first: list[int] = []
    found = []
    for place, key in enumerate(keys):
        number = numbers.setdefault(key, len(numbers))
        if number == len(first):
            first.append(place)
        found.append(number)
    return np.asarray(found, np.int64), first
