"""Keeping patients apart where the raw files put one into several parts of a split."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from medbench.samples import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BY_PRIORITY = ("test", "valid", "train")


def keep_patients_apart(
    parts: Mapping[str, Sequence[str]], patient_of: Mapping[str, str], where: str, problems: list[Problem]
) -> dict[str, list[str]]:
    """Sample ids by part, without those in train of a patient of valid or test, nor those in valid of one of test.

    The test part stays as published. Each patient that was in two parts is a problem ``shared-patient`` at ``where``.
    """
    kept: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for part in (name for name in _BY_PRIORITY if name in parts):
        lost = Counter(patient_of[one] for one in parts[part] if patient_of[one] in owner)
        kept[part] = [one for one in parts[part] if patient_of[one] not in owner]
        problems += [
            Problem(
                "shared-patient", where, f"patient {patient} of {owner[patient]}: {count} images left out of {part}"
            )
            for patient, count in lost.items()
        ]
        owner.update((patient_of[one], part) for one in kept[part])
    return {part: kept[part] for part in parts}
