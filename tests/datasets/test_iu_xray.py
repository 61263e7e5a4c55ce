"""IU X-Ray: both layouts of the phantom, split and texts, and what bad reports, lists and images do."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from medbench.datasets import DatasetFiles
from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.preparation import examine
from medbench.progress import Reporter
from medbench.samples import PhantomSize
from medbench_datasets import iu_xray, iu_xray_phantom, r2gen
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medbench.samples import Sample

SIZE = PhantomSize(images=40, side=32, seed=3)
CASES = list(iu_xray_phantom.draw_cases(SIZE))
LISTED = [case for case in CASES if case.part]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("iu-xray")
    iu_xray_phantom.write_phantom(root, SIZE)
    return root


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    shutil.copytree(drawn, tmp_path / "iu")
    return tmp_path / "iu"


def _edit(root: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = root / r2gen.ANNOTATION
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def _by_id(root: Path) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in iu_xray.read(root).samples}


def test_the_phantom_reads_back_in_both_layouts(root: Path) -> None:
    raw = iu_xray.read(root)
    assert raw.problems == ()
    assert [sample.sample_id for sample in raw.samples] == [case.study for case in CASES] + [
        sample_id for part in r2gen.PARTS for sample_id in (case.r2gen_id for case in LISTED if case.part == part)
    ]
    by_id = {sample.sample_id: sample for sample in raw.samples}
    for case in CASES:
        sample = by_id[case.study]
        text = case.findings or case.impression
        assert sample.texts == ((text,) if text else ())
        assert (sample.details.get("findings", ""), sample.details.get("impression", "")) == (
            case.findings,
            case.impression,
        )
        assert sample.labels == {iu_xray.LABEL: int(not case.drawn)}
        assert (sample.image, *sample.others) == tuple(f"images/{name}.png" for name in case.image_ids)
        assert read_grey(root / sample.image).shape == (SIZE.side, SIZE.side)
    for case in LISTED:
        sample = by_id[case.r2gen_id]
        assert sample.texts == (case.findings,)
        assert sample.details["impression"] == case.impression
        assert sample.patient_id == case.study
        assert sample.others == (f"images/{case.r2gen_id}/1.png",)


def test_splits_hold_studies_with_findings_each_once(root: Path) -> None:
    splits = iu_xray.read(root).splits
    assert splits["r2gen"] == {
        r2gen.PARTS[part]: [case.r2gen_id for case in LISTED if case.part == part] for part in r2gen.PARTS
    }
    assert all(splits["r2gen"].values())
    divided = list(chain.from_iterable(splits["patient"].values()))
    assert sorted(divided) == sorted(case.study for case in CASES if case.findings)
    assert len(splits["patient"]["test"]) == pytest.approx(0.2 * len(divided), abs=1)


def test_either_layout_alone_is_read(root: Path) -> None:
    shutil.copytree(root, root.parent / "list")
    (root / r2gen.ANNOTATION).unlink()
    assert list(iu_xray.read(root).splits) == ["patient"]
    shutil.rmtree(root.parent / "list" / iu_xray.REPORTS)
    raw = iu_xray.read(root.parent / "list")
    assert list(raw.splits) == ["r2gen"]
    assert all(sample.details == {"findings": sample.texts[0]} and sample.labels == {} for sample in raw.samples)


def test_a_layout_without_any_of_its_images_is_passed_over(root: Path) -> None:
    for case in CASES:
        for name in case.image_ids:
            (root / f"images/{name}.png").unlink()
    raw = iu_xray.read(root)
    assert kinds(raw) == ["no-image"]
    assert list(raw.splits) == ["r2gen"]
    assert raw.samples[0].details["impression"]
    shutil.rmtree(root / "images")
    with pytest.raises(MissingDataError, match="neither ecgen-radiology"):
        iu_xray.read(root)


def test_a_missing_view_is_left_out_and_a_study_without_any_left_to_the_preparation(root: Path) -> None:
    first, second = LISTED[:2]
    (root / f"images/{first.image_ids[0]}.png").unlink()
    for name in second.image_ids:
        (root / f"images/{name}.png").unlink()
    raw = iu_xray.read(root)
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert kinds(raw) == ["missing-image"]
    assert (by_id[first.study].image, by_id[first.study].others) == (f"images/{first.image_ids[1]}.png", ())
    assert by_id[second.study].image == f"images/{second.image_ids[0]}.png"
    assert raw.listed == len(raw.samples)


def test_views_come_from_the_table_where_it_is_there(root: Path) -> None:
    name = CASES[0].image_ids[0]
    (root / f"{iu_xray.VIEWS}.csv").write_text(f"imageid,tsne-view\n{name},L\nelse,?\n")
    by_id = _by_id(root)
    assert by_id[CASES[0].study].attributes == {"view": "Lateral"}
    assert by_id[CASES[1].study].attributes == {}


def test_a_lost_view_of_the_list_loses_its_study_and_moves_no_view(root: Path, tmp_path: Path) -> None:
    first, second = LISTED[:2]
    (root / f"images/{first.r2gen_id}/0.png").unlink()
    (root / f"images/{second.r2gen_id}/1.png").unlink()
    raw = iu_xray.read(root)
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert raw.problems == ()
    for case in (first, second):
        views = tuple(f"images/{case.r2gen_id}/{number}.png" for number in (0, 1))
        assert (by_id[case.r2gen_id].image, *by_id[case.r2gen_id].others) == views
    for case in LISTED:
        (root / f"images/{case.r2gen_id}/1.png").unlink(missing_ok=True)
    files = DatasetFiles(iu_xray.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    with pytest.raises(MissingDataError, match=r"cannot be used .*\.png\): the file does not exist"):
        examine(files, Reporter())


def test_what_macos_adds_is_passed_over_and_endings_in_capitals_are_found(root: Path) -> None:
    before = iu_xray.read(root)
    (root / iu_xray.REPORTS / "._1.xml").write_bytes(b"\x00\x05\x16\x07")
    (root / iu_xray.REPORTS / "2.xml").rename(root / iu_xray.REPORTS / "2.XML")
    name = CASES[0].image_ids[0]
    (root / f"images/{name}.png").rename(root / f"images/{name}.PNG")
    (root / f"images/._{name}.png").write_bytes(b"\x00\x05\x16\x07")
    (root / f"images/{LISTED[0].r2gen_id}/1.png").rename(root / f"images/{LISTED[0].r2gen_id}/1.PNG")
    raw = iu_xray.read(root)
    assert raw.problems == ()
    assert raw.splits == before.splits
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert by_id[CASES[0].study].image == f"images/{name}.PNG"
    assert by_id[LISTED[0].r2gen_id].others == (f"images/{LISTED[0].r2gen_id}/1.PNG",)


def test_a_report_changed_in_place_changes_the_signature(root: Path, tmp_path: Path) -> None:
    files = DatasetFiles(iu_xray.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    before = files.signature()
    path = root / iu_xray.REPORTS / "1.xml"
    path.write_text(path.read_text() + "\n")
    assert files.signature() != before


def test_names_too_long_for_a_file_are_reported(root: Path) -> None:
    text = (root / iu_xray.REPORTS / "2.xml").read_text()
    (root / iu_xray.REPORTS / "2.xml").write_text(text.replace(CASES[1].image_ids[1], "x" * 300))
    _edit(root, lambda document: document["train"][0].update(image_path=[f"{'x' * 300}/0.png"]))
    assert kinds(iu_xray.read(root)) == ["bad-row", "bad-row"]


BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><eCitation><uId id="CXR1"/>&y;</eCitation>'
FETCHED = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><eCitation><uId id="CXR1"/>&x;</eCitation>'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (BOMB, "declares entities"),
        (FETCHED, "declares entities"),
        ('<eCitation><uId id="CXR1"/><Abstr', "is not whole XML"),
        ("", "is not whole XML"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "is not whole XML"),
        ("<eCitation/>", "names no study"),
        ('<eCitation><uId id="../1"/></eCitation>', "names no study"),
    ],
)
def test_a_report_that_cannot_be_read_is_passed_over(root: Path, content: str, complaint: str) -> None:
    (root / iu_xray.REPORTS / "1.xml").write_text(content)
    raw = iu_xray.read(root)
    (problem,) = raw.problems
    assert (problem.kind, problem.where) == ("bad-report", "ecgen-radiology/1.xml")
    assert complaint in problem.detail
    assert "CXR1" not in {sample.sample_id for sample in raw.samples}
    assert raw.listed == len(raw.samples) + 1


def test_a_second_report_of_a_study_and_a_path_as_image_are_passed_over(root: Path) -> None:
    folder = root / iu_xray.REPORTS
    (folder / "copy-of-1.xml").write_bytes((folder / "1.xml").read_bytes())
    text = (folder / "2.xml").read_text()
    (folder / "2.xml").write_text(text.replace(CASES[1].image_ids[1], "../../etc/x"))
    raw = iu_xray.read(root)
    assert kinds(raw) == ["bad-row", "duplicate-id"]
    assert raw.samples[1].others == ()


def test_a_report_without_images_is_told_and_does_not_count_as_lost(root: Path) -> None:
    (root / iu_xray.REPORTS / "900.xml").write_text('<eCitation><uId id="CXR900"/></eCitation>')
    raw = iu_xray.read(root)
    assert kinds(raw) == ["no-image"]
    assert raw.listed == len(raw.samples)


def test_markup_long_foreign_and_broken_text_is_kept_as_one_line(root: Path) -> None:
    words = " ".join(["clear"] * 5000)
    body = f"Pulmones <i>claros</i>,\n sin derrame. 肺野清晰\ufffd {words}"
    study = f'<eCitation><uId id="CXR1"/><AbstractText Label="findings">{body}</AbstractText>'
    (root / iu_xray.REPORTS / "1.xml").write_text(
        f'{study}<parentImage id="{CASES[0].image_ids[0]}"/></eCitation>', encoding="utf-8"
    )
    assert _by_id(root)["CXR1"].texts == (f"Pulmones claros, sin derrame. 肺野清晰 {words}",)


def test_headings_that_say_nothing_of_the_findings_leave_the_label_unknown(root: Path) -> None:
    path = root / iu_xray.REPORTS / "1.xml"
    body = path.read_text()
    start, end = body.index("<major>"), body.rindex("</major>")
    for heading, labels in (("No Indexing", {}), ("normal", {"Normal": 1}), ("Cardiomegaly", {"Normal": 0})):
        path.write_text(f"{body[:start]}<major>{heading}{body[end:]}")
        assert _by_id(root)["CXR1"].labels == labels


@pytest.mark.parametrize(
    "change",
    [
        {"report": ""},
        {"report": " \n"},
        {"report": None},
        {"id": None},
        {"id": "\ud800"},
        {"image_path": []},
        {"image_path": "a.png"},
        {"image_path": ["/etc/a.png"]},
        {"image_path": ["../../a.png"]},
        {"image_path": ["a.png", 7]},
    ],
)
def test_a_malformed_record_is_passed_over(root: Path, change: dict[str, Any]) -> None:
    _edit(root, lambda document: document["train"][0].update(change))
    raw = iu_xray.read(root)
    assert [(one.kind, one.where) for one in raw.problems] == [("bad-row", "annotation.json: train[0]")]
    assert raw.listed == len(raw.samples) + 1
    assert sum(map(len, raw.splits["r2gen"].values())) == len(LISTED) - 1


def test_a_repeated_record_and_one_that_is_no_object_are_passed_over(root: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["test"] += [document["train"][0], 5]

    _edit(root, spoil)
    assert kinds(iu_xray.read(root)) == ["duplicate-id", "bad-row"]


def test_a_list_that_is_cut_short_names_the_file_and_the_place(root: Path) -> None:
    path = root / r2gen.ANNOTATION
    path.write_text(path.read_text()[:500])
    with pytest.raises(MissingDataError, match=r"annotation\.json is not JSON \(.*line 1 column \d+"):
        iu_xray.read(root)


@pytest.mark.parametrize("content", ["[]", "{}", '{"train": [], "val": [], "    ": []}', "[" * 100_000])
def test_json_of_another_shape_is_one_error(root: Path, content: str) -> None:
    (root / r2gen.ANNOTATION).write_text(content)
    with pytest.raises(MissingDataError, match=r"annotation\.json"):
        iu_xray.read(root)
