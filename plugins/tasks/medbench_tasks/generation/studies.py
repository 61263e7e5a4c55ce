"""The studies of a part that have an image and a report, with their reports as they stand and as they are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.manifest import Picture
from medbench_tasks.texts.cleaning import clean

if TYPE_CHECKING:
    from medbench.manifest import Manifest
    from medbench.specs import Part
    from medbench_tasks.generation.recipe import GenerationRecipe


@dataclass(frozen=True, slots=True)
class Studies:
    """N studies: ``reports`` are the recipe's section as the dataset has it, ``references`` those `as_read`.

    Every reference has a word and every study an image; those without are counted.
    """

    manifest: Manifest
    reports: list[str]
    references: list[str]
    without_report: int
    without_image: int

    def __len__(self) -> int:
        return len(self.references)

    def take(self, rows: list[int]) -> Studies:
        """The studies at ``rows``, in that order."""
        return Studies(
            self.manifest.take(rows),
            [self.reports[row] for row in rows],
            [self.references[row] for row in rows],
            self.without_report,
            self.without_image,
        )


def read_studies(manifest: Manifest, part: Part, recipe: GenerationRecipe) -> Studies:
    """The studies of a part. Raises `MissingDataError` where none has both an image and a report."""
    if recipe.section == "report":
        reports = [texts[0] if texts else "" for texts in manifest.texts]
    else:
        reports = manifest.detail(recipe.section)
    references = [as_read(report, recipe) for report in reports]
    told = [bool(without_stops(reference)) for reference in references]
    pictured = [bool(image) for image in manifest.table.column("image").to_pylist()]
    kept = [row for row, said in enumerate(told) if said and pictured[row]]
    if not kept:
        raise MissingDataError(
            f"no study of {manifest.dataset}'s {part} part has an image and a report to compare",
            fix=f"the recipe's section is '{recipe.section}'; choose one that the dataset has",
        )
    return Studies(
        manifest.take(kept),
        [reports[row] for row in kept],
        [references[row] for row in kept],
        without_report=sum(not said for said in told),
        without_image=sum(not one for one in pictured),
    )


def spread(studies: Studies, most: int) -> Studies:
    """At most ``most`` of the studies, evenly spaced; all of them for 0."""
    if not 0 < most < len(studies):
        return studies
    return studies.take([index * len(studies) // most for index in range(most)])


def as_read(report: str, recipe: GenerationRecipe) -> str:
    """A report in the form in which a writer learns it and findings are read off it, whoever wrote it: cleaned and cut."""
    return clean(report, recipe.cleaning, recipe.max_words)


def as_compared(reference: str, recipe: GenerationRecipe) -> str:
    """What is `as_read`, as n-grams are counted."""
    return reference if recipe.stops else without_stops(reference)


def hypothesis_of(written: str, recipe: GenerationRecipe) -> str:
    """What a writer wrote, as n-grams are counted: never cut."""
    return as_compared(clean(written, recipe.cleaning if recipe.clean_written else "none"), recipe)


def without_stops(text: str) -> str:
    """The text without the words ``.`` that end sentences."""
    return " ".join(word for word in text.split() if word != ".")


def view_counts(manifest: Manifest, views: int) -> list[int]:
    """How many of its images each study is read by: at least 1, at most ``views``."""
    return [min(views, 1 + len(others)) for others in manifest.table.column("others").to_pylist()]


def view_pictures(manifest: Manifest, views: int) -> list[list[Picture]]:
    """The first ``views`` pictures of each study; the last one again where it has fewer."""
    further = manifest.table.column("others").to_pylist()
    found = []
    for first, others in zip(manifest.pictures(), further, strict=True):
        pictures = [first, *map(Picture, others)][:views]
        found.append(pictures + pictures[-1:] * (views - len(pictures)))
    return found
