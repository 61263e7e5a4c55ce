"""Nothing that a plugin supplies breaks a generated page or gets into its HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from medbench.registry import Registry
from medbench.specs import (
    CheckpointSource,
    DatasetSpec,
    ExpectedFile,
    MethodSpec,
    MethodVariant,
    MetricSpec,
    Recipe,
    ReportedResult,
    SplitSpec,
    Target,
    TaskSpec,
)

EVIL = "a|b <script>alert(1)</script> `x` **y** [z](javascript:w) \u202eabc\n\n# h\n\n<img src=x onerror=v> {{ q }}\n\n::: os"
LONG = "x" * 10_000
BLOCKS = ("::: os", "- item", "1. item", "===", "+ item", "# ::: os", "    code")
ALLOWED = {"code", "sup"}


class EvilRecipe(Recipe):
    __doc__ = f"{EVIL}\n\n``{EVIL}``\n\n`{EVIL}"


def figure(value: float, fraction: float, note: str) -> ReportedResult:
    return ReportedResult(
        method=EVIL,
        metric="evil",
        value=value,
        fraction=fraction,
        recipe=EVIL,
        source=EVIL,
        note=note,
        metric_title=EVIL,
        comparable=False,
    )


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    from generate.reference import reference_pages

    method = MethodSpec(
        id="index",
        title=EVIL,
        summary=EVIL,
        variants=(
            MethodVariant(
                id="one",
                title=LONG,
                checkpoint=CheckpointSource(filename=EVIL, url=f"https://a.b/> {EVIL}", hub=EVIL, text_files=(EVIL,)),
                capabilities=frozenset({"ImageEncoder"}),
                name=EVIL,
                pretrained_on=("evil:train",),
            ),
        ),
        loader="a:b",
        licence=EVIL,
        citation=EVIL,
        code_url="javascript:alert(1)",
        paper_url='https://a.b/"onclick="',
        pretrained_on=("unknown",),
        tags=(EVIL,),
    )
    dataset = DatasetSpec(
        id="evil",
        title=EVIL,
        modality=EVIL,
        access="open",
        licence=EVIL,
        url=EVIL,
        files=(ExpectedFile(path=EVIL, purpose=EVIL),),
        supervision=frozenset({"labels", "boxes"}),
        label_names=(EVIL,),
        box_names=(EVIL,),
        label_values=(EVIL, "present"),
        splits=(
            SplitSpec(name="one", rule=EVIL, source=EVIL, sizes={"test": 3}),
            SplitSpec(name="two", rule="", source=""),
        ),
        reader="a:b",
        tags=(EVIL,),
        citation=EVIL,
    )
    task = TaskSpec(
        id="t" * 300,
        title=EVIL,
        dataset="evil",
        split="one",
        protocol=EVIL,
        capabilities=frozenset({"ImageEncoder"}),
        metrics=(MetricSpec(name=EVIL, title=EVIL),),
        recipes={
            "standard": EvilRecipe(),
            EVIL: EvilRecipe(method_settings=((EVIL, ((EVIL, EVIL),)),), requires=(EVIL,)),
        },
        loader="a:b",
        target=Target(kind="multi-label", labels=(EVIL,)),
        requires=(EVIL,),
        reported=(figure(0.1, 0.5, EVIL), figure(0.2, 1.0, LONG)),
        tags=(EVIL,),
    )
    orphan = replace(task, id="orphan", dataset="nobody-reads-it")
    registry: Any = SimpleNamespace(
        methods={"index": method},
        datasets={"evil": dataset},
        tasks={task.id: task, "orphan": orphan},
        plugins=(),
    )
    return reference_pages(registry)


def spec_pages(pages: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in pages.items() if name.split("/")[0] in {"methods", "datasets", "tasks"}}


def test_only_our_own_tags_are_in_the_html(pages: Mapping[str, str]) -> None:
    for name, text in spec_pages(pages).items():
        tags = set(re.findall(r"</?([a-zA-Z][\w-]*)", re.sub(r"<https?://[^ >]*>", "", text)))
        assert tags <= ALLOWED, name
        assert "\u202e" not in text


def test_every_row_of_a_table_has_the_cells_of_its_heading(pages: Mapping[str, str]) -> None:
    for name, text in spec_pages(pages).items():
        for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            assert len({line.count("|") for line in block.splitlines()}) == 1, name


def test_headings_and_links_are_ours(pages: Mapping[str, str]) -> None:
    markdown = MarkdownIt("commonmark").enable("table")
    for name, text in spec_pages(pages).items():
        tokens = markdown.parse(text)
        headings = [tokens[place + 1].content for place, one in enumerate(tokens) if one.type == "heading_open"]
        assert "h" not in headings, name
        for token in tokens:
            for child in token.children or ():
                target = child.attrGet("href")
                assert target is None or re.match(r"[\w./#-]+\.md(#[\w-]+)?\Z", str(target)), (name, target)


@pytest.mark.parametrize("text", BLOCKS)
def test_no_text_begins_a_block_or_a_directive_of_the_generator(text: str) -> None:
    from generate.writing import escape, prose

    for shown in (escape(text), prose(text), escape(f"\n\n{text}")):
        kinds = [one.type for one in MarkdownIt("commonmark").parse(f"above\n\n{shown}")]
        assert kinds == ["paragraph_open", "inline", "paragraph_close"] * 2
        assert not re.match(r"(#{1,6} *)?:::", shown)
        assert unescape(shown) == text.strip()


def test_what_was_written_can_still_be_read(pages: Mapping[str, str]) -> None:
    text = unescape(pages["datasets/evil.md"])
    assert (
        "a|b <script>alert(1)</script> `x` **y** [z](javascript:w) abc # h <img src=x onerror=v> {{ q }} ::: os" in text
    )


def test_a_page_cannot_take_the_place_of_the_index_nor_have_a_name_too_long(pages: Mapping[str, str]) -> None:
    assert pages["methods/index.md"].startswith("# Methods")
    assert "methods/index_.md" in pages
    assert all(len(part) < 200 for name in pages for part in name.split("/"))


def test_a_task_on_a_dataset_that_nobody_reads_says_so(pages: Mapping[str, str]) -> None:
    assert "no plugin here reads this dataset" in pages["tasks/orphan.md"]


def test_a_registry_of_nothing_gives_the_indexes() -> None:
    from generate.reference import reference_pages

    empty: Any = SimpleNamespace(methods={}, datasets={}, tasks={}, plugins=())
    assert set(spec_pages(reference_pages(empty))) == {f"{kind}/index.md" for kind in ("methods", "datasets", "tasks")}


def test_the_real_pages_hold_to_the_same(registry: Registry, reference: dict[str, str]) -> None:
    for name, text in spec_pages(reference).items():
        assert set(re.findall(r"</?([a-zA-Z][\w-]*)", re.sub(r"<https?://[^ >]*>", "", text))) <= ALLOWED, name
