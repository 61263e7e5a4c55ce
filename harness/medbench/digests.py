"""SHA-256 of checkpoint files, remembered by path, size and modification time, because hashing a gigabyte takes seconds."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from medbench.checkpoints import sha256_of
from medbench.errors import StoreError
from medbench.files import write_bytes_atomically


@dataclass(slots=True)
class DigestCache:
    """Digests kept in one JSON file under the cache; losing it costs time only."""

    path: Path
    _known: dict[str, list[object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(self.path.read_text())
            if isinstance(content, dict):
                self._known = content

    def sha256(self, path: Path) -> str:
        """The digest of a file as it is now."""
        stat = path.stat()
        name = str(path.resolve())
        remembered = self._known.get(name)
        if remembered is not None and remembered[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(remembered[2])
        digest = sha256_of(path)
        self._known[name] = [stat.st_size, stat.st_mtime_ns, digest]
        with contextlib.suppress(StoreError):
            write_bytes_atomically(self.path, json.dumps(self._known, indent=0).encode())
        return digest
