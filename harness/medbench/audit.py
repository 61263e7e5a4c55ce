"""Checks of a dataset as a whole, after every image was decoded: what would make a number on it misleading.

Nothing here refuses a dataset; it is said, counted and kept beside the manifest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from medbench.datasets import Intensity, LabelCounts
from medbench.manifest import ImageFacts
from medbench.samples import UNCERTAIN, UNKNOWN, Problem
from medbench.specs import DatasetSpec


def audit(spec: DatasetSpec, table: pa.Table, facts: Sequence[ImageFacts]) -> list[Problem]:
    """Sizes other than published, patients and pixels shared between parts, repeated and flat images, empty labels."""
    parts = part_sizes(table)
    return [
        *_count_problems(spec, parts),
        *_shared_patients(table),
        *_repeated_pixels(table, facts),
        *_flat_images(table, facts),
        *_colliding_names(table),
        *_repeated_ids(table),
    ]


def part_sizes(table: pa.Table) -> dict[str, dict[str, int]]:
    """Samples by split and part."""
    sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for names in table.column("splits").to_pylist():
        for name in names:
            split, _, part = name.partition("/")
            sizes[split][part] += 1
    return {split: dict(parts) for split, parts in sizes.items()}


def label_counts(
    table: pa.Table, label_names: Sequence[str], label_values: Sequence[str]
) -> dict[str, list[LabelCounts]]:
    """``"<split>/<part>"`` -> for each label how many samples have each value, and how many none."""
    if not label_names or not table.num_rows:
        return {}
    labels = np.asarray(table.column("labels").combine_chunks().flatten(), np.int8).reshape(-1, len(label_names))
    members: dict[str, list[int]] = defaultdict(list)
    for index, names in enumerate(table.column("splits").to_pylist()):
        for name in names:
            members[name].append(index)
    return {
        name: [
            LabelCounts(
                label=label,
                values={
                    value: int((labels[rows, column] == number).sum()) for number, value in enumerate(label_values)
                },
                uncertain=int((labels[rows, column] == UNCERTAIN).sum()),
                unknown=int((labels[rows, column] == UNKNOWN).sum()),
            )
            for column, label in enumerate(label_names)
        ]
        for name, rows in sorted(members.items())
    }


def intensity(facts: Sequence[ImageFacts]) -> Intensity | None:
    """The range of the pixels over all images; None for a dataset of texts."""
    seen = [fact for fact in facts if fact.pixels]
    if not seen:
        return None
    return Intensity(
        lowest=min(fact.low for fact in seen),
        highest=max(fact.high for fact in seen),
        mean=round(float(np.mean([fact.mean for fact in seen])), 2),
    )


def _count_problems(spec: DatasetSpec, parts: Mapping[str, Mapping[str, int]]) -> list[Problem]:
    problems = []
    for split in spec.splits:
        if split.name not in parts:  # its lists are not there: a task on it says so
            continue
        for part, published in split.sizes.items():
            found = parts[split.name].get(part, 0)
            if found != published:
                kind = "test-count" if part == "test" else "count"
                problems.append(Problem(kind, f"{split.name}/{part}", f"{found:,} samples, published {published:,}"))
    return problems


def _shared_patients(table: pa.Table) -> list[Problem]:
    patients = table.column("patient_id").to_pylist()
    return [
        Problem("shared-patient", f"split {split}", f"patient {patient} is in {', '.join(sorted(parts))}")
        for split, patient, parts in _in_several_parts(patients, table)
    ]


def _repeated_pixels(table: pa.Table, facts: Sequence[ImageFacts]) -> list[Problem]:
    """Images with the same pixels as an earlier one; those that lie in two parts of a split are a leak.

    Of a study it is the first image that is compared.
    """
    ids = table.column("sample_id").to_pylist()
    images = table.column("image").to_pylist()
    first: dict[str, int] = {}
    problems = []
    for index, fact in enumerate(facts):
        if fact.pixels and images[first.setdefault(fact.pixels, index)] != images[index]:
            detail = f"the same pixels as {ids[first[fact.pixels]]}"
            problems.append(Problem("duplicate-pixels", ids[index], detail))
    repeated = [fact.pixels or f"none {index}" for index, fact in enumerate(facts)]
    problems += [
        Problem("shared-pixels", f"split {split}", f"an image ({ids[first[pixels]]}) is in {', '.join(sorted(parts))}")
        for split, pixels, parts in _in_several_parts(repeated, table)
    ]
    return problems


def _flat_images(table: pa.Table, facts: Sequence[ImageFacts]) -> list[Problem]:
    ids = table.column("sample_id").to_pylist()
    return [
        Problem("flat-image", one, f"every pixel is {fact.low}")
        for one, fact in zip(ids, facts, strict=True)
        if fact.pixels and fact.low == fact.high
    ]


def _colliding_names(table: pa.Table) -> list[Problem]:
    """Paths that differ in case alone: on some file systems they are one file."""
    first: dict[str, str] = {}
    problems = []
    for path in dict.fromkeys(table.column("image").to_pylist()):
        other = first.setdefault(path.casefold(), path)
        if other != path:
            problems.append(Problem("colliding-name", path, f"differs from {other} in case alone"))
    return problems


def _repeated_ids(table: pa.Table) -> list[Problem]:
    counted = Counter(table.column("sample_id").to_pylist())
    return [
        Problem("duplicate-id", one, f"{number} samples have this id") for one, number in counted.items() if number > 1
    ]


def _in_several_parts(keys: Sequence[str], table: pa.Table) -> list[tuple[str, str, set[str]]]:
    """(split, key, parts) for each key that stands in more than one part of a split."""
    parts_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, names in zip(keys, table.column("splits").to_pylist(), strict=True):
        for name in names:
            split, _, part = name.partition("/")
            parts_of[split, key].add(part)
    return [(split, key, parts) for (split, key), parts in sorted(parts_of.items()) if len(parts) > 1]
