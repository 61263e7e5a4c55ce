"""``medbench report`` as a user runs it: after runs of the toy, and with a real protocol on generated pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.core.test_report_command import payload_in
from tests.e2e.conftest import Shell, install


def records(shell: Shell) -> dict[str, Any]:
    """Every record by its key."""
    found = [json.loads(path.read_text()) for path in (shell.folder / "results").glob("*/*/*.json")]
    return {one["key"]: one for one in found}


def page(shell: Shell) -> bytes:
    return (shell.folder / "report.html").read_bytes()


def test_the_numbers_of_the_page_are_those_of_the_records(shell: Shell) -> None:
    shell("phantom", ".", "--datasets", "toy", "--methods", "toy", "--images", "24", "--side", "64")
    shell("run", "--methods", "toy@plain", "--tasks", "toy-bright", "--seeds", "0,1")
    said = shell("report", "results", "--title", "The toy").stdout
    assert said.startswith("wrote report.html: ")
    payload = payload_in(page(shell))
    known = records(shell)
    assert len(payload["records"]) == len(known) == 2
    for one in payload["records"]:
        (metrics,) = one["metrics"].values()
        measured = known[one["key"]]["metrics"]["accuracy"]
        assert metrics == [measured["value"], measured["low"], measured["high"]]
    (table,) = payload["tables"]
    assert table["phantom"]
    for line in table["lines"]:
        if line["kind"] == "method":
            (cell,) = line["cells"]
            values = [known[payload["records"][index]["key"]] for index in cell["records"]]
            assert cell["value"] == pytest.approx(sum(one["metrics"]["accuracy"]["value"] for one in values) / 2)
    assert table["examples_note"] == "its protocol offers no examples"
    assert str(shell.folder).encode() not in page(shell)


def test_classification_of_generated_pictures_has_classes_and_examples(shell: Shell, tmp_path: Path) -> None:
    install(tmp_path / "site", "pixels-plugin", "medbench_pixels")
    shell("phantom", ".", "--datasets", "kermany", "--methods", "pixels", "--images", "60", "--side", "64")
    shell("run", "--methods", "pixels@grid,pixels@words", "--tasks", "kermany-knn")
    shell("report", "--examples", "2")
    payload = payload_in(page(shell))
    (table,) = payload["tables"]
    assert "class" in [one["grouping"] for one in table["groups"]]
    assert {one["method"] for one in table["examples"]} == {"pixels@grid", "pixels@words"}
    for example in table["examples"]:
        assert example["image"].startswith("data:image/jpeg;base64,")
        assert (example["width"], example["height"]) == (64, 64)
        assert example["truth"]["text"]
        assert example["answer"]["text"]
    assert payload["diagrams"][0]["note"].startswith("No diagram")
    assert "problems" not in payload
