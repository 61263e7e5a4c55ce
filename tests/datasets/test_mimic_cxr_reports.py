"""MIMIC-CXR's reports: the rules of the sections, where the files lie, R2Gen's list, and bad files."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from medbench.datasets import DatasetFiles
from medbench.errors import MissingDataError
from medbench.preparation import examine
from medbench.progress import Reporter
from medbench.samples import PhantomSize
from medbench_datasets import mimic_cxr, mimic_cxr_5x200, mimic_cxr_phantom, mimic_cxr_reports, r2gen
from medbench_datasets.mimic_cxr_reports import sections_of
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = PhantomSize(images=24, side=32, seed=1)
CASES = {case.dicom_id: case for case in mimic_cxr_phantom.draw_cases(SIZE)}
FIRST = next(iter(CASES))
HEAD = "                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  ___F with cough\n \n"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without the list of MIMIC-5x200, of which test_mimic_5x200.py is."""
    root = tmp_path_factory.mktemp("mimic-cxr")
    mimic_cxr_phantom.write_phantom(root, SIZE)
    (root / mimic_cxr_5x200.FILE).unlink()
    return root


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    shutil.copytree(drawn, tmp_path / "mimic")
    return tmp_path / "mimic"


def _report_of(root: Path, dicom_id: str) -> Path:
    case = CASES[dicom_id]
    return root / f"files/p{str(case.subject)[:2]}/p{case.subject}/s{case.study}.txt"


def _edit(root: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = root / r2gen.ANNOTATION
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("body", "sections"),
    [
        (" FINDINGS: \n \n The lungs\n are clear.\n \n IMPRESSION:  Normal.\n", ("The lungs are clear.", "Normal.")),
        ("FINDINGS: Clear.\r\n\r\nIMPRESSION: Normal.", ("Clear.", "Normal.")),
        (" IMPRESSION: \n 1. Edema.\n 2. No effusion: none seen.\n", (None, "1. Edema. 2. No effusion: none seen.")),
        (" IMPRESSION:  First.\n FINDINGS:  \n IMPRESSION:  Second.\n", (None, "Second.")),
        (" FINDINGS:  Clear.\n IMPRESSION:  First.\n IMPRESSION:  \n", ("Clear.", None)),
        (" FINDINGS AND IMPRESSION:  Clear.\n", ("Clear.", "Clear.")),
        (" FINDINGS/IMPRESSION:  Clear.\n", ("Clear.", "Clear.")),
        (" FINDING:  Clear.\n CONCLUSION:  Normal.\n", ("Clear.", "Normal.")),
        (" FINDINGS:  Clear.\n NOTIFICATION OF CRITICAL FINDINGS:  By phone.\n", ("Clear.", None)),
        (" IMPRESSION:  Normal.\n COMPARISON WITH PRIOR IMPRESSION:  Same.\n", (None, "Normal.")),
        (" FINDINGS:  Clear.\n RECOMMENDATION(S):  None.\n", ("Clear.", None)),
        (" FINDINGS:  Los pulmones están claros. 肺野清晰\n", ("Los pulmones están claros. 肺野清晰", None)),
        (f" FINDINGS:  {'clear ' * 5000}\n", (" ".join(["clear"] * 5000), None)),
    ],
    ids=str,
)
def test_sections_follow_their_headings(body: str, sections: tuple[str | None, str | None]) -> None:
    found = sections_of(HEAD + body)
    assert (found.get("findings"), found.get("impression")) == sections
    assert "last_paragraph" not in found


@pytest.mark.parametrize(
    ("report", "paragraph"),
    [
        (
            f"{HEAD} COMPARISON:  ___.\n \n The lungs are clear.\n Normal heart.\n \n",
            "The lungs are clear. Normal heart.",
        ),
        (f"{HEAD} AP CHEST:  The lungs are clear.\n", "The lungs are clear."),
        ("                   FINAL REPORT\n The lungs are clear.\n", "The lungs are clear."),
        (" Findings: clear.", "Findings: clear."),
        (f"{HEAD} IMPRESSION:  First.\n IMPRESSION:  \n", "First. IMPRESSION:"),
        (f"{HEAD} CHEST FINDINGS:  Clear.\n", "Clear."),
    ],
)
def test_the_last_paragraph_is_kept_where_sections_are_absent(report: str, paragraph: str) -> None:
    assert sections_of(report) == {"last_paragraph": paragraph}


@pytest.mark.parametrize("report", ["", " \n \n", "        FINAL REPORT\n \n"])
def test_a_report_without_text_gives_nothing(report: str) -> None:
    assert sections_of(report) == {}


def test_the_phantom_reads_back_with_its_reports(root: Path) -> None:
    raw = mimic_cxr.read(root)
    assert raw.problems == ()
    lone = 0
    for sample in raw.samples:
        report = CASES[sample.sample_id].report
        if report.findings:
            assert (sample.texts, sample.details) == (
                (report.findings,),
                {"findings": report.findings, "impression": report.impression},
            )
        elif report.impression:
            assert (sample.texts, sample.details) == ((report.impression,), {"impression": report.impression})
        else:
            assert (sample.texts, list(sample.details)) == ((), ["last_paragraph"])
            lone += 1
    assert lone
    listed = raw.splits["r2gen"]
    assert sorted(chain.from_iterable(listed.values())) == sorted(
        name for name, case in CASES.items() if case.report.findings
    )
    assert all(listed.values())


@pytest.mark.parametrize(
    "home",
    [
        "reports/files",
        "reports",
        "reports/mimic-cxr-reports/files",
        "mimic-cxr-reports/files",
        "mimic-cxr-reports",
    ],
)
def test_reports_are_found_in_a_folder_of_their_own(root: Path, home: str) -> None:
    before = mimic_cxr.read(root)
    for name in CASES:
        path = _report_of(root, name)
        moved = root / home / path.relative_to(root / "files")
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    assert mimic_cxr.read(root) == before


def test_a_folder_of_reports_in_which_none_is_found_is_told(root: Path) -> None:
    for name in CASES:
        path = _report_of(root, name)
        moved = root / "reports" / "elsewhere" / path.relative_to(root)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    assert [(one.kind, one.where) for one in mimic_cxr.read(root).problems] == [("missing-report", "reports")]


@pytest.mark.parametrize("home", ["files", "reports", "mimic-cxr-reports"])
def test_a_report_changed_in_place_changes_the_signature(root: Path, tmp_path: Path, home: str) -> None:
    files = DatasetFiles(mimic_cxr.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    path = root / home / "p10" / "p1" / "s1.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("FINDINGS: Clear.")
    before = files.signature()
    path.write_text("FINDINGS: Clear lungs.")
    assert files.signature() != before


def test_many_reports_are_read_chunk_by_chunk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mimic_cxr.read(root)
    monkeypatch.setattr(mimic_cxr_reports, "_CHUNK", 5)
    assert mimic_cxr.read(root) == before


def test_without_reports_texts_are_empty_and_labels_as_before(root: Path) -> None:
    before = mimic_cxr.read(root)
    for name in CASES:
        _report_of(root, name).unlink()
    (root / r2gen.ANNOTATION).unlink()
    raw = mimic_cxr.read(root)
    assert raw.problems == ()
    assert raw.splits == {"official": before.splits["official"]}
    assert all(sample.texts == () and sample.details == {} for sample in raw.samples)
    assert [sample.labels for sample in raw.samples] == [sample.labels for sample in before.samples]


def test_reports_that_are_absent_or_broken_are_told(root: Path) -> None:
    (root / r2gen.ANNOTATION).unlink()
    names = list(CASES)
    _report_of(root, names[0]).unlink()
    _report_of(root, names[1]).write_bytes(b"FINDINGS: \xff\xfe")
    _report_of(root, names[2]).write_text("")
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["missing-report", "bad-report"]
    assert [sample.texts for sample in raw.samples[:3]] == [(), (), ()]
    assert len(raw.samples) == SIZE.images


def test_the_report_of_the_list_is_the_text_under_either_name(root: Path) -> None:
    def reword(document: dict[str, Any]) -> None:
        for record in chain.from_iterable(document.values()):
            record["report"] = f"Listed.\n {record['id']}"

    _edit(root, reword)
    (root / r2gen.ANNOTATION).rename(root / "mimic_annotation.json")
    for sample in mimic_cxr.read(root).samples:
        if CASES[sample.sample_id].report.findings:
            assert sample.texts == (f"Listed. {sample.sample_id}",)
            assert sample.details["findings"] == CASES[sample.sample_id].report.findings


def test_images_of_the_list_without_a_usable_row_are_told_and_lost_to_their_part(root: Path, tmp_path: Path) -> None:
    before = mimic_cxr.read(root).splits["r2gen"]
    strangers = [{"id": one, "report": "Clear.", "image_path": [f"p10/p1/s1/{one}.jpg"]} for one in ("x", "y", "z")]
    _edit(root, lambda document: document["test"].extend(strangers))
    raw = mimic_cxr.read(root)
    (problem,) = raw.problems
    assert (problem.kind, problem.where) == ("unlisted-image", r2gen.ANNOTATION)
    assert f"3 of {sum(map(len, before.values())) + 3} listed images have no usable row, as x" in problem.detail
    assert raw.splits["r2gen"] == before | {"test": [*before["test"], "x", "y", "z"]}
    files = DatasetFiles(mimic_cxr.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    with pytest.raises(MissingDataError, match=f"3 of {len(before['test']) + 3} samples of r2gen/test cannot be used"):
        examine(files, Reporter())
    assert examine(files, Reporter(), allow_incomplete=True).info.parts["r2gen"]["test"] == len(before["test"])


def test_a_list_of_other_images_altogether_is_one_error(root: Path) -> None:
    stranger = {"id": "CXR1", "report": "Clear.", "image_path": ["CXR1/0.png"]}
    (root / r2gen.ANNOTATION).write_text(json.dumps({"train": [stranger], "val": [], "test": []}))
    with pytest.raises(MissingDataError, match=r"none of the 1 images of .*annotation\.json is in mimic-cxr"):
        mimic_cxr.read(root)


def test_an_image_of_two_records_stays_in_the_first(root: Path) -> None:
    before = mimic_cxr.read(root)

    def repeat(document: dict[str, Any]) -> None:
        document["test"].append(document["train"][0] | {"id": "another", "report": "Else."})

    _edit(root, repeat)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["duplicate-row"]
    assert "'another' of test has the image" in raw.problems[0].detail
    assert (raw.splits, raw.samples) == (before.splits, before.samples)


def test_a_malformed_record_is_passed_over_and_its_image_keeps_its_own_report(root: Path) -> None:
    name = next(name for name, case in CASES.items() if case.report.findings and case.part == "test")

    def spoil(document: dict[str, Any]) -> None:
        next(record for record in document["test"] if record["id"] == name)["report"] = ""

    _edit(root, spoil)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["bad-row"]
    assert name not in raw.splits["r2gen"]["test"]
    assert next(sample for sample in raw.samples if sample.sample_id == name).texts == (CASES[name].report.findings,)


def test_a_list_that_is_cut_short_is_one_error(root: Path) -> None:
    path = root / r2gen.ANNOTATION
    path.write_text(path.read_text()[:-40])
    with pytest.raises(MissingDataError, match=r"annotation\.json is not JSON .*char \d+"):
        mimic_cxr.read(root)
