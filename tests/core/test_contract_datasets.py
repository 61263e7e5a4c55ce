"""The checks of datasets: each names the fault of a reader or phantom that has it, and finds none where there is none."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from medbench.phantom import write_phantom
from medbench.registry import Registry
from medbench.samples import PhantomSize
from medbench.specs import DatasetSpec, ExpectedFile
from medbench.testing.contract import Report
from medbench.testing.dataset_checks import check_dataset, dataset_report
from medbench.testing.spec_checks import check_dataset_spec
from tests.core.contract_here import ask_here

READERS = "tests.core.contract_readers"


@pytest.fixture
def toy(toy_path: Path) -> ModuleType:
    import medbench_toy

    return medbench_toy


def lines(spec: DatasetSpec, folder: Path) -> list[str]:
    return [one.line for one in Report.of(spec.id, check_dataset(spec, folder)).findings]


def test_a_good_dataset_has_no_findings(toy: ModuleType, tmp_path: Path) -> None:
    assert lines(replace(toy.DATASET, reader=f"{READERS}:read_well"), tmp_path) == []


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        ("read_elsewhere", "its image '/etc/passwd' is not a path below the dataset's folder"),
        ("read_strange_label", "it is labelled 'dark', which is not among the label names"),
        ("read_strange_value", "its label 'bright' is 2: give an index into label_values"),
        ("read_boxes_outside", "times box-outside (first: t000: (400, 400, 10, 10) is not inside the image"),
        ("read_boxes_outside", "its samples have boxes, but the spec's supervision does not say so"),
        ("read_same_ids", "2 samples have the id"),
        ("read_lost_attribute", "its attribute 'weight' is none of sex, age, view: put it into details"),
        ("read_another_split", "its reader gives the split 'other', which the spec does not declare"),
        ("read_unknown_ids", "main/test names 'nobody', which is no sample of it"),
        ("read_in_any_order", "its reader gives something else the second time"),
        ("read_in_any_order", "preparing it twice gives two manifests"),
        ("read_and_write", "reading it changed its folder"),
        ("read_online", "it asked the network for labels.invalid:443 from"),
        ("read_by_hash", "its reader gives another order in another process: sort what comes from a set"),
        ("read_and_seed", "reading it changed Python's random generator, which the whole process shares"),
        ("read_with_lost_images", "of its phantom, 12 times missing-image (first: t000 (images/lost.png)"),
        ("read_nothing", "its reader gives no sample"),
        ("no_such_function", "has no 'no_such_function'"),
    ],
)
def test_a_reader_s_fault_is_named(
    reader: str, words: str, toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reader != "read_by_hash":
        monkeypatch.setattr("medbench.testing.dataset_checks.ask", ask_here)
    found = lines(replace(toy.DATASET, reader=f"{READERS}:{reader}"), tmp_path)
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("phantom", "words"),
    [
        ("draw_anew", "its phantom is another one each time, with the same seed"),
        ("draw_half", "its phantom lacks labels.csv, which the spec requires"),
        ("draw_beside", "its phantom writes outside of the folder that it is given"),
        ("draw_here", "its phantom writes outside of the folder that it is given"),
        ("draw_online", "it asked the network for phantoms.invalid from"),
        ("draw_from_all", "drawing its phantom changed numpy's random generator"),
    ],
)
def test_a_phantom_s_fault_is_named(
    phantom: str, words: str, toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medbench.testing.dataset_checks.ask", ask_here)
    spec = replace(toy.DATASET, reader=f"{READERS}:read_well", phantom=f"{READERS}:{phantom}")
    found = lines(spec, tmp_path)
    assert any(words in line for line in found), found


def test_the_toy_s_own_faults_are_named_with_the_file_that_shows_them(toy: ModuleType, registry: Registry) -> None:
    text = dataset_report("toy", registry).text
    assert "with labels.csv replaced by noise, its reader raised UnicodeDecodeError" in text
    assert "in split main, 12 patients stand in several parts (first: p000): divide by patient" in text


def test_what_appears_in_the_working_directory_meanwhile_is_no_fault(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(request: object, say: object) -> None:
        (tmp_path / f".coverage.{time.monotonic_ns()}").write_text("")  # as another process may
        write_phantom(request, say)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("medbench.testing.dataset_checks.write_phantom", draw)
    (tmp_path / "work").mkdir()
    assert lines(replace(toy.DATASET, reader=f"{READERS}:read_well"), tmp_path / "work") == []


def test_an_optional_file_that_is_needed_is_named(toy: ModuleType, tmp_path: Path) -> None:
    spec = replace(
        toy.DATASET,
        reader=f"{READERS}:read_with_notes",
        phantom=f"{READERS}:draw_with_notes",
        files=(*toy.DATASET.files, ExpectedFile(path="notes.txt", purpose="notes", required=False)),
    )
    found = lines(spec, tmp_path)
    assert any("without notes.txt, which is optional, it says 'toy: something is amiss'" in line for line in found)


def test_a_folder_that_is_not_there_does_not_pass(toy: ModuleType, tmp_path: Path) -> None:
    spec = replace(toy.DATASET, reader=f"{READERS}:read_well")
    found = [one.line for one in Report.of("toy", check_dataset(spec, tmp_path, tmp_path / "typo")).findings]
    assert any("typo does not exist" in line for line in found), found


def test_problems_of_real_files_are_told(toy: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    toy.write_phantom(root, PhantomSize(images=40, side=16, seed=3))
    (root / "images" / "t001.png").write_bytes(b"")
    (tmp_path / "work").mkdir()
    report = Report.of(
        "toy", check_dataset(replace(toy.DATASET, reader=f"{READERS}:read_well"), tmp_path / "work", root)
    )
    assert any("what preparing it passes over: 1 times unreadable-image" in one.line for one in report.left_out)


def test_without_phantom_or_data_nothing_passes(toy: ModuleType, tmp_path: Path) -> None:
    (line,) = lines(replace(toy.DATASET, phantom=None), tmp_path)
    assert "its reader could not be tried" in line


def test_real_files_are_read_and_left_as_they_are(toy: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    toy.write_phantom(root, PhantomSize(images=12, side=16, seed=3))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    spec = replace(toy.DATASET, reader=f"{READERS}:read_well", phantom=None)
    (tmp_path / "work").mkdir()
    assert not Report.of("toy", check_dataset(spec, tmp_path / "work", root)).findings
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_spec_that_says_little_is_named(toy: ModuleType) -> None:
    files = (replace(toy.DATASET.files[0], path="../labels.csv", purpose=""),)
    found = [one.line for one in check_dataset_spec(replace(toy.DATASET, files=files, url="ftp:x", licence=""))]
    for words in ("licence is empty", "url 'ftp:x' is no address", "'../labels.csv' is not below", "purpose is empty"):
        assert any(words in line for line in found), words
