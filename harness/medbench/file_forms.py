"""What form a file has by its first and last bytes: one of the forms that checkpoints come in, or what else it is.

Nothing is unpacked or run. The marks are those that the formats' own specifications give.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from medbench.checkpoints import require_file
from medbench.errors import CheckpointError
from medbench.pickled import LEGACY_MAGIC, beyond_tensors, globals_of
from medbench.untrusted import listed, shown

Form = Literal["torch zip", "torch before 1.6", "safetensors"]
Told = tuple[str, str]
"""What a file is, and what mends it."""

_SAFETENSORS = ".safetensors"
_HEAD = 4096
_LONGEST_HEADER = 100_000_000
_MOST_MEMBERS = 10_000
_UNPACKED = 16 << 20
_SHORT_NAME = 64
_AGAIN = "download it again"
_ONLY = "point medbench at a torch checkpoint or a safetensors file"
_UNPACK = "unpack it and inspect what is inside"
_CONVERT = "save the tensors as a torch state_dict or as safetensors"
_WEIGHTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".tar", ".pkl", ".h5", ".onnx")
_SIGNS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras and others)", _CONVERT),
    (b"GGUF", "a GGUF file", _CONVERT),
    (b"\x93NUMPY", "a numpy array", _CONVERT),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of git-lfs, not the file itself",
        "fetch it: git lfs pull",
    ),
    (b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"%PDF", "a PDF document", _ONLY),
)
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL)
_TENSORFLOW_INDEX = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
_PICKLE = re.compile(rb"\x80[\x00-\x05]|\(|\]|\}")


def form_of(path: Path) -> Form:
    """The form of a checkpoint's file, which `medbench.checkpoints.read_checkpoint` may read.

    Raises `MissingCheckpointError` where there is no file, and `CheckpointError`, which says what it is, for anything else.
    """
    require_file(path, f"no file at {path}")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = path.stat().st_size
            file.seek(max(0, size - _HEAD))
            tail = file.read(_HEAD)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
    if head.startswith(b"PK\x03\x04") or (head.startswith(b"PK") and zipfile.is_zipfile(path)):
        return _as_torch(path, _archive(path))
    if _is_safetensors(path, head, size):
        return "safetensors"
    if head.startswith(LEGACY_MAGIC):
        return _as_torch(path, "torch before 1.6")
    what, mend = _otherwise(path, head, tail)
    raise CheckpointError(f"{path} is {what}", fix=mend)


def _as_torch(path: Path, form: Form) -> Form:
    """Files are read by what their names end in. Raises `CheckpointError` where that is of the other form."""
    if path.suffix == _SAFETENSORS:
        raise CheckpointError(f"{path} is a torch file under another name", fix="rename it so that it ends in .pth")
    return form


def _archive(path: Path) -> Form:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist()[:_MOST_MEMBERS]]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise CheckpointError(
            f"{path} is truncated or damaged: a zip archive whose list of members cannot be read", fix=_AGAIN
        ) from error
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript archive: a program with its weights, as OpenAI published CLIP, and was not loaded",
            fix="where you trust it, save its state_dict elsewhere and point medbench at that",
        )
    if any(name.endswith("/data.pkl") for name in names):
        return "torch zip"
    if names and all(name.endswith(".npy") for name in names):
        raise CheckpointError(f"{path} is a numpy archive (.npz) of {listed(names)}", fix=_CONVERT)
    raise CheckpointError(f"{path} is a zip archive{_members(names)}", fix=_UNPACK)


def _members(names: list[str]) -> str:
    """`` of 3 files, of which a.pth looks like weights``."""
    weights = [name for name in names if name.lower().endswith(_WEIGHTS)]
    return (
        f" that holds {listed(weights)}" if weights else f" of {len(names):,} files, none of which looks like weights"
    )


def _is_safetensors(path: Path, head: bytes, size: int) -> bool:
    """Eight bytes that tell the length of a JSON object, and that object. Raises `CheckpointError` where it is cut off."""
    if len(head) <= 8 or head[8:9] != b"{":
        return False
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length <= _LONGEST_HEADER:
        return False
    if length + 8 > size:
        raise CheckpointError(f"{path} is truncated: a safetensors file that ends within its header", fix=_AGAIN)
    if path.suffix != _SAFETENSORS:
        raise CheckpointError(
            f"{path} is a safetensors file under another name", fix="rename it so that it ends in .safetensors"
        )
    return True


def _otherwise(path: Path, head: bytes, tail: bytes) -> Told:
    """What a file is that is no checkpoint, and what mends it."""
    for told in (_blank, _signed, _archived, _tensorflow, _pickle, _text):
        found = told(path, head, tail)
        if found is not None:
            return found
    return "truncated or no checkpoint: its first bytes are of no form that is known", _AGAIN


def _blank(path: Path, head: bytes, tail: bytes) -> Told | None:
    if not head:
        return "empty", _AGAIN
    return None if head.strip(b"\x00") else ("zeros from its start on, as of a download that was broken off", _AGAIN)


def _signed(path: Path, head: bytes, tail: bytes) -> Told | None:
    if _HTML.match(head):
        return (
            "a web page, as of a download that asks for a login or a confirmation",
            "download it by hand in a browser",
        )
    return next(((what, mend) for sign, what, mend in _SIGNS if head.startswith(sign)), None)


def _archived(path: Path, head: bytes, tail: bytes) -> Told | None:
    if head.startswith(b"\x1f\x8b"):
        return f"a gzip archive{_unpacked(path)}", _UNPACK
    if head[257:262] != b"ustar":
        return None
    with path.open("rb") as file:
        return f"a tar archive{_members(list(_tar_names(file)))}", _UNPACK


def _tensorflow(path: Path, head: bytes, tail: bytes) -> Told | None:
    """TensorFlow's and ONNX's files, which have no mark of their own but start with a version, field 1 of a message."""
    if tail.endswith(_TENSORFLOW_INDEX) or re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        return "a part of a TensorFlow checkpoint", _CONVERT
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", _CONVERT
    if re.match(rb"\x08[\x01-\x20]\x12.", head, re.DOTALL) is None:
        return None
    producer = head[4 : 4 + head[3]]
    named = head[3] < _SHORT_NAME and producer.isascii() and producer.decode("ascii").isprintable()
    return "an ONNX model" if path.suffix == ".onnx" or named else "a TensorFlow SavedModel", _CONVERT


def _pickle(path: Path, head: bytes, tail: bytes) -> Told | None:
    if _PICKLE.match(head) is None:
        return None
    try:
        names = beyond_tensors(globals_of(path))
    except CheckpointError:
        return "truncated or not a checkpoint: it starts like a pickle and does not go on like one", _AGAIN
    holds = f" that names {listed(names)}" if names else ""
    return f"a plain pickle{holds}, which torch.save did not write, and was not loaded", _CONVERT


def _text(path: Path, head: bytes, tail: bytes) -> Told | None:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return None
    first = next((line for line in text.splitlines() if line.strip()), "")
    return f'a text file: "{shown(first, 60)}"', _ONLY


def _unpacked(path: Path) -> str:
    """What a gzip archive holds, from its beginning alone."""
    try:
        with gzip.open(path) as file:
            start = file.read(_UNPACKED)
    except (OSError, EOFError, ValueError, zlib.error):
        return ", truncated or damaged"
    names = list(_tar_names(io.BytesIO(start)))
    return f" of a tar{_members(names)}" if names else ""


def _tar_names(file: IO[bytes]) -> Iterator[str]:
    """The names of a tar's members as far as they can be read."""
    try:
        with tarfile.open(fileobj=_Short(file), mode="r:") as archive:  # type: ignore[call-overload]
            for count, member in enumerate(archive):
                if count >= _MOST_MEMBERS:
                    return
                yield member.name
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return


class _Short:
    """A file of which no more than a little is read at once: headers of a tar say themselves how long they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, _UNPACKED))

    def seek(self, place: int) -> int:
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()
