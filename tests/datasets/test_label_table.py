"""Own images with a table: the phantom, both forms of labels, the drawn parts, single bad cells, and whole bad tables."""

from __future__ import annotations

from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medbench.datasets import DatasetFiles
from medbench.errors import MissingDataError
from medbench.preparation import examine
from medbench.progress import Reporter
from medbench.samples import UNCERTAIN, PhantomSize
from medbench_datasets import label_table, own_images_phantom
from medbench_datasets.names import complain_of_path, tidy_path

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import RawDataset

SIZE = PhantomSize(images=40, side=32, seed=8)
CASES = {f"images/{case.name}": case for case in own_images_phantom.draw_cases(SIZE)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    own_images_phantom.write_table(tmp_path, SIZE)
    return tmp_path


def _read(root: Path, text: str, encoding: str = "utf-8") -> RawDataset:
    (root / "labels.csv").write_text(text, encoding=encoding)
    return label_table.read(root)


def _rows(count: int, row: str) -> str:
    return "".join(row.format(index) + "\n" for index in range(count))


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = label_table.read(root)
    assert raw.problems == ()
    assert raw.label_names == own_images_phantom.LABELS
    assert [sample.sample_id for sample in raw.samples] == list(CASES)
    values = []
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.patient_id == case.person.patient_id
        assert sample.attributes == case.person.attributes
        for name in raw.label_names:
            value = sample.labels.get(name)
            values.append(value)
            assert value in {None, UNCERTAIN, int(name == case.held)}
    assert {None, UNCERTAIN, 0, 1} <= set(values)


def test_parts_are_drawn_by_patient_with_every_label_in_each(root: Path) -> None:
    raw = label_table.read(root)
    by_id = {sample.sample_id: sample for sample in raw.samples}
    parts = raw.splits["own"]
    assert sorted(chain.from_iterable(parts.values())) == sorted(CASES)
    patients = {part: {by_id[one].patient_id for one in ids} for part, ids in parts.items()}
    assert len(set().union(*patients.values())) == sum(map(len, patients.values())) < SIZE.images
    for ids in parts.values():
        for name in own_images_phantom.LABELS:
            assert {0, 1} <= {by_id[one].labels.get(name) for one in ids}


def test_the_core_prepares_it_and_names_absent_images_and_shared_patients(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["image,label,patient,split"]
    for index in range(40):
        part = ("train", "train", "val", "test")[index % 4]
        rows.append(f"{index}.png,{'ab'[index % 8 < 4]},p{0 if index in {0, 3} else index},{part}")
        if index != 5:
            Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / f"{index}.png")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    files = DatasetFiles(label_table.SPEC, tmp_path, (), tmp_path / "info", tmp_path / "table")
    info = examine(files, Reporter()).info
    assert info.parts == {"own": {"train": 19, "valid": 10, "test": 10}}
    assert {problem.kind: problem.examples for problem in info.problems} == {
        "missing-image": ["5.png (5.png): the file does not exist"],
        "shared-patient": ["split own: patient p0 is in test, train"],
    }


def test_a_label_column_names_the_class_and_a_blank_is_unknown(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,label\n1.png,a|b\n2.png,<script>\n3.png,\n4.png,nan\n5.png,Ödem\n")
    assert raw.label_names == ("<script>", "a|b", "Ödem")
    assert [dict(sample.labels) for sample in raw.samples] == [
        {"<script>": 0, "a|b": 1, "Ödem": 0},
        {"<script>": 1, "a|b": 0, "Ödem": 0},
        {},
        {},
        {"<script>": 0, "a|b": 0, "Ödem": 1},
    ]


def test_label_columns_hold_present_absent_uncertain_and_unknown(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,x,y\n1.png,1,0.0\n2.png,-1,\n3.png,NaN,-1.0\n4.png,True,1.0\n5.png,false,0\n")
    assert raw.label_names == ("x", "y")
    assert [dict(sample.labels) for sample in raw.samples] == [
        {"x": 1, "y": 0},
        {"x": UNCERTAIN},
        {"y": UNCERTAIN},
        {"x": 1, "y": 1},
        {"x": 0, "y": 0},
    ]


def test_columns_of_any_case_pandas_numbers_underscores_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    plain = _read(tmp_path, "image,label,age\n1.png,a,40\n2.png,b,50\n3.png,b,60\n")
    dressed = ",Unnamed: 0,Image,LABEL,Age,_note,\n0,7,1.png,a,40,text,\n1,8,2.png,b,50.0,nan,\n2,9,3.png,b,60,,\n\n"
    assert _read(tmp_path, dressed, "utf-8-sig") == plain
    assert plain.samples[0].attributes == {"age": "40"}


def test_windows_and_dotted_paths_are_tidied(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,label,split\nscans\\1.png,a,test\n./scans//2.png,b,train\n")
    assert [sample.image for sample in raw.samples] == ["scans/1.png", "scans/2.png"]


def test_attributes_are_standardised_and_what_is_not_understood_is_said(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,label,sex,age,view\n1.png,a,female,045Y,pa\n2.png,b,M,old,AP\n3.png,b,?,,\n")
    assert [dict(sample.attributes) for sample in raw.samples] == [
        {"sex": "F", "age": "45", "view": "PA"},
        {"sex": "M", "view": "AP"},
        {},
    ]
    assert [(problem.kind, problem.where) for problem in raw.problems] == [
        ("bad-attribute", "labels.csv:3"),
        ("bad-attribute", "labels.csv:4"),
    ]


def test_given_parts_are_kept_and_valid_drawn_where_it_is_not_given(tmp_path: Path) -> None:
    rows = _rows(16, "{0}.png,a,train") + _rows(16, "b{0}.png,b,TRAIN") + "t.png,a,test\nu.png,b,testing\nn.png,b,\n"
    raw = _read(tmp_path, "image,label,split\n" + rows)
    parts = raw.splits["own"]
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 28, "valid": 4, "test": 2}
    assert [(problem.kind, problem.where) for problem in raw.problems] == [("no-part", "labels.csv:36")]


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (",1,0,train", "no image path"),
        ("../x.png,1,0,train", "leaves the folder"),
        ("a/../../x.png,1,0,train", "leaves the folder"),
        ("/etc/x.png,1,0,train", "absolute"),
        ("C:\\x.png,1,0,train", "absolute"),
        (".,1,0,train", "names no file"),
        ('"a\nb.png",1,0,train', "control characters"),
        ("x.png,maybe,0,train", "column 'x' holds 'maybe'"),
        ("x.png,2,0,train", "column 'x' holds '2'"),
        ("x.png,1,0,holdout", "split is 'holdout', not train, valid or test"),
    ],
)
def test_a_bad_row_is_reported_and_left_out(tmp_path: Path, row: str, detail: str) -> None:
    good = _rows(6, "{0}.png,1,0,train") + _rows(6, "v{0}.png,0,1,val") + "t.png,1,0,test\nu.png,0,1,test\n"
    raw = _read(tmp_path, f"image,x,y,split\n{good}{row}\n")
    assert len(raw.samples) == 14
    assert raw.listed == 15
    assert [problem.kind for problem in raw.problems] == ["bad-row"]
    assert detail in raw.problems[0].detail


def test_repeated_rows_are_taken_once_contradictions_left_out_and_names_of_another_case_kept(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,label\n1.png,a\n1.png,a\n2.png,a\n./2.png,b\n3.png,b\n3.PNG,a\n")
    assert [sample.image for sample in raw.samples] == ["1.png", "3.png", "3.PNG"]
    assert [problem.kind for problem in raw.problems] == ["duplicate-row", "duplicate-row"]
    assert raw.listed == 4


@pytest.mark.parametrize("cell", ["?", "n/a"])
def test_a_repeated_cell_that_is_no_class_is_an_error_of_its_rows(tmp_path: Path, cell: str) -> None:
    raw = _read(tmp_path, f"image,x\n{_rows(30, '{0}.png,1')}{_rows(10, 'n{0}.png,0')}a.png,{cell}\nb.png,{cell}\n")
    assert [problem.kind for problem in raw.problems] == ["bad-row", "bad-row"]


def test_nan_of_pandas_is_blank_for_patient_and_split_too(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,label,patient,split\n1.png,a,nan,test\n2.png,b,NaN,train\n3.png,b,p,nan\n")
    assert [sample.patient_id for sample in raw.samples] == ["1.png", "2.png", "p"]
    assert raw.splits["own"] == {"train": ["2.png"], "valid": [], "test": ["1.png"]}
    assert [problem.kind for problem in raw.problems] == ["no-part"]


def test_a_label_of_one_value_is_said_and_not_refused(tmp_path: Path) -> None:
    raw = _read(tmp_path, "image,x,y,z\n1.png,1,1,\n2.png,1,0,-1\n3.png,1,0,\n")
    assert [(problem.kind, problem.detail) for problem in raw.problems] == [
        ("one-class", "label 'x' is 1 in every row that tells it"),
        ("one-class", "label 'z' is unknown in every row that tells it"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty - it needs a header"),
        ("\n\n", "is empty"),
        ("image,label\n", "has a header but no rows"),
        ("image;label\n1.png;a\n", "is separated by ';' - save it with commas"),
        ("image;label\n1,5.png;a\n", "is separated by ';'"),
        ("filename,label\n1.png,a\n", "has no column 'image'; it has filename, label - rename 'filename' to 'image'"),
        ("x,label\n1.png,a\n", "has no column 'image'; it has x, label - add it"),
        ("image,patient\n1.png,a\n", "has no label - add a column 'label'"),
        ("image,label,x\n1.png,a,1\n", "has a column 'label' and also 'x' - rename 'x' to '_x' to have it ignored"),
        ("image,x,x\n1.png,1,0\n", "has two columns 'x' - keep one"),
        ("image,Image,x\n1.png,1,0\n", "has two columns 'image'"),
        ("image,diagnosis\n1.png,flu\n2.png,cold\n", r"column 'diagnosis' of .* holds 'flu' \(line 2\)"),
        ("image,x,report\n1.png,1,clear lungs\n", "rename it to 'label' if it names the class, or to '_report'"),
        ("image,x,weight\n1.png,1,70.5\n", "column 'weight' of .* holds '70.5'"),
        ("image,label\na,b.png,x\n", r"line 2 of .* has 3 cells, the header 2 - put text that holds a comma"),
        ("image,label\n1.png,a\n2.png,a\n", r"names one class alone \('a'\), and nothing can be told apart"),
        ("image,label\n1.png,\n2.png,\n", "names no class at all"),
        ("image,label\n../1.png,a\n,b\n", r"has no usable row \(first: labels.csv:2: the image path '../1.png' leaves"),
        (f"image,x\n{_rows(19, '{0}.png,1')}{_rows(19, 'n{0}.png,0')}1,2\n2,2\n", r"'x' of .* holds '2' \(line 40\)"),
        (f"image,x\n{_rows(30, '{0}.png,1.0')}1,2.0\n2,2.0\n", "rename it to 'label' if it names the class"),
        (f"image,x\n{_rows(48, '{0}.png,1')}1,2\n2,2\n3,3\n4,3\n", "holds '2' .* rename it to 'label'"),
        (
            f"image,x\n{_rows(30, '{0}.png,1')}1,viral one\n2,viral one\n",
            "holds 'viral one' .* leave what is unknown empty",
        ),
        (
            "image,label\n1.png,a\n2.png,b\n",
            r"no test part can be drawn: .* has no class with two .* give a column 'split'",
        ),
        ("image,label,patient\n1.png,a,p\n2.png,b,p\n3.png,b,p\n", "no test part can be drawn"),
        ("image,label,split\n1.png,a,train\n2.png,b,val\n", "gives train, valid but no test - add test"),
        ("image,label,split\n1.png,a,\n2.png,b,\n", "gives no part but no test"),
        ('image,label\n"1.png,a\n', "is not UTF-8 CSV text .* - save it as CSV UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MissingDataError, match=said) as caught:
        _read(tmp_path, text)
    assert caught.value.fix
    assert "\n" not in str(caught.value)


def test_another_encoding_and_an_absent_table_are_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"labels\.csv is missing - write one with columns image and label"):
        label_table.read(tmp_path)
    with pytest.raises(MissingDataError, match="is not UTF-8 CSV text"):
        _read(tmp_path, "image,label\n1.png,a\n", "utf-16")


@given(st.text())
def test_a_path_that_is_accepted_stays_within_the_folder(cell: str) -> None:
    if complain_of_path(cell) is None:
        path = PurePosixPath(tidy_path(cell))
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert path.name
        assert tidy_path(str(path)) == str(path)
