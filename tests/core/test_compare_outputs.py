"""Text, Markdown, JSON, JUnit and GitHub annotations: what they say, and that no name can break them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from medbench.compare.document import json_text
from medbench.compare.github import annotations_of, muted, write_step_summary
from medbench.compare.junit import junit_xml
from medbench.compare.summary import markdown_text, terminal_text
from medbench.compare.verdicts import Comparison
from medbench.errors import StoreError
from medbench.specs import MetricSpec
from tests.core.compare_toys import answers, compared, flipped, record_of
from tests.core.record_maker import make_task

BASE = answers(0.7, 1)
DROPPED = flipped(BASE, 30)
HOSTILE = [
    "a|b`c`<script>alert(1)</script>",
    "\u202eright to left",
    "x" * 10_000,
    "\udcff\x00\x1b[31m\x08\ufffe",
    "::error::mine\n::set-output name=x::y\r\n##[error]z###[group]",
    "%0A::warning,title=a:b",
    "]]> & \"quotes\" 'here'",
]


def regressed(**rules: Any) -> Comparison:
    lacking = record_of(BASE, variant="gone", key="gone")
    refused = [record_of(BASE, task="other", key=letter, checkpoint_sha256=letter * 64) for letter in "ab"]
    given = {"fail_on_regression": True, "problems": (), **rules}
    comparison = compared([record_of(BASE), lacking, refused[0]], [record_of(DROPPED), refused[1]], **_no(given))
    return Comparison(comparison.lines, given["problems"], comparison.rules)


def _no(rules: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rules.items() if name != "problems"}


def hostile(text: str) -> Comparison:
    """A regression of a known task, and lines of one whose very id is hostile; also a record that cannot be read."""
    tasks = {"toy-det": make_task(metrics=(MetricSpec(name="map", title=f"T{text}"),))}
    sides = [
        [record_of(right, task=task, method=f"m{text}", recipe=f"r{text}") for task in ("toy-det", f"t{text}")]
        for right in (BASE, DROPPED)
    ]
    lacking = record_of(BASE, task=f"t{text}", variant=f"v{text}")
    comparison = compared([*sides[0], lacking], sides[1], tasks, fail_on_missing=True)
    return Comparison(comparison.lines, (f"bad {text}",), comparison.rules)


def test_the_terminal_says_what_changed_and_why_it_fails() -> None:
    text = terminal_text(regressed())
    assert "-15.00 [-20.01, -10.00]" in text and "70.0" in text and "55.0" in text and "<0.001" in text
    assert "fails (1 regressed; 1 refused): 1 regressed, 1 refused, 1 missing" in text
    assert "checkpoint aaaaaaaa / bbbbbbbb" in text


def test_markdown_has_the_same_table() -> None:
    page = markdown_text(regressed())
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert "mAP" in page and "regressed" in page


def test_json_holds_every_number_as_records_hold_it() -> None:
    document = json.loads(json_text(regressed(problems=("x.json is damaged",))))
    assert document["outcome"] == {"code": 1, "reasons": ["1 regressed", "1 records cannot be read", "1 refused"]}
    assert document["counts"] == {"regressed": 1, "refused": 1, "missing": 1}
    line = next(one for one in document["lines"] if one["verdict"] == "regressed")
    assert (line["metric"], line["base"], line["new"], line["gates"]) == ("map", 0.7, 0.55, True)
    assert line["change"] == pytest.approx(-0.15)
    assert line["low"] < -0.15 < line["high"] < 0 and line["p_holm"] < 0.001


def test_junit_has_a_case_for_each_line_that_gates() -> None:
    suite = ElementTree.fromstring(junit_xml(regressed(problems=("x.json is damaged",)))).find("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "2", "skipped": "1"}
    (failure,) = suite.iter("failure")
    assert failure.get("message").startswith("regressed: 70.0 to 55.0, -15.00 [")
    missing = ElementTree.fromstring(junit_xml(regressed(fail_on_missing=True)))
    assert len(list(missing.iter("failure"))) == 2


def test_annotations_are_errors_where_the_gate_fails_and_warnings_elsewhere() -> None:
    lines = annotations_of(regressed())
    assert [line.split(" ", 1)[0] for line in lines] == ["::error", "::error", "::warning", "::error"]
    assert lines[0].startswith(
        "::error title=mgca@resnet50 on toy-det (standard%2C 100 %25)%3A mAP::regressed: 70.0 to"
    )
    assert [line[:9] for line in annotations_of(regressed(fail_on_regression=False))] == ["::warning"] * 3


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_breaks_an_output(text: str, tmp_path: Path) -> None:
    comparison = hostile(text)
    terminal = terminal_text(comparison)
    assert all(character == "\n" or character.isprintable() for character in terminal)
    page = markdown_text(comparison)
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]
    assert [row.count("|") for row in rows] == [12, 12, 12]
    assert "<" not in page.replace("<0.001", "")
    assert f"t{text}" in {line["task"] for line in json.loads(json_text(comparison))["lines"]}
    json_text(comparison).encode("ascii")
    xml = ElementTree.fromstring(junit_xml(comparison))
    assert len(list(xml.iter("testcase"))) == 4
    assert "##[" not in json_text(comparison)
    for command in annotations_of(comparison):
        assert "\n" not in command and "\r" not in command
        level, title, message = command[2:].split(":", 2)[0], *command.split("title=", 1)[1].split("::", 1)
        assert level.split()[0] in {"error", "warning"} and ":" not in title and "," not in title and message
    write_step_summary(comparison, tmp_path / "summary.md")
    assert (tmp_path / "summary.md").read_text().strip() == page.strip()


def test_a_name_in_the_log_is_never_a_command() -> None:
    first, *middle, last = muted(terminal_text(hostile("::error::mine"))).splitlines()
    token = first.removeprefix("::stop-commands::")
    assert first.startswith("::stop-commands::") and len(token) == 32 and last == f"::{token}::"
    assert not any(token in line for line in middle)


def test_an_unwritable_summary_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        write_step_summary(regressed(), tmp_path)
