"""The tutorial's own commands, read from its page and run in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, command_lines
from tests.e2e.conftest import Shell, shell  # noqa: F401  (the fixture)


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(shell: Shell) -> None:  # noqa: F811
    for block in blocks(ROOT / "docs" / "tutorial.md", "bash"):
        if block.text.startswith("cd "):
            shell.folder = shell.folder / block.text.split()[1]
        for words in command_lines(block):
            shell(*words)
    made = {path.relative_to(shell.folder).as_posix() for path in Path(shell.folder).rglob("*")}
    assert made >= {"results/tables/overview.md", "pages/README.md", "pages/kermany-linear.md", "report.html"}
    assert len(list((shell.folder / "results").glob("*/*/*.json"))) == 24
