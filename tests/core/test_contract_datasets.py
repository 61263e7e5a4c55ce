"""The checks of datasets: each names the fault of a reader or phantom that has it, and finds none where there is none."""

from __future__ import annotations

import contextlib
import csv
import os
import random
import socket
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from medbench.errors import MissingDataError
from medbench.phantom import write_phantom
from medbench.registry import Registry
from medbench.samples import Box, PhantomSize, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile
from medbench.testing.contract import Report
from medbench.testing.dataset_checks import check_dataset, dataset_report
from medbench.testing.spec_checks import check_dataset_spec


@pytest.fixture
def toy(toy_path: Path) -> ModuleType:
    import medbench_toy

    return medbench_toy


def lines(spec: DatasetSpec, folder: Path) -> list[str]:
    return [one.line for one in Report.of(spec.id, check_dataset(spec, folder)).findings]


def read_well(root: Path) -> RawDataset:
    """The toy's table read with care, divided by patient."""
    import medbench_toy

    try:
        raw = medbench_toy.read(root)
    except (UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise MissingDataError("toy: labels.csv cannot be read") from error
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for sample in raw.samples:
        parts[("train", "valid", "test")[sum(sample.patient_id.encode()) % 3]].append(sample.sample_id)
    return replace(raw, splits={"main": parts})


def _changed(root: Path, **changes: object) -> RawDataset:
    raw = read_well(root)
    first: Sample = replace(raw.samples[0], **changes)
    return replace(raw, samples=(first, *raw.samples[1:]))


def read_elsewhere(root: Path) -> RawDataset:
    return _changed(root, image="/etc/passwd")


def read_strange_label(root: Path) -> RawDataset:
    return _changed(root, labels={"dark": 1})


def read_strange_value(root: Path) -> RawDataset:
    return _changed(root, labels={"bright": 2})


def read_boxes_outside(root: Path) -> RawDataset:
    return _changed(root, boxes=(Box(0, 400, 400, 10, 10),))


def read_same_ids(root: Path) -> RawDataset:
    raw = read_well(root)
    return _changed(root, sample_id=raw.samples[1].sample_id)


def read_lost_attribute(root: Path) -> RawDataset:
    return _changed(root, attributes={"weight": "70"})


def read_another_split(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(raw, splits={"other": raw.splits["main"]})


def read_unknown_ids(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(raw, splits={"main": {**raw.splits["main"], "test": ["nobody"]}})


def read_in_any_order(root: Path) -> RawDataset:
    raw = read_well(root)
    turned = sorted(raw.samples, key=lambda sample: os.urandom(4))
    return replace(raw, samples=tuple(turned))


def read_and_write(root: Path) -> RawDataset:
    (root / "index.tmp").write_text("kept")
    return read_well(root)


def read_online(root: Path) -> RawDataset:
    try:
        socket.getaddrinfo("labels.invalid", 443)
    except OSError:
        return read_well(root)
    raise AssertionError("nobody answers to that name")


def read_by_hash(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(
        raw, samples=tuple({sample.sample_id: sample for sample in raw.samples}[one] for one in _hashed(raw))
    )


def _hashed(raw: RawDataset) -> list[str]:
    return list({sample.sample_id for sample in raw.samples})


def read_and_seed(root: Path) -> RawDataset:
    random.seed(7)
    return read_well(root)


def read_with_notes(root: Path) -> RawDataset:
    if not (root / "notes.txt").is_file():
        raise MissingDataError("toy: something is amiss")
    return read_well(root)


def read_with_lost_images(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(raw, samples=tuple(replace(one, image="images/lost.png") for one in raw.samples))


def read_nothing(root: Path) -> RawDataset:
    return RawDataset(samples=(), splits={})


def draw_anew(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size._replace(seed=int.from_bytes(os.urandom(3), "little")))


def draw_half(root: Path, size: PhantomSize) -> None:
    (root / "images").mkdir(parents=True, exist_ok=True)


def draw_beside(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size)
    (root.parent / "beside").mkdir(exist_ok=True)


def draw_here(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size)
    Path("left-behind.txt").write_text("")


def draw_with_notes(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size)
    (root / "notes.txt").write_text("")


def draw_online(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    with contextlib.suppress(OSError):
        socket.gethostbyname("phantoms.invalid")
    medbench_toy.write_phantom(root, size)


def draw_from_all(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    np.random.seed(size.seed + 1)
    medbench_toy.write_phantom(root, size)


def test_a_good_dataset_has_no_findings(toy: ModuleType, tmp_path: Path) -> None:
    assert lines(replace(toy.DATASET, reader=f"{__name__}:read_well"), tmp_path) == []


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
        ("read_with_lost_images", "of its phantom, 24 times missing-image (first: t000 (images/lost.png)"),
        ("read_nothing", "its reader gives no sample"),
        ("no_such_function", "has no 'no_such_function'"),
    ],
)
def test_a_reader_s_fault_is_named(reader: str, words: str, toy: ModuleType, tmp_path: Path) -> None:
    found = lines(replace(toy.DATASET, reader=f"{__name__}:{reader}"), tmp_path)
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
def test_a_phantom_s_fault_is_named(phantom: str, words: str, toy: ModuleType, tmp_path: Path) -> None:
    spec = replace(toy.DATASET, reader=f"{__name__}:read_well", phantom=f"{__name__}:{phantom}")
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
    assert lines(replace(toy.DATASET, reader=f"{__name__}:read_well"), tmp_path / "work") == []


def test_an_optional_file_that_is_needed_is_named(toy: ModuleType, tmp_path: Path) -> None:
    spec = replace(
        toy.DATASET,
        reader=f"{__name__}:read_with_notes",
        phantom=f"{__name__}:draw_with_notes",
        files=(*toy.DATASET.files, ExpectedFile(path="notes.txt", purpose="notes", required=False)),
    )
    found = lines(spec, tmp_path)
    assert any("without notes.txt, which is optional, it says 'toy: something is amiss'" in line for line in found)


def test_a_folder_that_is_not_there_does_not_pass(toy: ModuleType, tmp_path: Path) -> None:
    spec = replace(toy.DATASET, reader=f"{__name__}:read_well")
    found = [one.line for one in Report.of("toy", check_dataset(spec, tmp_path, tmp_path / "typo")).findings]
    assert any("typo does not exist" in line for line in found), found


def test_problems_of_real_files_are_told(toy: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    toy.write_phantom(root, PhantomSize(images=40, side=16, seed=3))
    (root / "images" / "t001.png").write_bytes(b"")
    (tmp_path / "work").mkdir()
    report = Report.of(
        "toy", check_dataset(replace(toy.DATASET, reader=f"{__name__}:read_well"), tmp_path / "work", root)
    )
    assert any("what preparing it passes over: 1 times unreadable-image" in one.line for one in report.left_out)


def test_without_phantom_or_data_nothing_passes(toy: ModuleType, tmp_path: Path) -> None:
    (line,) = lines(replace(toy.DATASET, phantom=None), tmp_path)
    assert "its reader could not be tried" in line


def test_real_files_are_read_and_left_as_they_are(toy: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    toy.write_phantom(root, PhantomSize(images=12, side=16, seed=3))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    spec = replace(toy.DATASET, reader=f"{__name__}:read_well", phantom=None)
    (tmp_path / "work").mkdir()
    assert not Report.of("toy", check_dataset(spec, tmp_path / "work", root)).findings
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_spec_that_says_little_is_named(toy: ModuleType) -> None:
    files = (replace(toy.DATASET.files[0], path="../labels.csv", purpose=""),)
    found = [one.line for one in check_dataset_spec(replace(toy.DATASET, files=files, url="ftp:x", licence=""))]
    for words in ("licence is empty", "url 'ftp:x' is no address", "'../labels.csv' is not below", "purpose is empty"):
        assert any(words in line for line in found), words
