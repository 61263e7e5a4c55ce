"""What a reader makes of a folder that lacks files, or whose files are cut or full of noise: a line, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from medbench.datasets import DatasetFiles, locate
from medbench.errors import MedbenchError, MissingDataError
from medbench.loading import resolve
from medbench.settings import Settings
from medbench.specs import ExpectedFile
from medbench.testing.contract import PLUGIN_ERRORS, Check, Finding, LeftOut, in_words

_MEND = "raise MissingDataError, or leave the row out and report a Problem"
_FILES_A_FOLDER = 3
_LARGEST = 8 << 20

SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "cut in its first line": lambda data: data[: min(len(data), 7)],
    "replaced by noise": lambda data: bytes((number * 89 + 7) % 256 for number in range(200)),
    "with letters where digits stand": lambda data: _worded(data),  # noqa: PLW0108 - it stands below
}


def check_absent_files(files: DatasetFiles) -> Check:
    """Without a required file the dataset is refused by its name; without an optional one it is still read."""
    where = f"dataset {files.spec.id}"
    for expected in files.spec.files:
        moved = _moved_aside(files, expected.path)
        try:
            _read(files)
        except MissingDataError as error:
            if not expected.required:
                yield from () if _located(files).missing else (_refused(files, expected, error),)
            elif expected.path not in str(error):
                yield Finding(where, f"without {expected.path} it says '{error}'", "name the file that is absent")
        except MedbenchError as error:
            yield Finding(where, f"without {expected.path} it raised {in_words(error)}", "raise MissingDataError")
        except PLUGIN_ERRORS as error:
            yield Finding(where, f"without {expected.path} it raised {in_words(error)}", _MEND)
        finally:
            for path, place in moved:
                place.rename(path)
    yield from _check_empty(files)


def _refused(files: DatasetFiles, expected: ExpectedFile, error: MedbenchError) -> Finding | LeftOut:
    """An optional file may be asked for only where another one can stand in its place, and by name."""
    where = f"dataset {files.spec.id}"
    said = f"without {expected.path}, which is optional, it says '{error}'"
    others = [one for one in files.spec.files if not one.required and one.path != expected.path]
    if others and PurePosixPath(expected.path).name in str(error):
        return LeftOut(where, said)
    return Finding(where, said, "read on without it, or let the spec say that it is required")


def check_spoilt_files(files: DatasetFiles) -> Check:
    """Every file that is expected by name, and a few of each folder, spoilt one at a time."""
    where = f"dataset {files.spec.id}"
    for path in _victims(files):
        good = path.read_bytes()
        name = path.relative_to(files.root)
        for how, spoil in SPOILT.items():
            bad = spoil(good)
            if bad == good:
                continue
            path.write_bytes(bad)
            try:
                _read(files)
            except MedbenchError:
                pass
            except PLUGIN_ERRORS as error:
                yield Finding(where, f"with {name} {how}, its reader raised {in_words(error)}", _MEND)
        path.write_bytes(good)


def _read(files: DatasetFiles) -> None:
    """As a run does: what is required is looked for before the reader is asked."""
    _located(files).require()
    resolve(files.spec.reader, f"dataset '{files.spec.id}'")(files.root)


def _located(files: DatasetFiles) -> DatasetFiles:
    """As they are now."""
    return locate(files.spec, Settings(data_overrides={files.spec.id: files.root}, cache=files.info_path.parent))


def _moved_aside(files: DatasetFiles, pattern: str) -> list[tuple[Path, Path]]:
    """Move what the pattern names beside the dataset's folder; where each was, and where it is."""
    moved: list[tuple[Path, Path]] = []
    for path in sorted(files.root.glob(pattern)):
        if path.exists():  # and did not go with the folder that it lies in
            place = files.root.parent / f"aside-{len(moved)}"
            path.rename(place)
            moved.append((path, place))
    return moved


def _check_empty(files: DatasetFiles) -> Check:
    where = f"dataset {files.spec.id}"
    empty = files.root.parent / f"{files.root.name}-empty"
    empty.mkdir()
    try:
        _read(replace(files, root=empty))
    except MissingDataError:
        pass
    except PLUGIN_ERRORS as error:
        yield Finding(where, f"in an empty folder it raised {in_words(error)}", "raise MissingDataError")
    else:
        yield Finding(where, "an empty folder is read all the same", "say which of its files are required")
    empty.rmdir()


def _victims(files: DatasetFiles) -> Iterator[Path]:
    for expected in files.spec.files:
        for found in sorted(files.root.glob(expected.path))[:_FILES_A_FOLDER]:
            inside = sorted(path for path in found.rglob("*") if path.is_file()) if found.is_dir() else [found]
            suffixes: set[str] = set()
            for path in inside:
                if path.suffix not in suffixes and path.stat().st_size <= _LARGEST:
                    suffixes.add(path.suffix)  # one of each kind
                    yield path


def _worded(data: bytes) -> bytes:
    """Every digit but those of the first line becomes a letter."""
    first, newline, rest = data.partition(b"\n")
    return first + newline + rest.translate(bytes.maketrans(b"0123456789", b"abcdefghij"))
