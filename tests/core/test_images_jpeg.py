"""JPEG by simplejpeg is bit for bit what Pillow gives, and where it is not sure Pillow decides."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medbench import images
from medbench.images import ImageError, read_colour, read_grey

simplejpeg = pytest.importorskip("simplejpeg", reason="simplejpeg is not installed: Pillow decodes every JPEG")


def _drawn(width: int, height: int, seed: int, mode: str) -> Image.Image:
    """Smooth and noisy in parts, so that the cosine transform, the upsampling and the colours all have work."""
    numbers = np.random.default_rng(seed)
    coarse = Image.fromarray(numbers.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = np.clip(pixels + numbers.integers(-40, 41, pixels.shape) * (numbers.random(pixels.shape) < 0.2), 0, 255)
    return Image.fromarray(noisy.astype(np.uint8)).convert(mode)


def _by_pillow(path: Path, mode: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode))


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 1000),
    mode=st.sampled_from(["L", "RGB", "CMYK"]),
    quality=st.integers(5, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    restart=st.sampled_from([0, 2]),
)
@settings(max_examples=60, deadline=None)
def test_every_kind_of_jpeg_has_pillows_pixels(
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int],
    seed: int,
    mode: str,
    quality: int,
    subsampling: int,
    progressive: bool,
    restart: int,
) -> None:
    path = tmp_path_factory.mktemp("jpeg") / "a.jpg"
    _drawn(*size, seed, mode).save(
        path,
        "JPEG",
        quality=quality,
        subsampling=subsampling,
        progressive=progressive,
        restart_marker_rows=restart,
    )
    np.testing.assert_array_equal(read_grey(path), _by_pillow(path, "L"))
    np.testing.assert_array_equal(read_colour(path), _by_pillow(path, "RGB"))


@pytest.mark.parametrize("folder", ["kermany-pneumonia-224/test", "vqa-rad/images", "covid-cxr-nc/images"])
def test_real_jpegs_have_pillows_pixels(shared: Path, folder: str) -> None:
    real = sorted(path for path in (shared / "data" / folder).rglob("*.jp*g"))[:12]
    assert len(real) == 12
    for path in real:
        np.testing.assert_array_equal(read_grey(path), _by_pillow(path, "L"), err_msg=path.name)
        np.testing.assert_array_equal(read_colour(path), _by_pillow(path, "RGB"), err_msg=path.name)


def test_an_orientation_in_the_header_turns_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _drawn(20, 10, 0, "L").save(tmp_path / "a.jpg", exif=exif)
    assert read_grey(tmp_path / "a.jpg").shape == (10, 20)


def test_simplejpeg_is_asked_where_it_serves_and_for_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    decode = simplejpeg.decode_jpeg

    def counted(data: bytes, colorspace: str) -> object:
        asked.append(colorspace)
        return decode(data, colorspace=colorspace)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", counted)
    for mode in ("L", "RGB", "CMYK"):
        _drawn(9, 7, 1, mode).save(tmp_path / f"{mode}.jpg", "JPEG")
    for name in ("L.jpg", "RGB.jpg", "CMYK.jpg"):
        read_grey(tmp_path / name)
        read_colour(tmp_path / name)
    assert asked == ["GRAY", "GRAY", "RGB"], "colour made grey is Pillow's from end to end"


@pytest.mark.parametrize("at", [0.55, 0.8])
def test_a_damaged_jpeg_is_what_pillow_makes_of_it(tmp_path: Path, at: float) -> None:
    buffer = io.BytesIO()
    _drawn(64, 64, 2, "L").save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    data[int(len(data) * at) : int(len(data) * at) + 3] = b"\xff\xd0\x00"
    (tmp_path / "a.jpg").write_bytes(data)
    try:
        expected = _by_pillow(tmp_path / "a.jpg", "L")
    except OSError:
        with pytest.raises(ImageError):
            read_grey(tmp_path / "a.jpg")
    else:
        np.testing.assert_array_equal(read_grey(tmp_path / "a.jpg"), expected)


def test_without_simplejpeg_pillow_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _drawn(30, 20, 3, "RGB").save(tmp_path / "a.jpg", "JPEG")
    fast = read_colour(tmp_path / "a.jpg")
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    np.testing.assert_array_equal(read_colour(tmp_path / "a.jpg"), fast)


def test_a_jpeg_over_the_limit_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    _drawn(11, 10, 0, "L").save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="over the limit"):
        read_grey(tmp_path / "a.jpg")
