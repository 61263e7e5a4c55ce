"""A repository holds its numbers by a test of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medbench.errors import UsageError
from medbench.store import ResultStore
from medbench.testing.gate import hold_numbers
from tests.core.compare_toys import answers, flipped, record_of

BASE = answers(0.7, 1)
TASK = {"task": "rsna-linear", "task_version": 1}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Records of a task that is installed, under its ranking metric: ``base``, ``noise`` and ``drop``."""
    from medbench.registry import Registry

    task = Registry.load().task("rsna-linear")
    noise = flipped(flipped(BASE, 8), 7, 5, to=1.0)
    for name, right in (("base", BASE), ("noise", noise), ("drop", flipped(BASE, 30))):
        record = record_of(right, metric=task.ranking_metric.name, **TASK)
        ResultStore(tmp_path / name).write_record(record)
    return tmp_path


def test_numbers_that_hold_pass_and_a_drop_raises_with_the_table(folders: Path) -> None:
    assert hold_numbers("base", "noise", folder=folders).counts() == {"within noise": 1}
    assert hold_numbers(folders / "base", folders / "drop", tolerance=20).counts() == {"within tolerance": 1}
    name = hold_numbers("base", "base", folder=folders).lines[0].metric
    assert hold_numbers("base", "drop", folder=folders, tolerances={name: 20}).counts() == {"within tolerance": 1}
    with pytest.raises(AssertionError, match=r"fails \(1 regressed\)") as caught:
        hold_numbers("base", "drop", folder=folders)
    assert "-15.00 [" in str(caught.value)
    with pytest.raises(UsageError, match="nothing"):
        hold_numbers("base", "nothing", folder=folders)


def test_the_fixture_sees_paths_from_the_root_of_the_tests(folders: Path) -> None:
    (folders / "tests").mkdir()
    (folders / "pytest.ini").write_text("[pytest]\n")
    (folders / "conftest.py").write_text("from medbench.testing.gate import medbench_gate\n")
    (folders / "tests/test_numbers.py").write_text(
        "def test_noise(medbench_gate):\n    medbench_gate('base', 'noise')\n\n"
        "def test_drop(medbench_gate):\n    medbench_gate('base', 'drop', tolerance=1)\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folders), "."],
        cwd=folders / "tests",
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in result.stdout, result.stdout + result.stderr
    assert "fails (1 regressed)" in result.stdout and "Traceback" not in result.stdout
