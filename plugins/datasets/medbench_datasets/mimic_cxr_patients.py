"""Sex and age of MIMIC-CXR's subjects, from MIMIC-IV's table of patients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from medbench.samples import Problem
from medbench_datasets.cells import OLDEST, sex_of
from medbench_datasets.tables import SURPLUS, find_table, read_csv

if TYPE_CHECKING:
    from pathlib import Path

PATIENTS = "patients"
PATIENT_COLUMNS = ("subject_id", "gender", "anchor_age", "anchor_year")

_YEAR = re.compile(r"\d{4}", re.ASCII)
_NUMBER = re.compile(r"\d{1,4}\Z", re.ASCII)


class Patient(NamedTuple):
    """``sex`` is 'F', 'M' or ''; ``age`` is in whole years in ``year``, both shifted as all dates of MIMIC are."""

    sex: str
    age: int
    year: int

    def attributes(self, study_date: str) -> dict[str, str]:
        """Sex, and age in the year that ``study_date`` (``YYYYMMDD``) starts with."""
        found = {"sex": self.sex} if self.sex else {}
        year = _YEAR.match(study_date)
        if year and 0 <= (age := self.age + int(year[0]) - self.year) <= OLDEST:
            found["age"] = str(age)
        return found


def read_patients(root: Path, problems: list[Problem]) -> dict[str, Patient]:
    """Patients by subject; empty where the table is not there. Malformed rows are reported and passed over."""
    path = find_table(root, PATIENTS)
    if path is None:
        return {}
    patients = {}
    for row in read_csv(path, PATIENT_COLUMNS):
        subject, gender, age, year = (row.cells[name] for name in PATIENT_COLUMNS)
        if row.surplus or not (_NUMBER.match(age) and _NUMBER.match(year)):
            complaint = SURPLUS if row.surplus else f"anchor_age {age!r} or anchor_year {year!r} is no number"
            detail = f"{complaint}; passed over"
            problems.append(Problem("bad-row", f"{path.name}:{row.line}", detail))
            continue
        patients[subject] = Patient(sex_of(gender), int(age), int(year))
    return patients
