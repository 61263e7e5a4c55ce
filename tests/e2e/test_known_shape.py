"""The how-to on encoders of a known shape: its two files and its commands, as a stranger would take them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.plugin_env import Environment, blocks_of

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "known-shape.md"
_TITLED = re.compile(r'```\w+ title="(?P<name>[\w.]+)"\n(?P<text>.*?)```', re.DOTALL)


@pytest.mark.slow
def test_one_file_and_its_packaging_make_a_method(tmp_path: Path) -> None:
    environment = Environment.make(tmp_path / "env", tmp_path / "work")
    files = {found["name"]: found["text"] for found in _TITLED.finditer(PAGE.read_text(encoding="utf-8"))}
    assert files.keys() == {"medbench_mine.py", "pyproject.toml"}
    for name, text in files.items():
        (environment.folder / name).write_text(text, encoding="utf-8")
    (said,) = [environment.run(block.commands) for block in blocks_of(PAGE)]
    assert "method mine keeps the contract" in said
    assert "mine@resnet50" in said
    (path,) = (environment.folder / "phantom" / "results").glob("kermany-zeroshot/mine@resnet50/*.json")
    assert json.loads(path.read_text())["phantom"] is True
