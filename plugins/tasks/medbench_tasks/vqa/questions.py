"""Questions with their answers, read from a manifest, and the part of them that is held out for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench_tasks.texts.answers import collapse, normalise

if TYPE_CHECKING:
    from medbench.manifest import Manifest

CLOSED, OPEN = "CLOSED", "OPEN"


@dataclass(frozen=True, slots=True)
class Questions:
    """N questions: their rows, what is asked, the right answers as `spelt` (none where the dataset has none), and the types.

    ``types`` are ``CLOSED``, ``OPEN`` or '' where the dataset does not say; ``routes`` are those by which a release divides its
    questions, which differ where its files hold a misspelt one.
    """

    manifest: Manifest
    texts: tuple[str, ...]
    truths: tuple[tuple[str, ...], ...]
    types: tuple[str, ...]
    routes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> Questions:
        """Those at ``rows``, in that order."""
        return replace(
            self,
            manifest=self.manifest.take(rows),
            texts=tuple(self.texts[row] for row in rows),
            truths=tuple(self.truths[row] for row in rows),
            types=tuple(self.types[row] for row in rows),
            routes=tuple(self.routes[row] for row in rows),
        )

    def answered(self) -> Questions:
        """Those that have an answer."""
        return self.take([row for row, truth in enumerate(self.truths) if truth])

    @property
    def is_closed(self) -> list[bool]:
        """By ``routes``: what is not closed is open."""
        return [route == CLOSED for route in self.routes]


def read_questions(manifest: Manifest) -> Questions:
    """The questions of ``manifest``. Raises `MissingDataError` for a sample that asks nothing or twice."""
    for sample_id, texts in zip(manifest.sample_ids, manifest.texts, strict=True):
        if len(texts) != 1:
            raise MissingDataError(
                f"sample {sample_id} of {manifest.dataset} has {len(texts)} texts, where one question is needed"
            )
    types = [one.strip().upper() for one in manifest.detail("answer_type")]
    raw = manifest.detail("answer_type_as_released")
    return Questions(
        manifest=manifest,
        texts=tuple(texts[0] for texts in manifest.texts),
        truths=tuple(tuple(dict.fromkeys(filter(None, map(spelt, answers)))) for answers in manifest.answers),
        types=tuple(types),
        routes=tuple(released or stated for released, stated in zip(raw, types, strict=True)),
    )


def spelt(answer: str) -> str:
    """The answer as it is compared: normalised, or in lower case where normalisation leaves nothing; '' for an empty one."""
    return normalise(answer) or collapse(answer).lower()


def hold_out(questions: Questions, share: float, seed: int) -> tuple[Questions, Questions]:
    """(the rest, ``share`` of the images with all their questions), drawn by ``seed``; all twice where there is one image."""
    import numpy as np

    images = [picture.id for picture in questions.manifest.pictures()]
    distinct = sorted(set(images))
    if len(distinct) == 1:
        return questions, questions
    count = min(max(1, round(share * len(distinct))), len(distinct) - 1)
    held = {distinct[place] for place in np.random.default_rng(seed).permutation(len(distinct))[:count]}
    inside = [row for row, image in enumerate(images) if image not in held]
    outside = [row for row, image in enumerate(images) if image in held]
    return questions.take(inside), questions.take(outside)
