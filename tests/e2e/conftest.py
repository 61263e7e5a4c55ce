"""The command line in processes of its own, as a user runs it, with the toy plugin installed for real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Shell:
    """Runs ``medbench`` in a folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "medbench", *arguments]

    def variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDBENCH_")}
        return {**kept, "OMP_NUM_THREADS": kept.get("OMP_NUM_THREADS", "2"), **self.environment, **extra}

    def __call__(self, *arguments: str, code: int | None = 0, **extra: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.variables(extra),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if code is not None:
            assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.variables(extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def install(folder: Path, name: str, module: str, text: str | None = None) -> None:
    """Make a distribution with one entry point visible in ``folder``, as a wheel's installation would."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[medbench]\n{name} = {module}\n")
    if text is not None:
        (folder / f"{module}.py").write_text(text)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """``medbench`` in an empty folder, with the toy plugin installed."""
    site = tmp_path / "site"
    install(site, "toy-plugin", "medbench_toy")
    toy = Path(__file__).parents[1] / "toy"
    folder = tmp_path / "home"
    folder.mkdir()
    paths = os.pathsep.join([str(site), str(toy)])
    return Shell(folder, {"PYTHONPATH": paths, "XDG_CACHE_HOME": str(tmp_path / "xdg"), "NO_COLOR": "1"})
