"""MS-CXR-T: pairs of images, real ones in its layout among them, pairs of sentences, and bad input."""

from __future__ import annotations

import csv
import shutil
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.samples import PhantomSize
from medbench_datasets import ms_cxr_t, ms_cxr_t_phantom, ms_cxr_t_sentences, ms_cxr_t_sentences_phantom
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=16, side=48, seed=6)
CASES = list(ms_cxr_t_phantom.draw_cases(SIZE))
SENTENCES = list(ms_cxr_t_sentences_phantom.draw_cases(SIZE))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ms_cxr_t_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    ms_cxr_t_sentences_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.mark.parametrize(("folder", "pairs"), [("covid-cxr-nc", 52), ("covid-cxr-open", 1)])
def test_real_pairs_in_the_official_columns_are_read(shared: Path, tmp_path: Path, folder: str, pairs: int) -> None:
    source = shared / "data" / folder
    shutil.copyfile(source / "ms_cxr_t_format.csv", tmp_path / ms_cxr_t.LABELS_FILE)
    (tmp_path / "files").symlink_to(source / "images")
    raw = ms_cxr_t.read(tmp_path)
    assert raw.problems == ()
    assert len(raw.samples) == pairs
    with (source / "temporal_pairs.csv").open(newline="") as file:
        told = [
            (row["previous_image"], row["image"], row["patient"], row["progression"]) for row in csv.DictReader(file)
        ]
    read = [
        (
            sample.previous.replace("files", "images"),
            sample.image.replace("files", "images"),
            sample.patient_id,
            ms_cxr_t.PROGRESSIONS[sample.labels["Pneumonia"]],
        )
        for sample in raw.samples
    ]
    assert read == told
    assert all((tmp_path / one).is_file() for sample in raw.samples for one in (sample.image, sample.previous))


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = ms_cxr_t.read(root)
    assert kinds(raw) == []
    assert raw.splits == {"all": {"test": [sample.sample_id for sample in raw.samples]}}
    assert len({sample.patient_id for sample in raw.samples}) < len(raw.samples)
    for sample, case in zip(raw.samples, CASES, strict=True):
        assert sample.patient_id == case.subject_id
        assert sample.image == f"files/{case.current.dicom_id}.jpg"
        assert sample.previous == f"files/{case.previous.dicom_id}.jpg"
        assert sample.labels == {
            ms_cxr_t.FINDINGS[column]: ms_cxr_t.PROGRESSIONS.index(word) for column, word in case.progressions.items()
        }
        assert sample.labels
        assert read_grey(root / sample.previous).shape == (SIZE.side, SIZE.side)


def test_a_worsening_opacity_brightens_the_right_lung_and_an_improving_one_darkens_it() -> None:
    cases = list(ms_cxr_t_phantom.draw_cases(PhantomSize(images=60, side=64, seed=0)))
    rises = {
        word: [
            float(case.current.pixels[:, :32].mean()) - float(case.previous.pixels[:, :32].mean())
            for case in cases
            if case.progressions.get("edema_progression") == word
        ]
        for word in ms_cxr_t.PROGRESSIONS
    }
    means = {word: sum(values) / len(values) for word, values in rises.items()}
    assert means["improving"] < means["stable"] < means["worsening"]


def test_rows_of_one_pair_are_merged_and_what_they_dispute_is_unknown(root: Path) -> None:
    (index, known), *_ = [(i, c) for i, c in enumerate(CASES) if 1 < len(c.progressions) < len(ms_cxr_t.FINDINGS)]
    disputed, kept = list(known.progressions)[:2]
    added = next(column for column in ms_cxr_t.FINDINGS if column not in known.progressions)

    def spoil(rows: Rows) -> None:
        header, again = rows[0], list(rows[index + 1])
        others = [word for word in ms_cxr_t.PROGRESSIONS if word != known.progressions[disputed]]
        again[header.index(disputed)] = others[0]
        again[header.index(kept)] = ""
        again[header.index(added)] = "stable"
        rows.append(again)

    edit_csv(root / ms_cxr_t.LABELS_FILE, spoil)
    raw = ms_cxr_t.read(root)
    assert kinds(raw) == ["label-disagreement"]
    assert len(raw.samples) == SIZE.images
    labels = raw.samples[index].labels
    assert ms_cxr_t.FINDINGS[disputed] not in labels
    assert labels[ms_cxr_t.FINDINGS[kept]] == ms_cxr_t.PROGRESSIONS.index(known.progressions[kept])
    assert labels[ms_cxr_t.FINDINGS[added]] == 1


def test_bad_rows_are_reported_and_passed_over(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        header = rows[0]
        current, previous, subject = (header.index(one) for one in ("dicom_id", "previous_dicom_id", "subject_id"))
        rows[1][previous] = ""
        rows[2][current] = "../../etc/x"
        rows[3][previous] = rows[3][current]
        rows.append([*rows[4]])
        rows[-1][subject] = "1"
        rows[5][header.index("edema_progression")] = "resolved"
        rows[6].append("x")

    edit_csv(root / ms_cxr_t.LABELS_FILE, spoil)
    raw = ms_cxr_t.read(root)
    assert kinds(raw) == ["bad-row"] * 6
    assert len(raw.samples) == raw.listed - 4 == SIZE.images - 4
    assert "Edema" not in raw.samples[1].labels


def test_sentences_read_back_as_they_were_written(sentences: Path) -> None:
    raw = ms_cxr_t_sentences.read(sentences)
    assert kinds(raw) == []
    for sample, case in zip(raw.samples, SENTENCES, strict=True):
        assert sample.texts == case.sentences
        assert sample.labels == {ms_cxr_t_sentences.LABEL: int(case.category == "paraphrase")}
        assert sample.sample_id == sample.patient_id
        assert sample.sample_id.startswith(case.subset.lower())
        assert sample.image == ""


def test_each_subset_and_the_whole_are_splits_for_testing(sentences: Path) -> None:
    splits = ms_cxr_t_sentences.read(sentences).splits
    assert list(splits) == ["radgraph", "swaps", "all"]
    assert all(list(parts) == ["test"] for parts in splits.values())
    radgraph, swaps, every = (parts["test"] for parts in splits.values())
    assert radgraph and swaps
    assert sorted([*radgraph, *swaps]) == sorted(every)
    assert len(radgraph) == sum(case.subset == "RadGraph" for case in SENTENCES)


def test_sentences_that_cannot_be_used_are_reported(sentences: Path) -> None:
    def spoil(rows: Rows) -> None:
        rows[1][0], rows[2][3], rows[3][1] = "Other", "neutral", ""
        rows[5].append("x")

    edit_csv(sentences / ms_cxr_t_sentences.LABELS_FILE, spoil)
    raw = ms_cxr_t_sentences.read(sentences)
    assert kinds(raw) == ["bad-row"] * 4
    assert len(raw.samples) == raw.listed - 4 == SIZE.images - 4
    assert raw.samples[0].sample_id.endswith("-004")


def test_an_absent_file_or_column_is_one_error(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = root / ms_cxr_t.LABELS_FILE
    table.write_text(table.read_text().replace("edema_progression", "oedema", 1))
    with pytest.raises(MissingDataError, match="no column 'edema_progression'"):
        ms_cxr_t.read(root)
    with pytest.raises(MissingDataError, match="is missing"):
        ms_cxr_t_sentences.read(tmp_path_factory.mktemp("empty"))
