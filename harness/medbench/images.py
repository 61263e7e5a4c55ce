"""Reading an image file into 8-bit pixels, bounded in size, with one error type for all that can go wrong.

DICOM pixels are scaled by ``255 / max`` with rounding and MONOCHROME1 is inverted, as the MGCA family of papers does
(no windowing); PNG and JPEG are read as 8-bit grey; 16-bit PNG is scaled by its own maximum.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medbench.errors import MissingDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from medbench.samples import Region

MAX_PIXELS = 100_000_000
_VALUES = 65_536


class ImageError(MissingDataError):
    """An image that cannot be decoded, or is larger than `MAX_PIXELS`."""


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Pixels of a DICOM, PNG or JPEG file as (H, W) uint8. Raises `ImageError`."""
    pixels = _read(path, "L")
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise ImageError(f"cannot decode {path.name}: not a single grey image, shape {pixels.shape}")
    return pixels


def read_colour(path: Path) -> NDArray[np.uint8]:
    """Pixels of a PNG or JPEG file as (H, W, 3) uint8 RGB, transparency on black; grey ones (all DICOM) three times.

    Raises `ImageError`.
    """
    import cv2

    pixels = _read(path, "RGB")
    if pixels.ndim == 2 and 0 not in pixels.shape:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)  # the grey three times, ten times as fast as numpy
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ImageError(f"cannot decode {path.name}: not a single image, shape {pixels.shape}")
    return pixels


def read_region(path: Path, region: Region | None, *, colour: bool) -> NDArray[np.uint8]:
    """`read_colour` or `read_grey`, cut to ``region`` where one is given. Raises `ImageError`, also where it lies outside."""
    pixels = read_colour(path) if colour else read_grey(path)
    if region is None:
        return pixels
    cut = pixels[region.y : region.y + region.height, region.x : region.x + region.width]
    if min(region.x, region.y) < 0 or cut.shape[:2] != (region.height, region.width) or 0 in cut.shape:
        raise ImageError(f"{path.name}: the region {tuple(region)} is not inside its {pixels.shape[1::-1]} pixels")
    return cut


def _read(path: Path, mode: Literal["L", "RGB"]) -> NDArray[np.uint8]:
    if not path.is_file():
        raise ImageError(f"no such image: {path.name}")
    try:
        return _read_dicom(path) if path.suffix.lower() in {".dcm", ".dicom"} else _read_raster(path, mode)
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever they like on bad bytes
        raise ImageError(f"cannot decode {path.name}: {_one_line(error)}") from error


def scale_to_uint8(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """``|pixels * 255 / max|`` rounded half to even and saturated, as uint8 (H, W); all zero where max is 0."""
    import numpy as np

    top = float(pixels.max())
    if top == 0:
        return np.zeros(pixels.shape, np.uint8)
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 and pixels.size > _VALUES:
        # Each of the 65,536 values is scaled once: the same numbers, ten times as fast.
        bits = pixels.astype(f"u{pixels.dtype.itemsize}", copy=False)
        values = np.arange(256**pixels.dtype.itemsize, dtype=bits.dtype).view(pixels.dtype.newbyteorder("="))
        table: NDArray[np.uint8] = _scaled(values, top)[bits]
        return table
    return _scaled(pixels, top)


def _scaled(values: NDArray[np.generic], top: float) -> NDArray[np.uint8]:
    import numpy as np

    return np.clip(np.rint(np.abs(values.astype(np.float64) * (255.0 / top))), 0, 255).astype(np.uint8)


def _read_dicom(path: Path) -> NDArray[np.uint8]:
    import numpy as np
    import pydicom

    from medbench.dicom_syntaxes import decoded

    data = pydicom.dcmread(path)
    height, width = int(data.Rows), int(data.Columns)
    _check_size(path, height * int(data.get("NumberOfFrames") or 1), width)
    array = decoded(data, path.name)
    if array.ndim == 3 and array.shape[-1] == 3:
        from pydicom.pixels import convert_color_space

        rgb = convert_color_space(array, data.PhotometricInterpretation, "RGB")
        array = rgb @ np.array([0.299, 0.587, 0.114])
    pixels = scale_to_uint8(array)
    return np.invert(pixels) if data.PhotometricInterpretation == "MONOCHROME1" else pixels


def _read_raster(path: Path, mode: Literal["L", "RGB"]) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        _check_size(path, image.height, image.width)
        if image.mode.startswith("I") or image.mode == "F":
            return scale_to_uint8(np.asarray(image))
        if image.format in {"JPEG", "MPO"} and image.mode in {"L", mode}:
            pixels = _jpeg_pixels(image, path)
            if pixels is not None:
                return pixels
        if image.mode in {"RGBA", "LA", "PA"} or (image.mode == "P" and "transparency" in image.info):
            rgba = image.convert("RGBA")
            image_on_black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
            image_on_black.alpha_composite(rgba)
            return np.asarray(image_on_black.convert(mode))
        image.load()
        return np.asarray(image if image.mode == mode else image.convert(mode))


def _jpeg_pixels(image: Image.Image, path: Path) -> NDArray[np.uint8] | None:
    """(H, W) or (H, W, 3) by simplejpeg, the same from the same library in about half of Pillow's time.

    None, so that Pillow decides, where simplejpeg is not installed or so much as warns of the file.
    """
    try:
        from simplejpeg import decode_jpeg  # type: ignore[import-untyped,import-not-found,unused-ignore]

        pixels: NDArray[np.uint8] = decode_jpeg(path.read_bytes(), colorspace="GRAY" if image.mode == "L" else "RGB")
    except (ImportError, ValueError):
        return None
    if pixels.shape != (image.height, image.width, len(image.getbands())):
        return None
    return pixels[:, :, 0] if image.mode == "L" else pixels


def _check_size(path: Path, height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise ImageError(f"{path.name} is {width} x {height} pixels, over the limit of {MAX_PIXELS:,}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
