"""DICOM headers read back, and bad files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from medbench.images import ImageError, read_grey
from medbench_datasets.dicom import read_header, write_dicom

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(15, dtype=np.uint8).reshape(3, 5) * 17
SEEN = {"sex": "F", "age": "7", "view": "PA"}


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "1.dcm"
    write_dicom(path, PIXELS, uid="2.25.1", patient_id="p", attributes=SEEN)
    return path


def test_what_is_written_is_read_back(dicom: Path) -> None:
    header = read_header(dicom)
    assert header is not None
    assert (header.height, header.width, header.patient_id, header.attributes) == (3, 5, "p", SEEN)
    np.testing.assert_array_equal(read_grey(dicom), np.rint(PIXELS * (255 / PIXELS.max())))


def test_a_file_cut_in_its_pixels_still_has_a_header_but_no_image(dicom: Path) -> None:
    dicom.write_bytes(dicom.read_bytes()[:-8])
    assert read_header(dicom) is not None
    with pytest.raises(ImageError):
        read_grey(dicom)


@pytest.mark.parametrize("content", [b"", b"not dicom", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 50])
def test_what_is_not_dicom_has_no_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    assert read_header(path) is None
    assert read_header(tmp_path / "absent.dcm") is None


def test_a_header_that_claims_an_unbearable_size_is_not_believed(dicom: Path) -> None:
    data = pydicom.dcmread(dicom)
    data.Rows, data.Columns = 65_535, 65_535
    data.save_as(dicom)
    assert read_header(dicom) is None


@pytest.mark.parametrize(("written", "years"), [("045Y", "45"), ("018M", "1"), ("006M", "0"), ("61", "61"), ("", None)])
def test_ages_become_years_without_a_warning(
    dicom: Path, written: str, years: str | None, recwarn: pytest.WarningsRecorder
) -> None:
    data = pydicom.dcmread(dicom)
    data["PatientAge"]._value = written
    data.save_as(dicom)
    recwarn.clear()
    header = read_header(dicom)
    assert header is not None
    assert len(recwarn) == 0
    assert header.attributes.get("age") == years
