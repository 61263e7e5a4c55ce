"""Reading pickles of plain data without running what they may ask to be run."""

from __future__ import annotations

import pickle
import pickletools
from typing import TYPE_CHECKING, Any

from medbench.errors import MissingDataError

if TYPE_CHECKING:
    from pathlib import Path

_STACK = frozenset(
    {
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "DUP",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GET",
        "BINGET",
        "LONG_BINGET",
    }
)
_NUMBERS = frozenset({"NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"})
_TEXTS = frozenset(
    {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)
_CONTAINERS = frozenset({"EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"})
_PLAIN = _STACK | _NUMBERS | _TEXTS | _CONTAINERS
"""The opcodes that make lists, dicts, texts and numbers; none of them looks up a name or calls anything.

Tuples are not among them: as keys, a small pickle of nested ones takes for ever to hash. Nor are long integers: as keys,
those that are a multiple of 2^61 - 1 apart have one hash, and a dict of them takes for ever to fill.
"""
_LARGEST_INTEGER = (1 << 31) - 1
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""What is raised on bytes that are no whole pickle."""


class UnsafePickleError(MissingDataError):
    """A pickle that names code: lists, dicts, texts and numbers need none."""


def read_plain_pickle(path: Path) -> Any:
    """What a pickle of lists, dicts, texts and numbers holds.

    Every opcode is looked at before the first is carried out. Raises `UnsafePickleError` where one could call something or ask
    for more memory than the file's size justifies, `MissingDataError` where the file is absent or damaged.
    """
    if not path.is_file():
        raise MissingDataError(f"{path} is missing", fix=f"put the official {path.name} there")
    data = path.read_bytes()
    try:
        refused = _first_refused(data)
        if refused is None:
            return pickle.loads(data)
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise MissingDataError(f"{path} is not a whole pickle ({reason})", fix="download the file again") from error
    raise UnsafePickleError(
        f"{path} is refused: it holds more than plain data (opcode {refused})", fix="get the official file"
    )


def _first_refused(data: bytes) -> str | None:
    """The name of the first opcode that is not plain, that remembers at a far too high index, or has a long integer."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        far = (
            opcode.name in _PUTS and isinstance(argument, int) and argument > number
        )  # memory is taken for all indices below
        long = opcode.name == "INT" and isinstance(argument, int) and abs(argument) > _LARGEST_INTEGER
        if opcode.name not in _PLAIN or far or long:
            return opcode.name
    return None
