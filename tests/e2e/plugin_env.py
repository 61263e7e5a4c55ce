"""An environment of its own that sees the packages of the one under test, and the commands of a page run in it."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OFFLINE = {  # what the page leaves to the network is there already
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this the other way round
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "OMP_NUM_THREADS": "2",
    "NO_COLOR": "1",
}


@dataclass(frozen=True)
class Block:
    """Commands of a page; ``note`` is what the comment above them asks of the test."""

    commands: str
    note: str = ""


def blocks_of(page: Path) -> Iterator[Block]:
    """The page's blocks of ``bash``, in order."""
    pattern = re.compile(r"(?:<!-- test: (?P<note>[^\n]*) -->\n)?```bash\n(?P<commands>.*?)```", re.DOTALL)
    for found in pattern.finditer(page.read_text(encoding="utf-8")):
        yield Block(found["commands"], found["note"] or "")


@dataclass
class Environment:
    """A virtual environment in ``root``; commands are run in ``folder``, which ``cd`` changes."""

    root: Path
    folder: Path

    @classmethod
    def make(cls, root: Path, folder: Path) -> Environment:
        """One without pip, which comes with the packages that it sees."""
        venv.create(root, with_pip=False)
        parent = sysconfig.get_path("purelib")
        (site,) = root.glob("lib/python*/site-packages")
        (site / "_parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n")
        script = root / "bin" / "medbench"
        script.write_text(f"#!{root}/bin/python\nfrom medbench.cli import main\nmain()\n")
        script.chmod(0o755)
        folder.mkdir()
        return cls(root, folder)

    def run(self, commands: str, code: int = 0) -> str:
        """What the commands print, in a shell that stops at the first that fails."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDBENCH_", "PIP_"))}
        path = os.pathsep.join([str(self.root / "bin"), kept.get("PATH", "")])
        result = subprocess.run(
            ["bash", "-ec", f"trap 'pwd > {self.root}/cwd' EXIT\n{commands}"],
            cwd=self.folder,
            env={**kept, **OFFLINE, "PATH": path, "XDG_CACHE_HOME": str(self.root / "cache")},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = result.stdout + result.stderr
        assert result.returncode == code, f"exit {result.returncode} of\n{commands}\n{said}"
        self.folder = Path((self.root / "cwd").read_text().strip())
        return said
