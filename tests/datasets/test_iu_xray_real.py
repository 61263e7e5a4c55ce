"""IU X-Ray's real text, whole: 3,955 XML reports and R2Gen's list, read with small stand-ins for the images."""

from __future__ import annotations

import tarfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from medbench_datasets import iu_xray, r2gen
from medbench_datasets.iu_xray_reports import Reports, read_reports

if TYPE_CHECKING:
    from pathlib import Path

    from medbench_datasets.r2gen import Annotation


@pytest.fixture(scope="module")
def root(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extracted reports and the list, and one blank image for each study of the list."""
    source, root = shared / "data" / "iu-xray-text", tmp_path_factory.mktemp("iu-xray")
    with tarfile.open(source / "NLMCXR_reports.tgz") as archive:
        archive.extractall(root, filter="data")
    for name in (r2gen.ANNOTATION, "nlmcxr_tsne_pa.csv.gz"):
        (root / name).symlink_to(source / name)
    return root


@pytest.fixture(scope="module")
def reports(root: Path) -> Reports:
    problems: list[object] = []
    found = read_reports(root / iu_xray.REPORTS, problems)
    assert problems == []
    return found


@pytest.fixture(scope="module")
def annotation(root: Path) -> Annotation:
    problems: list[object] = []
    found = r2gen.read_annotation(root / r2gen.ANNOTATION, problems)
    assert problems == []
    return found


def test_all_reports_parse_into_the_sections_that_they_have(reports: Reports) -> None:
    assert len(reports.by_study) == reports.listed == 3955
    sections = Counter((bool(one.findings), bool(one.impression)) for one in reports.by_study.values())
    assert sections == {(True, True): 3419, (False, True): 502, (True, False): 6, (False, False): 28}
    assert sum(len(one.images) for one in reports.by_study.values()) == 7470
    assert sum(not one.images for one in reports.by_study.values()) == 104
    assert sum(one.mesh == iu_xray.NORMAL for one in reports.by_study.values()) == 1391
    first = reports.by_study["CXR1"]
    assert (first.impression, first.indication, first.mesh) == ("Normal chest x-XXXX.", "Positive TB test", ("normal",))
    assert first.images == ("CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001")


def test_the_list_has_the_published_sizes(annotation: Annotation) -> None:
    assert Counter(study.part for study in annotation.studies) == {"train": 2069, "valid": 296, "test": 590}
    assert all(len(study.images) == 2 for study in annotation.studies)
    assert len({study.report for study in annotation.studies}) == 2266


def test_the_list_is_of_the_studies_with_findings_and_two_views_and_its_report_is_the_findings(
    reports: Reports, annotation: Annotation
) -> None:
    of_list = {study.id.partition("_")[0]: study.report for study in annotation.studies}
    eligible = {name: one.findings for name, one in reports.by_study.items() if one.findings and len(one.images) >= 2}
    assert of_list == eligible
    assert len(of_list) == 2955


def test_the_reader_takes_both_layouts_whole(root: Path, reports: Reports, annotation: Annotation) -> None:
    (root / "images").mkdir()
    for name in ("CXR1_1_IM-0001-3001", "CXR3030_IM-1405/0", "CXR3030_IM-1405/1"):
        path = root / f"images/{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(path)
    raw = iu_xray.read(root)
    assert raw.listed == len(raw.samples) == 3851 + 2955
    sizes = {split: {part: len(ids) for part, ids in parts.items()} for split, parts in raw.splits.items()}
    assert sizes["r2gen"] == {"train": 2069, "valid": 296, "test": 590}
    assert sizes["patient"] == {"train": 2335, "valid": 334, "test": 668}
    assert Counter(problem.kind for problem in raw.problems) == {"no-image": 1, "missing-image": 1}
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert by_id["CXR1"].attributes == {"view": "Lateral"}
    assert by_id["CXR3030_IM-1405"].details["impression"] == reports.by_study["CXR3030"].impression
    labels = Counter(by_id[study.id].labels.get(iu_xray.LABEL) for study in annotation.studies)
    assert labels == {1: 1087, 0: 1793, None: 75}
