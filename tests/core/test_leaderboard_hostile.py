"""Whatever text plugins and records supply, every format stays what it is: no markup, no command, no formula, no flood."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from medbench.leaderboard.json_export import LeaderboardDocument
from medbench.leaderboard.outputs import FORMATS, build_files
from medbench.leaderboard.table import Specs
from medbench.leaderboard.text import web_link
from medbench.records import MetricValue, Record
from medbench.specs import MethodSpec, MethodVariant, MetricSpec, Recipe, ReportedResult
from tests.core.latex_reader import read_rows
from tests.core.record_maker import make_record, make_task

PIPES = "a|b`c<script>x</script>[l](http://e.x)\n\n| 1 | **z**\\|&lt;\r\n# h\n"
RIGHT_TO_LEFT = "\u202eevil\u202c\u200f \u2067x\u2069 \x1b[31m\x07\ud800"
LATEX = r"\input{/etc/passwd} \end{tabular} $x^2$ 100% & {# _ ~ ^ \\"
LONG = "=cmd|' /C calc'!A0" * 600
HOSTILE = [
    PIPES,
    RIGHT_TO_LEFT,
    LATEX,
    LONG,
    "javascript:alert(1)",
    "<!-- x -->",
    "](x) ![i](x) <http://e.x> http://e.x",
    "",
]
ALLOWED_HTML = {"<sup>", "</sup>", "<ins>", "</ins>"}


def hostile(text: str) -> tuple[list[Record], Specs]:
    """Records and specs that hold ``text`` wherever a plugin or a record may."""
    variant = MethodVariant(id="resnet50", title=text, checkpoint=None, capabilities=frozenset())
    method = MethodSpec(
        id="mgca",
        title=text,
        summary=text,
        variants=(variant,),
        loader="toy:load",
        licence=text,
        citation=text,
        code_url=text,
        paper_url=f"https://e.x/{text}",
        pretrained_on=("toy",),
    )
    own: dict[str, Any] = {"metric": "map", "value": 0.4, "fraction": 1.0, "source": text, "note": text}
    reported = (
        ReportedResult(method=text, recipe="standard", **own),
        ReportedResult(method="mgca@resnet50", recipe=text, **{**own, "metric": text, "metric_title": text}),
    )
    task = make_task(
        title=text,
        dataset=text,
        protocol=text,
        metrics=(MetricSpec(name="map", title=text), MetricSpec(name=f"{text}x", title=text)),
        recipes={"standard": Recipe()},
        reported=reported,
    )
    provenance = msgspec.structs.replace(make_record().provenance, medbench=text, precision=text)
    records = [
        make_record(
            metrics={f"{text}x": MetricValue(None, note=text)}, floors={text: {"map": 0.1}}, checkpoint_sha256=text
        ),
        make_record(score=0.3, key="two", provenance=provenance),
        make_record(text, variant=text, key="three", recipe=text, recipe_overrides={text: text}, manifest_sha256=text),
        make_record(key="four", task=text, dataset=text, split=text, ceilings={text: {text: MetricValue(0.5)}}),
        make_record(text, key="five", phantom=True),
    ]
    return records, Specs({"toy-det": task}, {"mgca": method})


def check_markdown(page: str, names: set[str]) -> None:
    """Read by a CommonMark parser: our own markup alone, links to our own pages alone, tables of even rows."""
    widths: list[set[int]] = []
    cells = 0
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "table_open":
            widths.append(set())
        elif token.type == "tr_open":
            cells = 0
        elif token.type in {"td_open", "th_open"}:
            cells += 1
        elif token.type == "tr_close":
            widths[-1].add(cells)
        assert token.type != "html_block" or token.content.startswith("<!-- Made by")
        assert token.type not in {"fence", "code_block", "hr"}
        for child in token.children or ():
            assert child.type != "image"
            assert child.type != "code_inline" or child.content == "medbench phantom"
            assert child.type != "html_inline" or child.content in ALLOWED_HTML
            if child.type == "link_open":
                target = str(child.attrGet("href"))
                assert target.rpartition("../")[2] in names or re.match(r"https?://[a-z]", target)
    assert all(len(found) == 1 for found in widths)
    # markdown-it drops what a row has too many of, so the bars are counted too
    tables = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    assert len(tables) == len(widths)
    assert all(len({line.count("|") for line in table.splitlines()}) == 1 for table in tables)


def check_files(text: str) -> None:
    files = build_files(*hostile(text), FORMATS)
    names = {name for name in files if name.endswith(".md")}
    for name, content in files.items():
        assert re.fullmatch(r"((methods|latex)/)?[A-Za-z0-9_-][A-Za-z0-9._-]*\.(md|csv|json|tex)", name)
        shown = content.decode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)
        if name in names:
            check_markdown(shown, names)
        elif name.endswith(".tex"):
            assert read_rows(shown)
    rows = list(csv.reader(io.StringIO(files["leaderboard.csv"].decode()), strict=True))
    assert len({len(row) for row in rows}) == 1
    assert msgspec.json.decode(files["leaderboard.json"], type=LeaderboardDocument).tables


@pytest.mark.parametrize(
    "text", HOSTILE, ids=["pipes", "directions", "latex", "long", "scheme", "comment", "links", "empty"]
)
def test_a_hostile_text_everywhere_breaks_no_format(text: str) -> None:
    check_files(text)


@given(st.text(st.characters(), max_size=30))
@settings(max_examples=25, deadline=None)
def test_any_text_everywhere_breaks_no_format(text: str) -> None:
    check_files(text)


def test_long_names_are_cut_for_display_and_keep_their_pages_apart() -> None:
    records, specs = hostile("x" * 10_000)
    files = build_files(records, specs, ["markdown"])
    assert max(len(word) for content in files.values() for word in re.findall(r"x+", content.decode())) <= 400
    assert all(len(content) < 20_000 for content in files.values())
    other = make_record("x" * 10_000 + "y", key="six", task="x" * 10_000 + "y")
    assert len(build_files([*records, other], specs, ["markdown"])) == len(files) + 2


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://e.x/>)<script>",
        "https://e.x/ a",
        "https://e.x/\u202e",
        "//e.x",
        "ftp://e.x",
        "http://" + "x" * 600,
        "https://e.x\n",
        "",
    ],
)
def test_only_plain_web_addresses_become_links(url: str) -> None:
    assert web_link(url, "code") == ""


def test_a_web_address_is_kept_as_it_is() -> None:
    link = web_link("https://example.org/a_b(c)?x=1&copy=2#top", "co|de")
    (token,) = [one for one in MarkdownIt("commonmark").parse(link) if one.type == "inline"]
    assert (
        token.children is not None and token.children[0].attrGet("href") == "https://example.org/a_b(c)?x=1&copy=2#top"
    )
    assert token.children[1].content == "co|de"
