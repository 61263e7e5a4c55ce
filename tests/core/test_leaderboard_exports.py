"""CSV, JSON and LaTeX: the numbers of the records, the same bytes for any order, and no text that drives a program."""

from __future__ import annotations

import csv
import io
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.leaderboard.json_export import JSON_SCHEMA, LeaderboardDocument
from medbench.leaderboard.latex_text import latex_escape
from medbench.leaderboard.outputs import FORMATS, build_files
from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.specs import ReportedResult
from tests.core.latex_reader import read_rows
from tests.core.record_maker import make_method, make_record, make_task

FIGURE = ReportedResult(
    method="mgca@resnet50", metric="map", value=0.45, fraction=1.0, recipe="standard", source="Paper, Table 1"
)
SPECS = Specs({"toy-det": make_task(reported=(FIGURE,))}, {"mgca": make_method("mgca", ())})
RECORDS = [
    make_record(score=(0.5, 0.4, 0.6), seed=0, floors={"empty": {"map": 0.1}}),
    make_record(score=(0.6, 0.5, 0.7), seed=1, floors={"empty": {"map": 0.1}}),
    make_record("medst", 0.3, checkpoint_sha256="ab" * 32),
    make_record("medst", 0.9, phantom=True),
]


def rows_of(*records: Record, specs: Specs = SPECS) -> list[dict[str, str]]:
    data = build_files(records, specs, ["csv"])["leaderboard.csv"].decode()
    return list(csv.DictReader(io.StringIO(data), strict=True))


def test_the_csv_has_every_column_and_shares_of_one() -> None:
    rows = rows_of(*RECORDS)
    first = rows[0]
    assert (first["kind"], first["method"], first["metric"], first["recipe"]) == (
        "method",
        "mgca@resnet50",
        "map",
        "standard",
    )
    assert [float(first[name]) for name in ("value", "low", "high", "fraction")] == pytest.approx([0.55, 0.45, 0.65, 1])
    assert (first["seeds"], first["test_n"], first["medbench"], first["rank"]) == ("2", "200", "0.1.0", "1")
    assert (first["checkpoint"], first["contamination"]) == ("cccccccc", "clean")
    assert [row["kind"] for row in rows] == ["method", "figure", "method", "floor", "method"]
    assert (rows[1]["value"], rows[1]["reported"], rows[1]["difference"]) == ("", "0.45", "0.1")
    assert [row["phantom"] for row in rows] == ["false"] * 4 + ["true"]


def test_the_json_is_versioned_and_names_the_records_behind_each_number() -> None:
    data = build_files(RECORDS, SPECS, ["json"])["leaderboard.json"]
    found = msgspec.json.decode(data, type=LeaderboardDocument)
    assert (found.document, found.schema) == ("medbench leaderboard", JSON_SCHEMA)
    line = found.tables[0].lines[0]
    assert line.checkpoint == "c" * 64 and line.seeds == (2,)
    cell = line.cells[0]
    assert cell is not None and cell.value == pytest.approx(0.55)
    assert cell.records == tuple(record.key for record in RECORDS[:2])
    assert line.reported[0][0].difference == pytest.approx(0.1)


def test_latex_marks_the_best_and_leaves_the_phantom_out() -> None:
    text = build_files(RECORDS, SPECS, ["latex"])["latex/toy-det.tex"].decode()
    (rows,) = read_rows(text)
    assert [row[1] for row in rows[1:]] == ["mgca@resnet50", "medst@resnet50", r"\emph{empty}"]
    assert rows[1][2] == r"\textbf{55.0} $\pm$ 7.1 {[}45.0, 65.0{]}"
    assert rows[1][3] == r"45.0 (+10.0)\textsuperscript{1}"
    assert rows[2][2] == r"\underline{30.0}"
    assert "90.0" not in text
    assert build_files([RECORDS[3]], Specs(), ["latex"]) == {}


def test_the_order_of_records_changes_no_byte_of_any_format() -> None:
    records = list(RECORDS)
    expected = build_files(records, SPECS, FORMATS)
    for seed in range(4):
        random.Random(seed).shuffle(records)
        assert build_files(records, SPECS, FORMATS) == expected


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "\t=", "\r@", "\u202e=", " +"])
def test_no_text_of_the_csv_is_a_formula(start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    rows = rows_of(make_record(evil, variant="v", split=evil, metrics={evil: 0.5}), specs=Specs())
    numbers = {"value", "low", "high", "deviation", "fraction"}
    texts = [cell for row in rows for name, cell in row.items() if name not in numbers]
    assert any("HYPERLINK" in cell for cell in texts)
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "＝")) for cell in texts)


def test_a_negative_number_stays_a_number() -> None:
    rows = rows_of(make_record(score=-0.25))
    assert [row["value"] for row in rows if row["kind"] == "method"] == ["-0.25"]


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_escaped_latex_compiles_by_a_strict_reading(text: str) -> None:
    ((row,),) = read_rows(f"\\begin{{tabular}}{{l}}\nx{latex_escape(text)} \\\\\n\\end{{tabular}}")
    assert len(row) == 1


def test_latex_reads_as_the_text_says() -> None:
    assert latex_escape("50 % & co_1 {x} #2 $3 ~ ^ \\end{tabular}") == (
        r"50 \% \& co\_1 \{x\} \#2 \$3 \textasciitilde{} \textasciicircum{} \textbackslash{}end\{tabular\}"
    )
    assert latex_escape("Müller – Ångström 北京 ﬁ ½ ṩ") == "Müller -- Ångström ?? fi ? s"
