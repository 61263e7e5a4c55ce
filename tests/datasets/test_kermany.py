"""Paediatric pneumonia: the real images, the phantom, both editions, and bad input."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import MissingDataError
from medbench.samples import PhantomSize
from medbench_datasets import kermany, kermany_phantom
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import RawDataset

SIZE = PhantomSize(images=24, side=40, seed=3)
CASES = list(kermany_phantom.draw_cases(SIZE))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    kermany_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def _patients(raw: RawDataset) -> dict[str, set[str]]:
    patient_of = {sample.sample_id: sample.patient_id for sample in raw.samples}
    return {part: {patient_of[one] for one in ids} for part, ids in raw.splits["official"].items()}


def test_the_real_folder_is_read_as_it_lies(shared: Path) -> None:
    root = shared / "data" / "kermany-pneumonia-224"
    raw = kermany.read(root)
    assert raw.problems == ()
    assert all((root / sample.image).is_file() for sample in raw.samples)
    with (root / "labels.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert set(by_id) == set(rows)
    finer = {"normal": "Normal", "bacterial_pneumonia": "Bacterial pneumonia", "viral_pneumonia": "Viral pneumonia"}
    for image, row in rows.items():
        labels = by_id[image].labels
        assert [name for name in finer.values() if labels[name]] == [finer[row["label"]]]
        assert labels["Pneumonia"] == 1 - labels["Normal"]
        assert by_id[image].patient_id == f"{row['official_split']}/{row['patient']}"


def test_the_real_counts_and_prevalences(shared: Path) -> None:
    raw = kermany.read(shared / "data" / "kermany-pneumonia-224")
    parts = raw.splits["official"]
    ill = {sample.sample_id: sample.labels["Pneumonia"] for sample in raw.samples}
    assert Counter(ill[one] for one in parts["test"]) == {1: 299, 0: 175}
    assert Counter(ill[one] for one in [*parts["train"], *parts["valid"]]) == {1: 173, 0: 90}
    assert Counter(ill[one] for one in parts["valid"]) == {1: 17, 0: 9}
    patients = _patients(raw)
    assert not patients["train"] & patients["valid"]
    assert not patients["train"] & patients["test"]


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = kermany.read(root)
    assert raw.problems == ()
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert len(by_id) == SIZE.images
    causes = {"normal": kermany.NORMAL, "bacteria": kermany.BACTERIAL, "virus": kermany.VIRAL}
    for case in CASES:
        sample = by_id[f"{case.place}/{case.name}"]
        assert sample.image == f"chest_xray/{case.place}/{case.name}"
        assert [name for name in causes.values() if sample.labels[name]] == [causes[case.cause]]
        assert sample.labels[kermany.PNEUMONIA] == int(case.cause != "normal")
    assert len({sample.patient_id for sample in raw.samples}) < len(raw.samples)


def test_with_and_without_the_outer_folder_the_samples_are_the_same(root: Path) -> None:
    nested = kermany.read(root)
    for part in ("train", "test"):
        (root / "chest_xray" / part).rename(root / part)
    flat = kermany.read(root)
    assert flat.splits == nested.splits
    assert [sample.labels for sample in flat.samples] == [sample.labels for sample in nested.samples]
    assert all(sample.image == sample.sample_id for sample in flat.samples)


def test_the_official_val_is_trained_on_and_shares_its_numbers_with_train(root: Path) -> None:
    base = root / "chest_xray"
    image = next((base / "train" / "PNEUMONIA").glob("person*_*_*.jpeg"))
    person = image.name.split("_")[0]
    (base / "val" / "PNEUMONIA").mkdir(parents=True)
    for target in (base / "val", base / "test"):
        shutil.copy(image, target / "PNEUMONIA" / f"{person}_virus_9999.jpeg")
    raw = kermany.read(root)
    by_id = {sample.sample_id: sample.patient_id for sample in raw.samples}
    assert by_id[f"val/PNEUMONIA/{person}_virus_9999.jpeg"] == by_id[f"train/PNEUMONIA/{image.name}"]
    assert by_id[f"test/PNEUMONIA/{person}_virus_9999.jpeg"] != by_id[f"train/PNEUMONIA/{image.name}"]
    patients = _patients(raw)
    assert not patients["train"] & patients["valid"]
    assert not any(one.startswith("val/") for one in raw.splits["official"]["test"])


@pytest.mark.parametrize(
    ("stem", "patient", "cause"),
    [
        ("person1006_bacteria_2937", "person1006", "bacteria"),
        ("person71_virus_131", "person71", "virus"),
        ("IM-0001-0001", "IM-0001", "normal"),
        ("IM-0660-0001-0002", "IM-0660", "normal"),
        ("NORMAL2-IM-0374-0001", "NORMAL2-IM-0374", "normal"),
        ("NORMAL2-IM-0416-0001-0002", "NORMAL2-IM-0416", "normal"),
        ("BACTERIA-1008087-0001", "1008087", "bacteria"),
        ("VIRUS-1008087-0003", "1008087", "virus"),
        ("NORMAL-1003233-0001", "1003233", "normal"),
    ],
)
def test_the_names_of_all_editions_tell_patient_and_cause(stem: str, patient: str, cause: str) -> None:
    assert kermany.parse_name(stem) == kermany.ImageName(patient, cause)


@given(st.text())
def test_any_other_name_tells_nothing(stem: str) -> None:
    told = kermany.parse_name(stem)
    assert told is None or (told.patient and told.cause in {"normal", "bacteria", "virus"})


@given(st.integers(0, 10**6), st.sampled_from(["bacteria", "virus"]), st.integers(0, 10**6))
def test_person_names_come_back(number: int, cause: str, image: int) -> None:
    assert kermany.parse_name(f"person{number}_{cause}_{image}") == kermany.ImageName(f"person{number}", cause)
    assert kermany.parse_name(f"person{number}_{cause}_{image}_copy") is None


def test_odd_names_and_files_are_reported_and_an_unknown_cause_stays_unknown(root: Path) -> None:
    folder = root / "chest_xray" / "train" / "PNEUMONIA"
    image = next(folder.iterdir())
    shutil.copy(image, folder / "scan <b>|7.jpeg")
    shutil.copy(image, folder / "IM-0001-0001.jpeg")
    (folder / "notes.txt").write_text("x")
    (folder / ".DS_Store").write_text("x")
    raw = kermany.read(root)
    assert sorted(kinds(raw)) == ["bad-name", "label-disagreement", "not-an-image"]
    by_id = {sample.sample_id: sample for sample in raw.samples}
    for name in ("scan <b>|7.jpeg", "IM-0001-0001.jpeg"):
        assert by_id[f"train/PNEUMONIA/{name}"].labels == {"Normal": 0, "Pneumonia": 1}
    assert by_id["train/PNEUMONIA/scan <b>|7.jpeg"].patient_id == "train/scan <b>|7.jpeg"


@pytest.mark.parametrize("place", ["train/NORMAL", "test/PNEUMONIA"])
def test_an_absent_or_empty_folder_is_one_error(root: Path, place: str) -> None:
    folder = root / "chest_xray" / place
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(MissingDataError, match=f"{place} holds no JPEG image"):
        kermany.read(root)
    folder.rmdir()
    with pytest.raises(MissingDataError, match=f"{place} holds no JPEG image"):
        kermany.read(root)
