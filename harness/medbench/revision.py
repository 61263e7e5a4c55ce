"""The source revision that medbench runs from, where it runs from a checkout."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path


@functools.cache
def source_revision() -> str | None:
    """The git commit, with ``-dirty`` where files differ from it; None outside a checkout. Never a URL or a path."""
    here = Path(__file__).resolve().parent
    try:
        top = _git(here, "rev-parse", "--show-toplevel")
        if not (Path(top) / "harness" / "medbench").samefile(here):
            return None
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return f"{commit}-dirty" if _git(here, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return result.stdout.strip()
