"""What a torch file's pickle would import, told from its bytes: nothing of it is run, and no torch is needed."""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from medbench.errors import CheckpointError
from medbench.untrusted import shown

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
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""What a torch file of before version 1.6 starts with: the pickle of a number."""

_LONGEST = 256 << 20
_MOST_STEPS = 20_000_000
_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_GETS, _PUTS = {"GET", "BINGET", "LONG_BINGET"}, {"PUT", "BINPUT", "LONG_BINPUT"}
_REBUILT = re.compile(
    r"torch\.(\w*Storage|\w*Tensor|Size|device|(u?int|q?u?int|float|bfloat|complex)\d\w*|bool|half|double)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_\w+|torch\.nn\.parameter\.(Parameter|Buffer)"
    r"|torch\.storage\.\w+Storage|torch\.serialization\._get_layout|collections\.(OrderedDict|Counter)|_codecs\.encode"
)


def globals_of(path: Path) -> tuple[str, ...]:
    """The import paths (``omegaconf.dictconfig.DictConfig``) that a torch file names, sorted; none for other archives.

    Raises `CheckpointError` for bytes that are no pickle.
    """
    try:
        found = set(_globals(path))
    except (
        Exception
    ) as error:  # zipfile and pickletools raise whatever they like on bad bytes (zlib.error, struct.error)
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint ({shown(error)})", fix="download it again"
        ) from error
    return tuple(sorted(found))


def within(name: str, prefixes: Sequence[str]) -> bool:
    """Whether an import path is one of ``prefixes``, or below one that ends in a dot."""
    return any(name.startswith(prefix) if prefix.endswith(".") else name == prefix for prefix in prefixes)


def beyond_tensors(names: Collection[str]) -> tuple[str, ...]:
    """Those of the import paths that rebuild neither a tensor nor a plain container."""
    return tuple(name for name in names if _REBUILT.fullmatch(name) is None)


def _globals(path: Path) -> Iterator[str]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield from _of_stream(file)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("/data.pkl"):
                with archive.open(name) as file:
                    yield from _of_pickle(_Bounded(file))


def _of_stream(file: IO[bytes]) -> Iterator[str]:
    """Torch's old form is a magic number, a version, the machine's facts, and the object, a pickle each; else it is one."""
    legacy = file.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC
    file.seek(0)
    for _ in range(4 if legacy else 1):
        yield from _of_pickle(_Bounded(file))


class _Bounded:
    """A file that gives up where a pickle goes on for longer than any checkpoint's does."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _LONGEST

    def read(self, size: int) -> bytes:
        return self._spent(self._file.read(min(size, self._left + 1)))

    def readline(self) -> bytes:
        return self._spent(self._file.readline(self._left + 1))

    def _spent(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"a pickle of more than {_LONGEST >> 20} MB")
        return data


def _of_pickle(file: _Bounded) -> Iterator[str]:
    strings: deque[str] = deque(maxlen=2)  # the last two, which protocol 4 makes a global of
    memo: dict[Any, str | None] = {}
    top: str | None = None  # what the last step left on the stack, where that is a string
    for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
        if step > _MOST_STEPS:
            raise ValueError(f"a pickle of more than {_MOST_STEPS:,} steps")
        if opcode.name == "MEMOIZE" or opcode.name in _PUTS:
            memo[len(memo) if opcode.name == "MEMOIZE" else argument] = top
            continue
        top = str(argument) if opcode.name in _STRINGS else memo.get(argument) if opcode.name in _GETS else None
        if top is not None:
            strings.append(top)
        if opcode.name in {"GLOBAL", "INST"}:
            yield _path(*str(argument).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL":
            yield _path(*strings)


def _path(module: str = "", name: str = "") -> str:
    return f"{'builtins' if module == '__builtin__' else module}.{name}"
