"""Who may import whom, and what a light command may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "sklearn", "pandas", "pyarrow", "cv2", "transformers", "timm", "mmengine", "mmcv")


def test_imports_flow_down_the_floors() -> None:
    script = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([str(script), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["list", "methods"],
        ["list", "tasks"],
        ["list", "datasets", "--json"],
        ["show", "rsna"],
        ["plugins"],
        ["plan", "--methods", "all", "--tasks", "all"],
        ["run", "--methods", "all", "--tasks", "all", "--dry-run"],
        ["data", "status"],
        ["leaderboard", "build", "--results", ".", "--out", "pages"],
    ],
)
def test_light_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom medbench.cli import main\n"
        f"sys.argv = ['medbench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].split() == ["LOADED"]


def test_every_command_is_there_and_has_help() -> None:
    import importlib

    from medbench.cli import COMMANDS

    for name, (module, _) in COMMANDS.items():
        command = getattr(importlib.import_module(f"medbench.cli.{module}"), f"{name.replace('-', '_')}_command")
        assert command.help, name
