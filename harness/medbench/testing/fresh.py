"""Asking something of a plugin in an interpreter of its own: nothing is imported or kept there, and texts hash otherwise."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from medbench.errors import MedbenchError
from medbench.loading import resolve
from medbench.testing.contract import PLUGIN_ERRORS, in_words

_QUESTION, _ANSWER = "question.pickle", "answer.json"
_SEEDS = ("4242", "2424")


class FreshError(MedbenchError):
    """What was asked raised something in the interpreter of its own; the message says what."""


def ask(function: str, *arguments: object) -> Any:
    """What ``function`` (``module:name``) gives for the arguments, as plain values of JSON.

    The arguments are pickled, so their classes must be importable. Raises `FreshError` with what the function raised.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / _QUESTION).write_bytes(_pickled((function, arguments)))
        result = run_python(f"from {__name__} import answer; answer({name!r})")
        if not (folder / _ANSWER).is_file():
            raise FreshError(_last_line(result.stderr) or f"the process ended with {result.returncode}")
        found = msgspec.json.decode((folder / _ANSWER).read_bytes())
    if "raised" in found:
        raise FreshError(found["raised"])
    return found["value"]


def answer(name: str) -> None:
    """The other end of `ask`: what lies in the folder of that name is called, and its answer put beside it."""
    folder = Path(name)
    try:
        function, arguments = pickle.loads((folder / _QUESTION).read_bytes())
        found = {"value": resolve(function, "the check")(*arguments)}
    except PLUGIN_ERRORS as error:
        found = {"raised": in_words(error)}
    (folder / _ANSWER).write_bytes(msgspec.json.encode(found))


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` with what can be imported here, and with another seed of hashes than here."""
    seed = next(one for one in _SEEDS if one != os.environ.get("PYTHONHASHSEED"))
    places = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": places, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


class _Pickler(pickle.Pickler):
    """Specs hold read-only mappings, which pickle alone refuses."""

    def reducer_override(self, value: Any) -> Any:
        return (_read_only, (dict(value),)) if isinstance(value, MappingProxyType) else NotImplemented


def _read_only(values: Mapping[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(dict(values))


def _pickled(value: object) -> bytes:
    target = io.BytesIO()
    _Pickler(target).dump(value)
    return target.getvalue()
