"""What a torch file's pickle would import, told from its bytes: nothing of it is run, and no torch is needed."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from medbench.errors import CheckpointError

TRAINERS = (
    "builtins.dict",
    "builtins.float",
    "builtins.int",
    "builtins.list",
    "builtins.str",
    "collections.defaultdict",
    "lightning.",
    "lightning_fabric.",
    "omegaconf.",
    "pytorch_lightning.",
    "sacred.",
    "typing.Any",
)
"""What trainers leave beside their weights: configurations (OmegaConf, sacred) and callbacks (Lightning), by import path."""

_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}


def globals_of(path: Path) -> tuple[str, ...]:
    """The import paths (``omegaconf.dictconfig.DictConfig``) that a torch file names, sorted; none for other files.

    Raises `CheckpointError` for bytes that are no pickle.
    """
    try:
        found = set(_globals(path))
    except (ValueError, EOFError, IndexError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} is truncated or not a checkpoint ({reason})", fix="download it again") from error
    return tuple(sorted(found))


def within(name: str, prefixes: Sequence[str]) -> bool:
    """Whether an import path is one of ``prefixes``, or below one that ends in a dot."""
    return any(name.startswith(prefix) if prefix.endswith(".") else name == prefix for prefix in prefixes)


def _globals(path: Path) -> Iterator[str]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield from _of_legacy(file)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("/data.pkl"):
                with archive.open(name) as file:
                    yield from _of_pickle(file)


def _of_legacy(file: IO[bytes]) -> Iterator[str]:
    """Of torch's form before 1.6: a magic number, a version, the machine's facts, and the object, a pickle each."""
    for _ in range(4):
        yield from _of_pickle(file)


def _of_pickle(file: IO[bytes]) -> Iterator[str]:
    strings: list[str] = []  # the last two, which protocol 4 makes a global of
    memo: dict[Any, str] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "GLOBAL":
            yield _path(*str(argument).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL":
            yield _path(*strings[-2:])
        elif opcode.name in _STRINGS:
            strings.append(str(argument))
        elif opcode.name == "MEMOIZE" and strings:
            memo[len(memo)] = strings[-1]
        elif opcode.name in {"BINGET", "LONG_BINGET"} and argument in memo:
            strings.append(memo[argument])


def _path(module: str = "", name: str = "") -> str:
    return f"{'builtins' if module == '__builtin__' else module}.{name}"
