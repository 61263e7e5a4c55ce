"""Images come in as 8-bit grey whatever their container, and bad bytes end in one kind of error."""

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
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medbench import images
from medbench.images import ImageError, read_colour, read_grey, read_region, scale_to_uint8
from medbench.samples import Region


def _write_dicom(path: Path, pixels: NDArray[np.uint16], photometric: str = "MONOCHROME2", **fields: object) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = photometric
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = pixels.astype("<u2").tobytes()
    for name, value in fields.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_dicom_pixels_are_those_of_the_published_reader(shared: Path, tmp_path: Path, photometric: str) -> None:
    """Golden ``dicom_*``: longer side to 256, zero-padded, centre crop 224, (x / 255 - 0.5) / 0.5."""
    import cv2

    golden = np.load(shared / "golden/mgca-metrics/golden.npz")
    grey = read_grey(_write_dicom(tmp_path / "a.dcm", golden["dicom_pixels"], photometric))
    assert grey.dtype == np.uint8
    scaled = cv2.resize(grey, (192, 256), interpolation=cv2.INTER_AREA)
    square = np.pad(scaled, ((0, 0), (32, 32)))[16:-16, 16:-16]
    values = (square / 255 - 0.5) / 0.5
    np.testing.assert_allclose(values[::8, ::8], golden[f"dicom_{photometric}__corner"], rtol=1e-4, atol=1e-5)
    assert values.mean() == pytest.approx(float(golden[f"dicom_{photometric}__mean"]), rel=1e-4)
    assert values.std() == pytest.approx(float(golden[f"dicom_{photometric}__std"]), rel=1e-4)


def test_monochrome1_is_the_inverse_of_monochrome2(tmp_path: Path) -> None:
    pixels = np.array([[0, 1000], [2000, 4000]], np.uint16)
    plain = read_grey(_write_dicom(tmp_path / "2.dcm", pixels))
    inverse = read_grey(_write_dicom(tmp_path / "1.dicom", pixels, "MONOCHROME1"))
    assert plain.tolist() == [[0, 64], [128, 255]]
    assert (inverse == 255 - plain).all()


def test_a_16_bit_png_is_scaled_by_its_own_maximum(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 500], [1000, 250]], np.uint16)).save(tmp_path / "a.png")
    assert read_grey(tmp_path / "a.png").tolist() == [[0, 128], [255, 64]]


def test_transparency_is_laid_on_black(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [(200, 200, 200, 255), (200, 200, 200, 0), (200, 200, 200, 128)]
    Image.fromarray(rgba).save(tmp_path / "a.png")
    grey = read_grey(tmp_path / "a.png")[0]
    assert grey[0] == 200
    assert grey[1] == 0
    assert 98 <= grey[2] <= 102


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3)])
def test_every_mode_gives_a_grey_plane(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, size).save(path)
    grey = read_grey(path)
    assert grey.dtype == np.uint8
    assert grey.shape == (size[1], size[0])


def test_cmyk_white_is_white(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "white.jpg")
    assert read_grey(tmp_path / "white.jpg").min() > 250


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (40, 40)).astype(np.uint16)
    paths = [_write_dicom(tmp_path / "a.dcm", pixels), tmp_path / "a.png", tmp_path / "a.jpg"]
    for path in paths[1:]:
        Image.fromarray((pixels >> 4).astype(np.uint8)).save(path)
    for path in paths:
        whole = path.read_bytes()
        for share in (0.0, 0.01, 0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(ImageError, match=path.name):
                read_grey(path)


@given(junk=st.binary(max_size=300), suffix=st.sampled_from([".dcm", ".png", ".jpg"]), real=st.booleans())
@settings(max_examples=80, deadline=None)
def test_junk_ends_in_an_image_error(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, suffix: str, real: bool
) -> None:
    path = tmp_path_factory.mktemp("junk") / f"a{suffix}"
    path.write_bytes((b"\0" * 128 + b"DICM" if suffix == ".dcm" else b"\x89PNG\r\n\x1a\n") * real + junk)
    with pytest.raises(ImageError, match=r"a\.(dcm|png|jpg)"):
        read_grey(path)


def test_a_missing_file_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such image"):
        read_grey(tmp_path / "a.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    Image.new("L", (11, 10)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="over the limit"):
        read_grey(tmp_path / "a.png")
    _write_dicom(tmp_path / "a.dcm", np.zeros((11, 10), np.uint16))
    with pytest.raises(ImageError, match="over the limit"):
        read_grey(tmp_path / "a.dcm")
    Image.new("L", (10, 10)).save(tmp_path / "b.png")
    assert read_grey(tmp_path / "b.png").shape == (10, 10)


def test_frames_count_towards_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    path = _write_dicom(tmp_path / "a.dcm", np.zeros((5, 5), np.uint16), NumberOfFrames=1000)
    with pytest.raises(ImageError, match="over the limit"):
        read_grey(path)


def test_a_png_that_claims_a_huge_size_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png"):
        read_grey(tmp_path / "a.png")


def test_scaling_rounds_half_to_even_and_leaves_black_black() -> None:
    assert scale_to_uint8(np.array([[0, 1, 3, 510]])).tolist() == [[0, 0, 2, 255]]
    assert scale_to_uint8(np.zeros((2, 2), np.uint16)).tolist() == [[0, 0], [0, 0]]
    assert scale_to_uint8(np.array([[-300, 100]])).tolist() == [[255, 255]]


def test_colour_and_grey_of_the_same_file(tmp_path: Path) -> None:
    Image.new("RGBA", (3, 2), (255, 0, 0, 255)).save(tmp_path / "red.png")
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(tmp_path / "grey.png")
    assert read_colour(tmp_path / "red.png").tolist() == [[[255, 0, 0]] * 3] * 2
    grey = read_colour(tmp_path / "grey.png")
    assert grey.shape == (2, 3, 3)
    assert (grey == read_grey(tmp_path / "grey.png")[..., None]).all()


@pytest.mark.parametrize("region", [(-1, 0, 2, 2), (2, 0, 2, 2), (0, 0, 3, 3), (0, 0, 0, 1)])
def test_a_region_outside_of_the_image_is_refused(tmp_path: Path, region: tuple[int, int, int, int]) -> None:
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(tmp_path / "a.png")
    assert read_region(tmp_path / "a.png", Region(1, 0, 2, 2), colour=False).tolist() == [[1, 2], [4, 5]]
    with pytest.raises(ImageError, match="not inside"):
        read_region(tmp_path / "a.png", Region(*region), colour=False)
