"""The leaderboard in this repository agrees with its records, its plugins and this version of medbench."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_published_leaderboard_is_fresh() -> None:
    command = [sys.executable, "-m", "medbench", "leaderboard", "check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "leaderboards/records" in result.stderr + result.stdout


def test_no_generated_number_is_published() -> None:
    records = list((ROOT / "leaderboards" / "records").glob("*/*/*.json"))
    assert records
    assert not [path for path in records if '"phantom": false' not in path.read_text()]
