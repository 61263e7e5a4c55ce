"""No name that a plugin or a record supplies can break a table, inject HTML, or drive a terminal."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.leaderboard.pages import build_pages, table_text
from medbench.leaderboard.table import Specs
from medbench.leaderboard.text import escape, page_name, percent
from medbench.records import MetricValue
from medbench.specs import MetricSpec
from tests.core.record_maker import make_record, make_task

EVIL = "a|b`c<script>x</script>[l](http://e.x)\n| 1 | **z**\\|&lt;"


def _cells_per_line(page: str) -> set[int]:
    return {line.count("|") for line in page.splitlines() if line.startswith("|")}


def test_evil_names_leave_one_table_without_markup() -> None:
    record = make_record(
        EVIL,
        variant=EVIL,
        task=EVIL,
        dataset=EVIL,
        split=EVIL,
        recipe=EVIL,
        recipe_overrides={EVIL: EVIL},
        metrics={EVIL: MetricValue(None, note=EVIL)},
        floors={EVIL: {"map": 0.1}},
    )
    pages = build_pages([record], Specs())
    assert set(pages) == {"README.md", page_name(EVIL), f"methods/{page_name(EVIL)}"}
    page = pages[page_name(EVIL)]
    assert len(_cells_per_line(page)) == 1
    for text in pages.values():
        assert "<script" not in text
        assert "](http" not in text
        assert "`c" not in text


def test_a_specs_titles_are_escaped() -> None:
    task = make_task(title=EVIL, protocol=EVIL, metrics=(MetricSpec(name="map", title=EVIL),))
    pages = build_pages([make_record()], Specs({"toy-det": task}))
    assert len(_cells_per_line(pages["toy-det.md"])) == 1
    assert "<script" not in "".join(pages.values())


def test_the_terminal_gets_no_control_characters() -> None:
    text = table_text([make_record("evil\x1b[31m\r\x07\u202e")], Specs())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_escaped_text_has_no_active_character_and_reads_as_before(text: str) -> None:
    escaped = escape(text)
    assert not re.search(r"[<>|`*\[\]\\\n\r]", escaped)
    assert escape(html.unescape(escaped)) == escaped


@pytest.mark.parametrize("task", ["../../etc/passwd", "A/B", "readme", ".hidden", "", "é", "x" * 300])
def test_a_page_name_is_a_plain_file_name_of_its_own(task: str) -> None:
    name = page_name(task)
    assert re.fullmatch(r"[a-z0-9_-][a-z0-9._-]*-[0-9a-f]{8}\.md", name)
    assert len(name) < 128
    assert page_name(task + "!") != name


@pytest.mark.parametrize(("value", "text"), [(1.0, "100.0"), (-0.00001, "0.0"), (0.8125, "81.2"), (0.0005, "0.1")])
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text
