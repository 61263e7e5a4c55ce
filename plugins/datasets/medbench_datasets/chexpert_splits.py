"""The divisions of CheXpert: by patient, as the MGCA release has it, and CheXpert-5x200."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from medbench.samples import Problem
from medbench_datasets.disjoint import keep_patients_apart
from medbench_datasets.splits import SEED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medbench.samples import Sample

COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
UNCONSTRAINED = "No Finding"
EACH = 200
HELD_OUT = 5_000
LARGEST_SHARE_HELD_OUT = 0.2


class Entry(NamedTuple):
    """A row of an official table in its place; without a sample where the row is malformed."""

    sample: Sample | None
    frontal: bool


def divide_tables(
    train: Sequence[Entry], valid: Sequence[Entry], problems: list[Problem]
) -> dict[str, Mapping[str, list[str]]]:
    """The splits of train.csv and valid.csv; the latter's frontal images are the test part of the first two."""
    test = _frontal(valid)
    five = _five_by_200(_frontal(train))
    if len(five) != EACH * len(COMPETITION):
        detail = f"{len(five):,} images for 5x200, officially {EACH * len(COMPETITION):,}"
        problems.append(Problem("count", "5x200", detail))
    chosen = set(five)
    remaining = [
        index for index, entry in enumerate(train) if entry.sample is None or entry.sample.sample_id not in chosen
    ]
    return {
        "patient": _by_patient([train[index] for index in remaining], test, problems),
        "as-released": {**_as_released(train, remaining), "test": _ids(test)},
        "5x200": {"test": five},
    }


def _frontal(entries: Sequence[Entry]) -> list[Sample]:
    return [entry.sample for entry in entries if entry.sample is not None and entry.frontal]


def _ids(samples: Sequence[Sample]) -> list[str]:
    return [sample.sample_id for sample in samples]


def _five_by_200(frontal: Sequence[Sample]) -> list[str]:
    """Ids by class, in the order in which pandas draws them."""
    import pandas as pd

    only: dict[str, list[str]] = {name: [] for name in COMPETITION}
    for sample in frontal:
        # an uncertain finding is neither 1 nor 0, so it bars its image
        marked = [name for name, value in sample.labels.items() if value != 0 and name != UNCONSTRAINED]
        if len(marked) == 1 and marked[0] in only and sample.labels[marked[0]] == 1:
            only[marked[0]].append(sample.sample_id)
    scarcest = min(len(ids) for ids in only.values())
    count = EACH if scarcest >= EACH else (scarcest + 1) // 2  # some must be left to train on
    return [one for ids in only.values() for one in pd.Series(ids, dtype=object).sample(n=count, random_state=SEED)]


def _by_patient(remaining: Sequence[Entry], test: Sequence[Sample], problems: list[Problem]) -> dict[str, list[str]]:
    import numpy as np

    frontal = _frontal(remaining)
    patient_of = {sample.sample_id: sample.patient_id for sample in (*frontal, *test)}
    parts = keep_patients_apart({"train": _ids(frontal), "test": _ids(test)}, patient_of, "split patient", problems)
    images: dict[str, list[str]] = {}
    for one in parts["train"]:
        images.setdefault(patient_of[one], []).append(one)
    patients = sorted(images)
    wanted = _held_out(len(parts["train"]))
    held: set[str] = set()
    for index in np.random.RandomState(SEED).permutation(len(patients)):
        if len(held) >= wanted:
            break
        held.update(images[patients[index]])
    return {
        "train": [one for one in parts["train"] if one not in held],
        "valid": [one for one in parts["train"] if one in held],
        "test": parts["test"],
    }


def _as_released(train: Sequence[Entry], remaining: Sequence[int]) -> dict[str, list[str]]:
    """The released confusion: ``positions`` among the remaining rows are drawn, and dropped as if they were row labels.

    A position that is no longer a row label is dropped in vain; nothing else would run.
    """
    import numpy as np

    positions = np.random.RandomState(SEED).choice(len(remaining), _held_out(len(remaining)), replace=False).tolist()
    dropped = set(positions)
    return {
        "train": _ids(_frontal([train[index] for index in remaining if index not in dropped])),
        "valid": _ids(_frontal([train[remaining[position]] for position in positions])),
    }


def _held_out(total: int) -> int:
    """How many of ``total`` images validate: one at least where there are two."""
    return min(HELD_OUT, max(int(LARGEST_SHARE_HELD_OUT * total), int(total > 1)))
