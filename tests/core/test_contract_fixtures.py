"""The fixtures of `medbench.testing` in a test run of their own, and ``check-plugin`` in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import install

TOY = Path(__file__).parents[1] / "toy"
TESTS = """
def test_a_good_task_passes(check_task):
    report = check_task("toy-bright", method="toy", overrides={"steps": 1})
    assert any("Analysis" in one.line for one in report.left_out)

def test_a_bad_dataset_fails(check_dataset):
    check_dataset("toy")

def test_the_gate_is_there(medbench_gate):
    assert callable(medbench_gate)
"""


def _in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    install(folder / "site", "toy-plugin", "medbench_toy")
    paths = os.pathsep.join([str(folder / "site"), str(TOY)])
    environment = {**os.environ, "PYTHONPATH": paths, "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_failing_fixture_says_what_is_wrong_and_not_where_medbench_says_it(tmp_path: Path) -> None:
    (tmp_path / "test_toy.py").write_text(TESTS)
    said = _in(tmp_path, "pytest", "-q", "test_toy.py").stdout
    assert "1 failed, 2 passed" in said
    assert "dataset toy: with labels.csv replaced by noise, its reader raised UnicodeDecodeError" in said
    assert "Traceback" not in said


def test_check_plugin_gives_a_line_a_finding_and_exits_1(tmp_path: Path) -> None:
    result = _in(tmp_path, "medbench", "check-plugin", "Toy_Plugin")
    assert result.returncode == 1, result.stderr
    assert "toy@mute: it offers no capability" in result.stdout
    assert result.stderr.strip().startswith("3 checked, ")
    (tmp_path / "other").mkdir()
    unknown = _in(tmp_path / "other", "medbench", "check-plugin", "toy-plugni")
    assert unknown.returncode == 2
    assert "did you mean 'toy-plugin'?" in unknown.stderr


def test_the_pytest_plugin_is_light() -> None:
    code = (
        "import sys, pytest; import medbench.testing.plugin; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
