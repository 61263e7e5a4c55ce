"""Every image of a dataset decoded once, and its samples fitted to what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from medbench.fitting import fit_to_image
from medbench.manifest import ImageFacts
from medbench.pixels.decoding import Decoded, Wanted, decode, wanted_of
from medbench.pixels.keeper import Keeper
from medbench.pixels.sources import Stamp
from medbench.pixels.threads import in_threads
from medbench.protocols import PhaseReporter
from medbench.samples import Problem, Region, Sample


@dataclass(frozen=True, slots=True)
class Checked:
    """Samples whose image could be decoded, what decoding told, and what was lost on the way.

    ``files`` are the files that could be decoded, each with its stamp and facts.
    """

    samples: tuple[Sample, ...]
    facts: tuple[ImageFacts, ...]
    problems: tuple[Problem, ...]
    files: Mapping[str, tuple[Stamp, ImageFacts]] = field(default_factory=dict)


def check_images(
    samples: Sequence[Sample],
    root: Path,
    progress: PhaseReporter,
    *,
    wanted: Sequence[Wanted] | None = None,
    keeper: Keeper | None = None,
) -> Checked:
    """Decode every image once, in threads, and fit boxes, masks and regions to the sizes found.

    ``wanted`` are `wanted_of` the samples; ``keeper`` is given their pixels, and saves decoding what it has.
    """
    found, files = _decode_all(wanted_of(samples) if wanted is None else wanted, root, progress, keeper)
    kept: list[Sample] = []
    facts: list[ImageFacts] = []
    problems: list[Problem] = []
    for sample in samples:
        fact = _sample_facts(sample, found)
        if isinstance(fact, Problem):
            problems.append(fact._replace(where=f"{sample.sample_id} ({sample.image})"))
            continue
        fitted, complaints = fit_to_image(sample, fact)
        problems.extend(complaints)
        if fitted is not None:
            kept.append(fitted)
            facts.append(fact)
    return Checked(tuple(kept), tuple(facts), tuple(problems), files)


def _decode_all(
    wanted: Sequence[Wanted], root: Path, progress: PhaseReporter, keeper: Keeper | None
) -> tuple[dict[str, ImageFacts | Problem], dict[str, tuple[Stamp, ImageFacts]]]:
    """Of each file its facts or what is wrong with it, and of those that can be used the stamps too."""
    found: dict[str, ImageFacts | Problem] = {}
    files: dict[str, tuple[Stamp, ImageFacts]] = {}
    work = partial(decode, root, side=0, colour=False, keep=False) if keeper is None else partial(keeper.decode, root)
    results: Iterator[Decoded | Problem] = in_threads(work, wanted)
    for file, result in zip(wanted, progress.track(results, "prepare", len(wanted)), strict=True):
        if isinstance(result, Problem):
            found[file.path] = result
            continue
        if keeper is not None:
            keeper.add(file, result)
        found[file.path] = result.facts
        files[file.path] = result.stamp, result.facts
    if keeper is not None:
        keeper.flush()
    return found, files


def picture_sizes(checked: Checked) -> list[tuple[int, int]]:
    """Height and width of each picture of the manifest, as it is before it is reduced."""
    found: dict[tuple[str, Region | None], tuple[int, int]] = {}
    for sample in checked.samples:
        if sample.region is not None:
            found[sample.image, sample.region] = sample.region.height, sample.region.width
        for name in _images(sample)[sample.region is not None :]:
            facts = checked.files[name][1]
            found[name, None] = facts.height, facts.width
    return list(found.values())


def _images(sample: Sample) -> tuple[str, ...]:
    return tuple(name for name in (sample.image, sample.previous, *sample.others) if name)


def _sample_facts(sample: Sample, found: Mapping[str, ImageFacts | Problem]) -> ImageFacts | Problem:
    """The facts of its image with the hashes of its other ones; the first problem of any of them."""
    facts = []
    for name in _images(sample):
        fact = found[name]
        if isinstance(fact, Problem):
            return fact
        facts.append(fact)
    if not sample.image:
        return ImageFacts(0, 0, "") if sample.texts else Problem("missing-image", "", "neither image nor text")
    further = [fact.sha256 for fact in facts[1:]]
    previous = further.pop(0) if sample.previous else ""
    return replace(facts[0], previous_sha256=previous, others_sha256=tuple(further))
