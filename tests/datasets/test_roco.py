"""ROCO and ROCOv2: the phantom, a file's name by id and by article, odd captions, and bad input."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from medbench.errors import MissingDataError
from medbench.images import read_colour
from medbench.samples import PhantomSize
from medbench_datasets import roco, roco_phantom
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=20, side=40, seed=4)
CASES = {case.name: case for case in roco_phantom.draw_cases(SIZE)}
TRAIN = [case for case in CASES.values() if case.part == "train"]
FOLDER = "data/train/radiology"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    roco_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def _write_captions(root: Path, *lines: str) -> None:
    (root / FOLDER / "captions.txt").write_text("\n".join(lines), encoding="utf-8")


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = roco.read(root)
    assert raw.problems == ()
    assert {sample.sample_id for sample in raw.samples} == CASES.keys()
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert (sample.texts, sample.patient_id) == ((case.caption,), case.article)
        assert sample.details == {"licence": "CC BY"}
        pixels = read_colour(root / sample.image)
        assert pixels.shape == (SIZE.side, SIZE.side, 3)
        corner = pixels[0, 0].astype(int)
        assert bool(corner.max() - corner.min() > 50) is ("frame" in case.caption)
    names = {"train": "train", "validation": "valid", "test": "test"}
    assert raw.splits == {
        "official": {
            part: [name for name, case in CASES.items() if names[case.part] == part] for part in names.values()
        }
    }
    assert all(raw.splits["official"].values())


def test_links_name_the_files_where_licences_are_absent_and_a_file_may_have_the_id(root: Path) -> None:
    before = roco.read(root)
    (root / FOLDER / "licences.txt").unlink()
    raw = roco.read(root)
    assert [sample.image for sample in raw.samples] == [sample.image for sample in before.samples]
    assert raw.samples[0].details == {}
    first = raw.samples[0]
    (root / first.image).rename(root / FOLDER / f"images/{first.sample_id}.jpg")
    assert roco.read(root).samples[0].image == f"{FOLDER}/images/{first.sample_id}.jpg"
    (root / FOLDER / "dlinks.txt").unlink()
    last = roco.read(root).samples[0]
    assert (last.image, last.patient_id) == (f"{FOLDER}/images/{first.sample_id}.jpg", first.sample_id)


def test_the_parts_may_lie_in_the_root_or_in_a_mirrors_folder(root: Path) -> None:
    before = roco.read(root)
    (root / "data").rename(root / "all_data")
    assert roco.read(root).splits == before.splits
    for part in roco.PARTS:
        (root / "all_data" / part).rename(root / part)
    assert roco.read(root).splits == before.splits
    assert roco.read(root).samples[0].image.startswith("train/radiology/images/")


def test_captions_in_any_language_over_several_lines_and_of_any_length_are_one_line(root: Path) -> None:
    words = " ".join(["mass"] * 5000)
    _write_captions(
        root,
        "ROCO_1\t Distension digestive avec niveaux hydro-aériques\r",
        "ROCO_2\tFirst line\u2028goes\x0bon",
        "and on.",
        f"ROCO_3\t{words}",
    )
    train = [sample for sample in roco.read(root).samples if sample.image.startswith(FOLDER)]
    assert [sample.texts[0] for sample in train] == [
        "Distension digestive avec niveaux hydro-aériques",
        "First line goes on and on.",
        words,
    ]


def test_lines_without_id_caption_or_a_new_id_are_passed_over(root: Path) -> None:
    _write_captions(root, "no tab", "\tno id", "../x\tescape", "ROCO_1\tone", "ROCO_1\tagain", "lost", "ROCO_2\t  ")
    raw = roco.read(root)
    assert kinds(raw) == ["bad-row"] * 3 + ["duplicate-row", "bad-row", "no-text"]
    assert raw.splits["official"]["train"] == ["ROCO_1"]
    assert raw.listed == len(raw.samples) + 5


def test_an_id_of_two_parts_stays_in_the_first(root: Path) -> None:
    path = root / "data/test/radiology/captions.txt"
    path.write_text(path.read_text() + f"{TRAIN[0].name}\tagain\n")
    raw = roco.read(root)
    assert kinds(raw) == ["duplicate-id"]
    assert TRAIN[0].name in raw.splits["official"]["train"]
    assert TRAIN[0].name not in raw.splits["official"]["test"]


def test_a_licence_that_leads_elsewhere_is_passed_over(root: Path) -> None:
    path = root / FOLDER / "licences.txt"
    path.write_text(path.read_text().replace(f"{TRAIN[0].article}_{TRAIN[0].figure}", "../../x.jpg", 1))
    (root / FOLDER / "dlinks.txt").unlink()
    raw = roco.read(root)
    assert kinds(raw) == ["bad-row"]
    assert raw.samples[0].image == f"{FOLDER}/images/{TRAIN[0].name}.jpg"


def test_a_part_without_captions_is_told(root: Path) -> None:
    shutil.rmtree(root / "data/validation")
    raw = roco.read(root)
    assert kinds(raw) == ["missing-list"]
    assert list(raw.splits["official"]) == ["train", "test"]


def _write_second(root: Path, folder: str = "{0}_images/{0}") -> None:
    for stem in roco.PARTS_V2:
        (root / folder.format(stem)).mkdir(parents=True)
        name = f"ROCOv2_2023_{stem}_000001"
        (root / f"{stem}_captions.csv").write_text(f'ID,Caption\n{name},"Chest CT, {stem}"\n{name},again\n../x,y\nz,\n')
        Image.new("L", (4, 4)).save(root / folder.format(stem) / f"{name}.jpg")


@pytest.mark.parametrize("folder", ["{0}_images/{0}", "{0}_images", "{0}"])
def test_the_second_release_is_read_beside_the_first_or_alone(root: Path, folder: str) -> None:
    _write_second(root, folder)
    raw = roco.read(root)
    assert list(raw.splits) == ["official", "v2"]
    assert raw.splits["v2"]["valid"] == ["ROCOv2_2023_valid_000001"]
    assert kinds(raw) == ["bad-row", "bad-row", "duplicate-id"] * 3
    assert raw.listed == len(raw.samples) + 6
    assert raw.samples[-1].texts == ("Chest CT, test",)
    assert (root / raw.samples[-1].image).is_file()
    shutil.rmtree(root / "data")
    assert list(roco.read(root).splits) == ["v2"]


def test_the_articles_of_the_second_release_are_its_patients_where_they_are_told(root: Path) -> None:
    _write_second(root)
    shutil.rmtree(root / "data")
    table = root / "license_information.csv"
    name = "ROCOv2_2023_{0}_000001".format
    link = "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC77/"
    table.write_text(f"ID,PMCID,Link\n{name('train')},PMC5,\n{name('valid')},,{link}\n{name('test')},,\n")
    raw = roco.read(root)
    assert [sample.patient_id for sample in raw.samples] == ["PMC5", "PMC77", name("test")]
    table.write_bytes(b"ID,\xff\n")
    raw = roco.read(root)
    assert kinds(raw)[0] == "bad-list"
    assert [sample.patient_id for sample in raw.samples] == [name("train"), name("valid"), name("test")]


def test_absent_and_unreadable_lists_are_one_error_each(root: Path) -> None:
    _write_second(root)
    (root / "valid_captions.csv").unlink()
    with pytest.raises(MissingDataError, match=r"valid_captions\.csv is missing"):
        roco.read(root)
    (root / FOLDER / "captions.txt").write_bytes(b"ROCO_1\t\xff\n")
    with pytest.raises(MissingDataError, match=r"captions\.txt is not readable text"):
        roco.read(root)
    shutil.rmtree(root / "data")
    for stem in ("train", "test"):
        (root / f"{stem}_captions.csv").unlink()
    with pytest.raises(MissingDataError, match="neither data"):
        roco.read(root)
