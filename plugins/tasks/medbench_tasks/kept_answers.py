"""Texts that a method gave, kept as they come in the trial's folder, so that a kill loses one batch at most."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from medbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.protocols import TrialContext


def answerer_digest(context: TrialContext, *more: bytes) -> str:
    """16 hex digits of all that tells one model's answers in one trial from another's, and of ``more``.

    The trial's folder goes by the trial's key, which the method's code is no part of: what the code of before gave must not be
    taken up.
    """
    features, compute = context.features, context.compute
    model = [asdict(features.identity), features.text_files, compute.precision, compute.device]
    digest = hashlib.sha256(json.dumps(model, sort_keys=True).encode())
    for one in more:
        digest.update(hashlib.sha256(one).digest())
    return digest.hexdigest()[:16]


class KeptAnswers:
    """Texts by sample in a file, a line each; one that a kill cut short counts as not written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.answers = _read(path)
        """Those of earlier starts and those added since."""

    def add(self, answers: Mapping[str, str]) -> None:
        """Keep some more. Raises `StoreError` where the disk does not take them."""
        lines = "".join(json.dumps({sample_id: answer}) + "\n" for sample_id, answer in answers.items())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                end = file.seek(0, 2)
                file.seek(max(end - 1, 0))
                cut = end and file.read(1) != b"\n"
                file.write(("\n" if cut else "").encode() + lines.encode())
        except OSError as error:
            raise StoreError(f"cannot keep answers in {self._path}: {error.strerror}", fix="free some space") from error
        self.answers |= answers


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        with suppress(ValueError):
            if line.endswith(b"\n"):
                found |= json.loads(line)
    return found
