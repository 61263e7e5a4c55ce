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

_LONGEST = 64 << 20
# A state_dict of 2,000 parameters with AdamW's three tensors of each takes 270,094 steps (294,147 in torch's old form) in 1 MB,
# and counts 2,036,191 values.
_MOST_STEPS = 1_000_000
_MOST_VALUES = 10_000_000
_CONTAINERS = {"EMPTY_LIST", "LIST", "EMPTY_DICT", "DICT", "EMPTY_SET", "FROZENSET"}
_TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_FILLS = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_CALLS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX"}
_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_GETS, _PUTS = {"GET", "BINGET", "LONG_BINGET"}, {"PUT", "BINPUT", "LONG_BINPUT"}
_REBUILT = re.compile(
    r"torch\.(\w*Storage|\w*Tensor|Size|device|(u?int|q?u?int|float|bfloat|complex)\d\w*|bool|half|double)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_\w+|torch\.nn\.parameter\.(Parameter|Buffer)"
    r"|torch\.storage\.\w+Storage|torch\.serialization\._get_layout|collections\.(OrderedDict|Counter)|_codecs\.encode"
)


def globals_of(path: Path) -> tuple[str, ...]:
    """The import paths (``omegaconf.dictconfig.DictConfig``) that a torch file names, sorted; none for other archives.

    Raises `CheckpointError` for bytes that are no pickle, and for a pickle that would take long to read, however small it is.
    """
    try:
        found = set(_globals(path))
    except _RefusedError as error:
        raise CheckpointError(
            f"{path} is not read: {error}", fix="save its state_dict alone and point medbench at that file"
        ) from error
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
        members = [
            one for one in archive.infolist() if one.filename.lower().endswith("/data.pkl")
        ]  # as torch, in any case
        if len(members) > 1:
            raise _RefusedError(f"it holds {len(members):,} data.pkl, and a checkpoint one")
        for member in members:
            del member.CRC  # torch may be told to write none, and reads on without
            with archive.open(member) as file:
                yield from _of_pickle(_Bounded(file))


def _of_stream(file: IO[bytes]) -> Iterator[str]:
    """Torch's old form is a magic number, a version, the machine's facts, the object and its storages' names, a pickle each."""
    legacy = file.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC
    file.seek(0)
    bounded = _Bounded(file)
    for _ in range(5 if legacy else 1):
        yield from _of_pickle(bounded)


class _RefusedError(ValueError):
    """A pickle that no trainer writes, and that would take long to read."""


class _Bounded:
    """A file that gives up where its pickles go on for longer than any checkpoint's do."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _LONGEST
        self._steps = _MOST_STEPS
        self._values = _MOST_VALUES

    def step(self, cost: int) -> None:
        """Take one step that makes or fetches ``cost`` values from what the file's pickles may do."""
        self._steps -= 1
        self._values -= cost
        if self._steps < 0:
            raise _RefusedError(f"its pickle takes more than {_MOST_STEPS:,} steps")
        if self._values < 0:
            raise _RefusedError(f"its pickle's tuples hold more than {_MOST_VALUES:,} values, each in the next")

    def read(self, size: int) -> bytes:
        return self._spent(self._file.read(min(size, self._left + 1)))

    def readline(self) -> bytes:
        return self._spent(self._file.readline(self._left + 1))

    def _spent(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise _RefusedError(f"its pickle has more than {_LONGEST >> 20} MB")
        return data


def _of_pickle(file: _Bounded) -> Iterator[str]:
    strings: deque[str] = deque(maxlen=2)  # the last two, which protocol 4 makes a global of
    memo: dict[Any, str | None] = {}
    top: str | None = None  # what the last step left on the stack, where that is a string
    stack = _Stack()
    for opcode, argument, _ in pickletools.genops(file):  # type: ignore[arg-type]
        file.step(stack.cost(opcode, argument))
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


class _Stack:
    """What the values on a pickle's stack would cost to hash and to print, which goes through all that a tuple holds.

    A plain value costs 1; a list or mapping, which has no hash, 2; a tuple as much as its values, and twice that within
    another, so that none is nested deep; what is called with a tuple as much as that. A few steps make a tuple of any size
    where each holds the last one twice, by the memo.
    """

    def __init__(self) -> None:
        self._values: list[int] = []  # below zero where it is a tuple or a container
        self._below: list[list[int]] = []  # what lies under each mark
        self._memo: dict[Any, int] = {}

    def cost(self, opcode: pickletools.OpcodeInfo, argument: Any) -> int:
        """What a step makes or fetches, at least one. Raises for one that finds too little on the stack."""
        name = opcode.name
        if name == "MEMOIZE" or name in _PUTS:
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = self._values[-1]
            return 1
        if name == "MARK":
            self._below.append(self._values)
            self._values = []
            return 1
        if name in _GETS:
            self._values.append(self._memo[argument])
        elif name == "DUP":
            self._values.append(self._values[-1])
        elif name == "POP" and not self._values:
            self._values = self._below.pop()
            return 1
        else:
            taken = self._taken(opcode)
            if name in _CALLS and taken[0] < 0:
                raise _RefusedError("its pickle calls what is no function")  # and torch would print all of it
            if opcode.stack_after:
                self._values.append(self._made(name, taken))
        return abs(self._values[-1]) if opcode.stack_after else 1

    @staticmethod
    def _made(name: str, taken: list[int]) -> int:
        if name in _FILLS:
            return taken[0]
        if name in _CONTAINERS:
            return -2
        whole = sum(one if one > 0 else -2 * one for one in taken)
        return -2 - whole if name in _TUPLES else max(1, whole)

    def _taken(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        before = [one for one in opcode.stack_before if one is not pickletools.stackslice]
        if pickletools.markobject in before:
            above, self._values = self._values, self._below.pop()
            count = before.index(pickletools.markobject)
        else:
            above, count = [], len(before)
        start = len(self._values) - count
        if start < 0:
            raise ValueError("a step of its pickle finds too little on the stack")
        found = self._values[start:]
        del self._values[start:]
        return found + above


def _path(module: str = "", name: str = "") -> str:
    return f"{'builtins' if module == '__builtin__' else module}.{name}"
