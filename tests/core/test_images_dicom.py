"""Compressed DICOM: decoded by what is fastest here, and where nothing does, one line says what to install."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from medbench import dicom_syntaxes
from medbench.dicom_syntaxes import SYNTAXES, decoders, missing
from medbench.images import ImageError, read_grey, scale_to_uint8


def _write(path: Path, pixels: NDArray[np.uint8], syntax: str, frame: bytes) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = encapsulate([frame])
    data["PixelData"].is_undefined_length = True
    data.save_as(path, enforce_file_format=True)
    return path


def _pixels() -> NDArray[np.uint8]:
    pixels = np.random.default_rng(0).integers(0, 200, (12, 16), dtype=np.uint8)
    pixels[0, 0] = 255  # so that nothing is scaled
    return pixels


def _encoded(pixels: NDArray[np.uint8], form: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **how)
    return buffer.getvalue()


def test_jpeg_2000_and_baseline_are_decoded(tmp_path: Path) -> None:
    pixels = _pixels()
    whole = _write(tmp_path / "a.dcm", pixels, JPEG2000Lossless, _encoded(pixels, "JPEG2000", no_jp2=True))
    np.testing.assert_array_equal(read_grey(whole), pixels)
    lossy = _encoded(pixels, "JPEG", quality=90)
    expected = np.asarray(Image.open(io.BytesIO(lossy)))
    found = read_grey(_write(tmp_path / "b.dcm", pixels, JPEGBaseline8Bit, lossy))
    np.testing.assert_array_equal(found, scale_to_uint8(expected))


def test_without_a_decoder_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_syntaxes, "decoders", lambda uid: ())
    path = _write(tmp_path / "a.dcm", _pixels(), JPEGLosslessSV1, b"\xff\xd8\xff\xd9")
    with pytest.raises(ImageError) as told:
        read_grey(path)
    assert str(told.value) == (
        "cannot decode a.dcm: it is JPEG lossless SV1, for which no decoder is installed - pip install 'medbench[dicom]'"
    )


def test_a_decoder_that_fails_is_followed_by_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_syntaxes, "decoders", lambda uid: ("gdcm-of-another-age", *decoders(uid)))
    pixels = _pixels()
    path = _write(tmp_path / "a.dcm", pixels, JPEG2000Lossless, _encoded(pixels, "JPEG2000", no_jp2=True))
    np.testing.assert_array_equal(read_grey(path), pixels)


def test_the_syntaxes_that_are_missing_are_those_that_nothing_decodes() -> None:
    absent = missing()
    assert {"RLE", "JPEG baseline", "JPEG 2000"}.isdisjoint(absent), "pydicom and Pillow decode these by themselves"
    assert all((name in absent) == (not decoders(uid)) for uid, name in SYNTAXES.items())
    assert decoders("1.2.3") == ()


def test_the_fastest_decoder_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Known:
        available_plugins = ("gdcm", "pydicom", "pylibjpeg", "pillow")

    monkeypatch.setattr("pydicom.pixels.get_decoder", lambda uid: Known)
    assert decoders(RLELossless) == ("pillow", "pylibjpeg", "gdcm", "pydicom")


@given(
    kind=st.sampled_from(["u1", "i1", "u2", "i2", ">u2"]),
    low=st.integers(-32768, 32767),
    high=st.integers(-32768, 65535),
    seed=st.integers(0, 100),
)
@settings(max_examples=25, deadline=None)
def test_a_large_image_is_scaled_as_a_small_one(kind: str, low: int, high: int, seed: int) -> None:
    """A large one goes by a table of all values, a small one is computed."""
    bounds = np.iinfo(np.dtype(kind))
    low, high = sorted(int(np.clip(one, bounds.min, bounds.max)) for one in (low, high))
    large = np.random.default_rng(seed).integers(low, high, (257, 260), endpoint=True).astype(kind)
    large[0, 0] = high
    parts = np.concatenate([scale_to_uint8(np.vstack([large[:1], rows]))[1:] for rows in np.array_split(large[1:], 8)])
    np.testing.assert_array_equal(scale_to_uint8(large)[1:], parts)
