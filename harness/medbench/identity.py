"""What tells one set of weights from another in the feature cache."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """All that tells one set of weights from another. ``seed`` is None unless the weights are drawn from it.

    ``code`` is a digest of the package of the method's loader, so that a plugin under development is not answered from the
    cache of its former self.
    """

    method: str
    variant: str
    version: int
    checkpoint: str | None
    seed: int | None
    code: str

    @property
    def label(self) -> str:
        """``mgca@resnet50``."""
        return f"{self.method}@{self.variant}"


def loader_code(import_string: str) -> str:
    """A digest of the Python files of the top-level package that an import string lies in; '' where there is none."""
    found = importlib.util.find_spec(import_string.partition(":")[0].partition(".")[0])
    if found is None:
        return ""
    folders = [Path(place) for place in found.submodule_search_locations or ()]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    if not folders and found.origin is not None and Path(found.origin).is_file():
        files = [Path(found.origin)]
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest() if files else ""
