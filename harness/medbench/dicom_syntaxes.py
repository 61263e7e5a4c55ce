"""Which compressed DICOM can be decoded here, by what, and what to install for the rest."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from medbench.images import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

INSTALL = "pip install 'medbench[dicom]'"

SYNTAXES = {
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless SV1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}
"""Compressed transfer syntaxes of single images by UID; without compression, or deflated, pydicom reads all by itself."""

_FASTEST_FIRST = ("pillow", "pyjpegls", "pylibjpeg", "gdcm", "pydicom")
"""As measured: pydicom's own order begins with gdcm, which takes up to four times as long, and decodes RLE ten times slower."""


def decoders(uid: str) -> tuple[str, ...]:
    """pydicom's plug-ins that decode a compressed transfer syntax here, the fastest first; none for what it does not know."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    try:
        available = get_decoder(UID(uid)).available_plugins
    except NotImplementedError:
        return ()
    return tuple(sorted(available, key=lambda one: _FASTEST_FIRST.index(one) if one in _FASTEST_FIRST else -1))


def missing() -> list[str]:
    """The names of `SYNTAXES` that cannot be decoded here."""
    return [name for uid, name in SYNTAXES.items() if not decoders(uid)]


def decoded(data: Dataset, name: str) -> NDArray[Any]:
    """The pixels of a file called ``name``, as pydicom gives them.

    Raises `ImageError` where no installed package decodes them, and whatever decoders raise on bad bytes.
    """
    uid = str(data.file_meta.TransferSyntaxUID)
    found = decoders(uid) if uid in SYNTAXES else ()
    if uid in SYNTAXES and not found:
        raise ImageError(f"cannot decode {name}: it is {SYNTAXES[uid]}, for which no decoder is installed", fix=INSTALL)
    if len(found) > 1:
        with suppress(Exception):  # whatever it raises: pydicom then tries all of them and tells what each had to say
            return _pixels(data, found[0])
    return _pixels(data, "")


def _pixels(data: Dataset, plugin: str) -> NDArray[Any]:
    data.pixel_array_options(decoding_plugin=plugin)
    pixels: NDArray[Any] = data.pixel_array
    return pixels
