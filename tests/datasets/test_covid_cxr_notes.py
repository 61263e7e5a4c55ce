"""The clinical notes of covid-chestxray: the real ones whole, their split, the phantom's, and bad cells."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from medbench.samples import PhantomSize
from medbench_datasets import covid_cxr, covid_cxr_phantom
from medbench_datasets.texts import one_line
from tests.datasets.tampering import edit_csv

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import RawDataset

SIZE = PhantomSize(images=24, side=40, seed=2)
CASES = {case.name: case for case in covid_cxr_phantom.draw_cases(SIZE)}
FOLDERS = ("covid-cxr-open", "covid-cxr-nc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    covid_cxr_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    root = tmp_path_factory.mktemp("covid-cxr")
    for folder in FOLDERS:
        (root / folder).symlink_to(shared / "data" / folder)
    return covid_cxr.read(root)


def test_every_real_note_is_read_and_agrees_with_the_captions(shared: Path, real: RawDataset) -> None:
    captions = {}
    for folder in FOLDERS:
        lines = (shared / "data" / folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
        captions |= {f"{folder}/{line['image']}": one_line(line["text"]) for line in map(json.loads, lines)}
    notes = {sample.image: sample.texts[0] for sample in real.samples if sample.texts}
    assert notes == captions
    assert len(notes) == 158
    assert not any("\ufffd" in note or note != note.strip() for note in notes.values())


def test_a_real_note_may_stand_for_several_images_of_one_patient_and_of_no_other(real: RawDataset) -> None:
    images, patients = Counter[str](), defaultdict[str, set[str]](set)
    for sample in real.samples:
        for note in sample.texts:
            images[note] += 1
            patients[note].add(sample.patient_id)
    assert len(images) == 152
    assert sum(count > 1 for count in images.values()) == 3
    assert all(len(owners) == 1 for owners in patients.values())


def test_the_split_of_the_notes_keeps_patients_apart_and_the_other_one_as_it_was(real: RawDataset) -> None:
    patient_of = {sample.sample_id: sample.patient_id for sample in real.samples}
    parts = real.splits["notes"]
    noted = {sample.sample_id for sample in real.samples if sample.texts}
    assert sorted(chain.from_iterable(parts.values())) == sorted(noted)
    patients = {part: {patient_of[one] for one in ids} for part, ids in parts.items()}
    total = len(set(chain.from_iterable(patients.values())))
    assert sum(map(len, patients.values())) == total
    assert len(patients["test"]) == pytest.approx(0.25 * total, abs=1)
    assert {part: len(ids) for part, ids in real.splits["patient"].items()} == {
        "train": 113,
        "valid": 24,
        "test": 43,
    }


def test_the_phantoms_notes_read_back(root: Path) -> None:
    raw = covid_cxr.read(root)
    assert {sample.sample_id: sample.texts for sample in raw.samples} == {
        name: (case.note,) if case.note else () for name, case in CASES.items()
    }
    noted = sorted(name for name, case in CASES.items() if case.note)
    assert sorted(chain.from_iterable(raw.splits["notes"].values())) == noted
    assert 0 < len(noted) < SIZE.images


def test_long_foreign_and_broken_notes_become_one_line(root: Path) -> None:
    words = " ".join(["opacity"] * 5000)
    cells = [f"{words}", " Opacità\n bilaterali,\ufffd 肺野 ", "\ufffd \n", ""]

    def rewrite(rows: list[list[str]]) -> None:
        for row, cell in zip(rows[1:], cells, strict=False):
            row[rows[0].index("clinical_notes")] = cell

    edit_csv(root / "metadata.csv", rewrite)
    texts = [sample.texts for sample in covid_cxr.read(root).samples[:4]]
    assert texts == [(words,), ("Opacità bilaterali, 肺野",), (), ()]


def test_a_collection_without_the_column_has_no_notes(root: Path) -> None:
    edit_csv(root / "metadata.csv", lambda rows: rows[0].__setitem__(rows[0].index("clinical_notes"), "other"))
    raw = covid_cxr.read(root)
    assert all(sample.texts == () for sample in raw.samples)
    assert raw.splits["notes"] == {"train": [], "valid": [], "test": []}
