"""No name that a plugin or a record supplies can break a page, drive a spreadsheet, leave the folder or stop a plot."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.leaderboard.table import Specs
from medbench.specs import MetricSpec
from medbench.store import ResultStore
from medbench.tables.analyses import Findings
from medbench.tables.build import build_tables_of, comparison_files
from medbench.tables.comparisons import find_comparisons
from medbench.tables.curves import efficiency_plot
from medbench.tables.files import stem_of
from medbench.tables.text import csv_bytes
from tests.core.record_maker import make_record
from tests.core.table_toys import keep, predictions_of, toy_registry, toy_task

EVIL = "=a|b`c<script>x</script>[l](http://e.x)\n| 1 | **z**\\|$\\frac{1$"


def test_evil_names_leave_pages_without_markup_and_whole_tables(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    table = predictions_of(0.5, 0, classes=(EVIL, "b"))
    for method, skill in (("mgca", 0.5), ("medst", 0.8)):
        keep(store, method, skill, predictions=table, recipe_overrides={"epochs": EVIL}, key=method)
    task = toy_task(title=EVIL, protocol=EVIL, metrics=(MetricSpec(name="map", title=EVIL),))
    built = build_tables_of(store.read_all().records, toy_registry(task), store, plots=True)
    assert built.damage == []
    for name, content in built.files.items():
        assert "/" not in name and name.isprintable() and len(name) < 255
        if name.endswith(".md"):
            text = content.decode()
            assert "<script" not in text and "](http" not in text and "`c" not in text
            blocks = [block.strip() for block in text.split("\n\n") if block.strip().startswith("|")]
            assert blocks
            for block in blocks:
                assert len({line.count("|") for line in block.splitlines()}) == 1
        if name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(content.decode())))
            assert len({len(row) for row in rows}) == 1
            assert not any(cell.startswith(("=", "@", "+")) for row in rows for cell in row)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\u200b=1", "＝1"])
def test_a_formula_is_defused(text: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_bytes(("name",), [(text,)]).decode())))
    assert rows[1][0].startswith("'")


def test_numbers_keep_their_sign_and_nothing_is_minus_nought() -> None:
    rows = list(csv.reader(io.StringIO(csv_bytes(("a", "b", "c", "d"), [(-0.25, -0.0, None, True)]).decode())))
    assert rows[1][:4] == ["-0.25", "0", "", "true"]


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_one_cell_of_one_row(text: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_bytes(("a", "b"), [(text, "x")]).decode())))
    assert [len(row) for row in rows] == [3, 3]
    assert rows[1][1] == "x"


def test_headings_that_look_alike_have_files_of_their_own() -> None:
    records = [
        make_record(recipe="x", recipe_overrides={"a": 1}),
        make_record(recipe="x[a=1]"),
        make_record(recipe="X-a-1"),
        make_record(recipe="x-a-1"),
        make_record(recipe="y--official", split="z"),
        make_record(recipe="y", split="official--z"),
        make_record(recipe="../../x"),
        make_record(recipe="w" * 300),
    ]
    registry = toy_registry()
    found = find_comparisons(records, Specs(registry.tasks)).found
    stems = [stem_of(one) for one in found]
    assert len(found) == len(records) - 1  # the first two are of one recipe by name
    assert len({stem.lower() for stem in stems}) == len(found)
    assert all("/" not in stem and ".." not in stem and len(stem) < 200 for stem in stems)


@pytest.mark.parametrize("name", ["_hidden", "$\\bad{$", "很长的名字", "x" * 500, "\x1b[31m"])
def test_any_name_can_stand_in_a_plot(name: str) -> None:
    records = [make_record(name, 0.5, fraction=at, floors={name: {"map": 0.2}}) for at in (0.1, 1.0)]
    registry = toy_registry(toy_task(title=name))
    image = efficiency_plot(find_comparisons(records, Specs(registry.tasks)).found[0])
    assert image is not None and image.startswith(b"\x89PNG")


def test_evil_methods_floors_and_notes_leave_whole_tables() -> None:
    record = make_record(EVIL, None, variant=EVIL, split=EVIL, recipe=EVIL, floors={EVIL: {"map": 0.1}})
    registry = toy_registry()
    comparison = find_comparisons([record], Specs(registry.tasks)).found[0]
    files = comparison_files(comparison, Findings(), plots=False)
    page = next(content.decode() for name, content in files.items() if name.endswith(".md"))
    assert len({line.count("|") for line in page.splitlines() if line.startswith("|")}) == 1
    assert "<script" not in page
