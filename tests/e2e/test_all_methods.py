"""All methods on a real dataset: one row a method, each from one pass, drawn weights marked and never ranked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medbench.registry import Registry
from tests.e2e.conftest import Shell

REGISTRY = Registry.load()


@pytest.mark.slow
def test_a_complete_table_on_real_radiographs(shell: Shell, shared: Path) -> None:
    shell("phantom", "drawn", "--datasets", "kermany", "--methods", "all", "--images", "10", "--side", "64")
    data = shell.folder / "data"
    data.mkdir()
    (data / "kermany").symlink_to(shared / "data" / "kermany-pneumonia-224")
    run = ("run", "--methods", "all", "--tasks", "kermany-linear", "--checkpoints", "drawn/checkpoints")
    shell(*run)
    records = [json.loads(path.read_text()) for path in (shell.folder / "results").glob("kermany-linear/*/*.json")]
    expected = {spec.id for spec in REGISTRY.methods.values() if spec.variants}
    assert {record["method"] for record in records} == expected
    assert len(records) == len(expected)
    drawn = {record["method"] for record in records if record["phantom"]}
    assert drawn == expected - {"random"}
    shell("leaderboard", "build")
    page = (shell.folder / "leaderboards" / "kermany-linear.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "@" in line]
    assert {name for name in expected if any(f"{name}@" in row for row in rows)} == expected
