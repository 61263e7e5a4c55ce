"""MIMIC-5x200: the columns that are understood, what is left out and told, and the counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.samples import PhantomSize, Problem, Sample
from medbench_datasets import mimic_cxr, mimic_cxr_phantom, r2gen
from medbench_datasets.mimic_cxr_5x200 import EACH, FILE, FINDINGS, finding_of, read_list

if TYPE_CHECKING:
    from pathlib import Path

ATELECTASIS, EDEMA = FINDINGS[0], FINDINGS[3]


def sample(number: int, view: str = "PA", text: str = "Clear.", study: int | None = None, **labels: int) -> Sample:
    """Image ``a-<number>`` of a study of the same number, unless another is given; a label of ``One`` is Atelectasis."""
    named = {"One": ATELECTASIS, "Four": EDEMA, "Other": "Fracture"}
    return Sample(
        sample_id=f"a-{number}",
        patient_id="10",
        image=f"files/p10/p10/s{number if study is None else study}/a-{number}.jpg",
        labels={named[name]: value for name, value in (labels or {"One": 1}).items()},
        attributes={"view": view} if view else {},
        texts=(text,) if text else (),
    )


def read(folder: Path, text: str, *samples: Sample) -> tuple[list[str], list[Problem]]:
    """The ids, and the problems but for that of the counts, which is the last."""
    path = folder / FILE
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    ids = read_list(path, samples, mimic_cxr.FRONTAL, problems)
    assert [one.kind for one in problems].index("count") == len(problems) - 1
    return ids, problems[:-1]


@pytest.mark.parametrize(
    "text",
    [
        "dicom_id\na-2\na-1\n",
        "\ufeffDICOM_ID,class\na-2,Edema\na-1,\n",
        ",Image_ID,Path\n0,a-2,x\n1,a-1,y\n",
        "dicom_id\nfiles/p10/p10/s2/a-2.jpg\na-1.dcm\n",
        "study_id,dicom_id\n9,a-2\n9,a-1\n",
        "subject_id,Study_ID\n10,2\n10,1\n",
        "study_id\ns2\ns1\n",
        "study_id\nfiles/p10/p10/s2.txt\ns1\n",
    ],
)
def test_ids_are_read_in_the_order_of_the_list(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text, sample(1), sample(2), sample(3)) == (["a-2", "a-1"], [])


def test_a_study_is_its_one_frontal_image(tmp_path: Path) -> None:
    samples = (sample(1), sample(2, "Lateral", study=1), sample(3), sample(4, "AP", study=3), sample(5, "Lateral"))
    ids, problems = read(tmp_path, "study_id\n1\n3\n5\n6\n", *samples)
    assert ids == ["a-1"]
    assert problems == [
        Problem("no-frontal", f"{FILE}:3", "the study has no usable frontal image, or several; 3 rows are left out")
    ]


@pytest.mark.parametrize(
    ("bad", "row", "kind", "told"),
    [
        (sample(1), "a-9", "unlisted-image", "no usable row of it"),
        (sample(1), ",x", "unlisted-image", "no usable row of it"),
        (sample(1), "../../a", "unlisted-image", "no usable row of it"),
        (sample(1), "a-1,,x", "bad-row", "more cells"),
        (sample(1), "a-2", "duplicate-row", "listed before"),
        (sample(1, text=""), "a-1", "missing-report", "no report was found for it (neither R2Gen's nor a report file"),
        (sample(1, One=0), "a-1", "no-class", "none of the five"),
        (sample(1, Other=1), "a-1", "no-class", "none of the five"),
        (sample(1, One=-2), "a-1", "no-class", "none of the five"),
        (sample(1, One=1, Four=1), "a-1", "no-class", "several are"),
    ],
)
def test_what_does_not_fit_is_left_out_and_told(tmp_path: Path, bad: Sample, row: str, kind: str, told: str) -> None:
    ids, (problem,) = read(tmp_path, f"dicom_id,class\na-2,\n{row}\na-3,\n", bad, sample(2), sample(3))
    assert ids == ["a-2", "a-3"]
    assert (problem.kind, problem.where) == (kind, f"{FILE}:{3}")
    assert told in problem.detail and "1 row is left out" in problem.detail


def test_one_problem_tells_of_all_rows_of_a_kind(tmp_path: Path) -> None:
    ids, problems = read(tmp_path, "dicom_id\nx\na-1\ny\na-1\nz\n", sample(1))
    assert ids == ["a-1"]
    assert [(one.kind, one.where) for one in problems] == [
        ("unlisted-image", f"{FILE}:2"),
        ("duplicate-row", f"{FILE}:5"),
    ]
    assert "3 rows are left out" in problems[0].detail


def test_uncertain_and_further_findings_leave_the_class_as_it_is() -> None:
    assert finding_of(sample(1, One=-2, Four=1, Other=1)) == EDEMA
    assert finding_of(sample(1, One=0, Four=0)) is None


def test_a_list_of_200_each_has_no_problem_and_another_number_has_one(tmp_path: Path) -> None:
    samples = [
        Sample(sample_id=f"{name[:2]}{number}", patient_id="1", labels={name: 1}, texts=("Clear.",))
        for name in FINDINGS
        for number in range(EACH)
    ]
    path = tmp_path / FILE
    path.write_text("\n".join(["dicom_id", *(one.sample_id for one in samples)]))
    problems: list[Problem] = []
    assert read_list(path, samples, (), problems) == [one.sample_id for one in samples]
    assert problems == []
    path.write_text("\n".join(["dicom_id", *(one.sample_id for one in samples[1:])]))
    assert len(read_list(path, samples, (), problems)) == 999
    assert [(one.kind, one.where) for one in problems] == [("count", FILE)]
    assert problems[0].detail.startswith("Atelectasis 199, Cardiomegaly 200")


def test_a_list_without_a_column_of_ids_is_one_error_and_one_without_rows_is_empty(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"none of the columns dicom_id, image_id, study_id; it has uid, class"):
        read(tmp_path, "uid,class\n1,Edema\n", sample(1))
    (tmp_path / FILE).write_bytes(b"dicom_id\n\xff\xfe\n")
    with pytest.raises(MissingDataError, match="not readable CSV text"):
        read_list(tmp_path / FILE, (), (), [])
    assert read(tmp_path, "dicom_id\n", sample(1)) == ([], [])
    assert read(tmp_path, "", sample(1)) == ([], [])


def test_the_phantom_has_a_list_and_without_it_there_is_no_split(tmp_path: Path) -> None:
    size = PhantomSize(images=48, side=24, seed=3)
    mimic_cxr_phantom.write_phantom(tmp_path, size)
    raw = mimic_cxr.read(tmp_path)
    assert [one.kind for one in raw.problems] == ["count"]
    (listed,) = raw.splits["5x200"].values()
    by_id = {one.sample_id: one for one in raw.samples}
    expected = [
        one.sample_id
        for one in raw.samples
        if one.texts and finding_of(one) is not None and one.attributes["view"] in mimic_cxr.FRONTAL
    ]
    assert sorted(listed) == sorted(expected)
    assert len(Counter(finding_of(by_id[one]) for one in listed)) == len(FINDINGS)
    (tmp_path / FILE).unlink()
    assert mimic_cxr.read(tmp_path).splits == {name: raw.splits[name] for name in ("official", "r2gen")}


def test_a_list_without_reports_says_that_none_was_found(tmp_path: Path) -> None:
    """Nobody has read a report where there is none: neither R2Gen's file nor a folder of reports."""
    mimic_cxr_phantom.write_phantom(tmp_path, PhantomSize(images=24, side=24, seed=3))
    (tmp_path / r2gen.ANNOTATION).unlink()
    for report in tmp_path.glob("files/**/*.txt"):
        report.unlink()
    raw = mimic_cxr.read(tmp_path)
    assert raw.splits["5x200"] == {"test": []}
    (told,) = (one.detail for one in raw.problems if one.kind == "missing-report")
    assert told.startswith(
        "no report was found for it (neither R2Gen's nor a report file with findings or an impression)"
    )


def test_the_dataset_says_that_the_split_needs_reports_too() -> None:
    (listed,) = (one for one in mimic_cxr.SPEC.files if one.path == FILE)
    (split,) = (one for one in mimic_cxr.SPEC.splits if one.name == "5x200")
    assert "needs the reports too" in listed.purpose and "needs the reports too" in split.rule
