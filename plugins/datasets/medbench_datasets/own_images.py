"""What the two readers of a user's own images share: the suffixes, the names of parts, and how parts are drawn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench.specs import PARTS, Part, SplitSpec
from medbench_datasets.names import IMAGE_SUFFIXES
from medbench_datasets.strata import draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Sample

SUFFIXES = IMAGE_SUFFIXES | {".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom"}
SPLIT = "own"
TEST_SHARE, VALID_SHARE = 0.2, 0.1
PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}
"""What a user may call the parts, in lower case."""
SPLIT_SPEC = SplitSpec(
    name=SPLIT,
    rule=(
        "the parts that the user gives; where none are given, 20 % test and 10 % valid of the patients of each class, those "
        "whose id has the lowest SHA-256; where valid alone is not given, 12.5 % of train in the same way"
    ),
    source="the user",
)


def drawn_split(samples: Sequence[Sample], where: Path, *, fix: str) -> dict[str, list[str]]:
    """Train, valid and test (70/10/20) by patient, of every class its share.

    Raises `MissingDataError`, naming ``where`` the samples were found and how to mend it, where test would be empty: the one
    patient of a class is not taken from train.
    """
    strata = _strata(samples)
    tested = draw(strata, TEST_SHARE)
    if not tested:
        raise MissingDataError(f"no test part can be drawn: {where} has no class with two patients", fix=fix)
    validated = draw(
        {one: stratum for one, stratum in strata.items() if one not in tested}, VALID_SHARE / (1 - TEST_SHARE)
    )
    part_of: dict[str, Part] = {**dict.fromkeys(validated, "valid"), **dict.fromkeys(tested, "test")}
    return _by_part(samples, {one.sample_id: part_of.get(one.patient_id, "train") for one in samples})


def given_split(
    samples: Sequence[Sample], part_of: Mapping[str, Part], where: Path, problems: list[Problem]
) -> dict[str, list[str]]:
    """The parts that ``part_of`` gives by sample id; valid is drawn from train where it is given to none.

    Without train, reported, there is a test part for tasks that do not train. Raises `MissingDataError`, naming ``where``
    the parts were given, without a test part.
    """
    held = set(part_of.values())
    if "test" not in held:
        raise MissingDataError(
            f"{where} gives {', '.join(sorted(held)) or 'no part'} but no test",
            fix="add test, or give no parts at all to have 70/10/20 drawn",
        )
    if "train" not in held:
        detail = "no image is for training: only tasks that do not train can be run"
        problems.append(Problem("absent-part", where.name, detail))
    if "valid" not in held:
        trained = [one for one in samples if part_of.get(one.sample_id) == "train"]
        validated = draw(_strata(trained), VALID_SHARE / (1 - TEST_SHARE))
        chosen: dict[str, Part] = {one.sample_id: "valid" for one in trained if one.patient_id in validated}
        part_of = {**part_of, **chosen}
    return _by_part(samples, part_of)


def _strata(samples: Sequence[Sample]) -> dict[str, str]:
    """For each patient the rarest label that one of his images holds, '' for none: rare ones must reach every part."""
    held = {one.sample_id: [name for name, value in one.labels.items() if value == 1] for one in samples}
    times = Counter(name for names in held.values() for name in names)
    strata: dict[str, str] = {}
    for one in samples:
        names = [*held[one.sample_id], strata.get(one.patient_id, "")]
        strata[one.patient_id] = min((name for name in names if name), key=lambda name: (times[name], name), default="")
    return strata


def _by_part(samples: Sequence[Sample], part_of: Mapping[str, Part]) -> dict[str, list[str]]:
    return {part: [one.sample_id for one in samples if part_of.get(one.sample_id) == part] for part in PARTS}
