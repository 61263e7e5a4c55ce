"""Paediatric pneumonia: the real images, the phantom, both editions, and bad input."""

from __future__ import annotations

import csv
import re
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
    from collections.abc import Iterator
    from pathlib import Path

    from medbench.samples import RawDataset

SIZE = PhantomSize(images=24, side=40, seed=3)
CASES = list(kermany_phantom.draw_cases(SIZE))

NAMES = [
    ("person1006_bacteria_2937", "person1006", "bacteria"),
    ("person71_virus_131", "person71", "virus"),
    ("IM-0001-0001", "IM-0001", "normal"),
    ("IM-0660-0001-0002", "IM-0660", "normal"),
    ("NORMAL2-IM-0374-0001", "NORMAL2-IM-0374", "normal"),
    ("NORMAL2-IM-0416-0001-0002", "NORMAL2-IM-0416", "normal"),
    ("BACTERIA-1008087-0001", "1008087", "bacteria"),
    ("VIRUS-1008087-0003", "1008087", "virus"),
    ("NORMAL-1003233-0001", "1003233", "normal"),
]


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
    assert [problem.kind for problem in raw.problems] == ["number-in-two-parts"]
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
    numbers = {part: {one.partition("/")[2] for one in members} for part, members in patients.items()}
    assert len((numbers["train"] | numbers["valid"]) & numbers["test"]) == 19
    assert raw.problems[0].detail.startswith("19 patient numbers")


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


@pytest.mark.parametrize("place", ["", "chest_xray", "CellData/chest_xray", "a/b/c"])
def test_the_data_are_found_where_the_specification_finds_them(
    root: Path, tmp_path_factory: pytest.TempPathFactory, place: str
) -> None:
    before = kermany.read(root)
    moved = tmp_path_factory.mktemp("moved")
    shutil.copytree(root / "chest_xray", moved / place, dirs_exist_ok=True)
    raw = kermany.read(moved)
    assert raw.splits == before.splits
    assert all((moved / sample.image).is_file() for sample in raw.samples)
    assert all(list(moved.glob(file.path)) for file in kermany.SPEC.files if file.required)


def test_copies_further_down_resource_forks_and_retinal_images_are_passed_over_and_links_followed(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = kermany.read(root)
    base = root / "chest_xray"
    shutil.copytree(base, base / "chest_xray")
    shutil.copytree(base, base / "__MACOSX")
    disk = tmp_path_factory.mktemp("disk") / "xrays"
    base.rename(disk)
    base.symlink_to(disk)
    (root / "OCT" / "train" / "NORMAL").mkdir(parents=True)
    (root / "OCT" / "loop").symlink_to(root)
    assert kermany.read(root) == before


def test_two_folders_with_the_data_are_refused(root: Path) -> None:
    shutil.copytree(root / "chest_xray", root / "copy")
    with pytest.raises(MissingDataError, match="holds the data twice, in chest_xray and copy - keep one"):
        kermany.read(root)


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


def _near_misses(stem: str) -> Iterator[str]:
    """``stem`` with each of its words, numbers and marks left out, doubled, or replaced."""
    tokens = re.findall(r"[A-Za-z]+|[0-9]+|[_-]", stem)
    for place, token in enumerate([*tokens, ""]):
        for other in (
            "",
            token * 2,
            "x",
            "7",
            "\u0661",
            "-",
            "_",
            "\n",
            "NORMAL",
            "Im",
            "virus",
            "PERSON",
            "ba\u017fteria",
        ):
            yield "".join([*tokens[:place], other, *tokens[place + 1 :]])


def _expected(stem: str) -> kermany.ImageName | None:
    """The three forms of names, said by splitting at their marks."""

    def numbers(*words: str) -> bool:
        return all(word.isascii() and word.isdigit() for word in words)

    match stem.lower().split("_"):
        case [person, ("bacteria" | "virus") as cause, image] if person.startswith("person"):
            return kermany.ImageName(person, cause) if numbers(person[6:], image) else None
    match stem.lower().split("-"):
        case [("normal" | "bacteria" | "virus") as cause, patient, image] if numbers(patient, image):
            return kermany.ImageName(patient, cause)
        case ["im", patient, image, *more] if numbers(patient, image, *more):
            return kermany.ImageName(f"IM-{patient}", "normal")
        case [normal, "im", patient, image, *more] if numbers(patient, image, *more):
            series = normal.removeprefix("normal")
            known = normal.startswith("normal") and (not series or numbers(series))
            return kermany.ImageName(f"{normal}-IM-{patient}".upper(), "normal") if known else None
    return None


@pytest.mark.parametrize(("stem", "patient", "cause"), NAMES)
def test_the_names_of_all_editions_tell_patient_and_cause(stem: str, patient: str, cause: str) -> None:
    assert kermany.parse_name(stem) == kermany.ImageName(patient, cause)


@pytest.mark.parametrize("stem", [name for name, _, _ in NAMES])
def test_near_misses_of_a_name_tell_what_their_words_say(stem: str) -> None:
    told = {near: kermany.parse_name(near) for near in _near_misses(stem)}
    assert told == {near: _expected(near) for near in told}
    assert None in told.values()
    assert {*told.values()} - {None}


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
    shutil.copy(image, folder / f"._{image.name}")
    raw = kermany.read(root)
    assert sorted(kinds(raw)) == ["bad-name", "label-disagreement", "not-an-image", "number-in-two-parts"]
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
