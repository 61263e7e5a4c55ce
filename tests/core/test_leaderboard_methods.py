"""The page of a method: what it is, and its row for each task, recipe, fraction and variant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.specs import MethodVariant, Recipe, ReportedResult
from tests.core.leaderboard_reader import columns_of, tables_of
from tests.core.record_maker import make_method, make_record, make_task

FIGURE = ReportedResult(
    method="mgca@resnet50", metric="map", value=0.45, fraction=1.0, recipe="standard", source="Paper, Table 1"
)
OTHER = replace(FIGURE, recipe="published", metric="mdice", metric_title="mDice", value=0.7)
TASKS = {
    "toy-det": make_task(reported=(FIGURE, OTHER), recipes={"standard": Recipe(), "published": Recipe()}),
    "toy-seg": make_task(id="toy-seg"),
}
METHOD = replace(
    make_method("mgca", ("toy:train",)),
    title="MGCA",
    summary="Aligns.",
    licence="MIT",
    citation="Wang et al.",
    code_url="https://example.org/code?a=1&b=2",
    paper_url="javascript:alert(1)",
)
SPECS = Specs(TASKS, {"mgca": METHOD})


def page(*records: Record, specs: Specs = SPECS, method: str = "mgca") -> str:
    return build_pages(records, specs)[f"methods/{method}.md"]


def test_a_page_says_what_the_method_is() -> None:
    text = page(make_record())
    assert text.splitlines()[2] == "# MGCA"
    for line in ("Aligns.", "- Licence: MIT", "- Pretrained on: toy:train", "- Citation: Wang et al."):
        assert line in text
    assert "- Links: [code](<https://example.org/code?a=1&amp;b=2>)\n" in text
    assert "javascript" not in text


def test_a_row_for_each_task_recipe_fraction_and_variant() -> None:
    records = [
        make_record(score=(0.5, 0.4, 0.6)),
        make_record(score=0.3, fraction=0.01),
        make_record(variant="vit", score=0.6),
        make_record(score=0.2, recipe_overrides={"epochs": 1}),
        make_record(score=0.7, task="toy-seg"),
        make_record("medst", 0.9),
    ]
    (table,) = tables_of(page(*records))
    assert columns_of(table)[:9] == ["task", "recipe", "data", "variant", "metric", "value", "n", "seeds", "rank"]
    assert columns_of(table)[9:] == ["reported", "checkpoint", "medbench", "pretraining"]
    rows = [tuple(row[index] for index in (0, 1, 2, 3, 5, 8, 9)) for row in table[1:]]
    assert rows == [
        ("toy-det", "standard", "100 %", "vit", "60.0", "2", "–"),
        ("toy-det", "standard", "1 %", "resnet50", "30.0", "1", "–"),
        ("toy-det", "standard", "100 %", "resnet50", "50.0 [40.0, 60.0]", "3", "45.0 (+5.0)^1"),
        ("toy-det", "standard[epochs=1]", "100 %", "resnet50", "20.0", "1", "–"),
        ("toy-seg", "standard", "100 %", "resnet50", "70.0", "1", "–"),
        ("toy-det", "published", "100 %", "resnet50", "–", "–", "70.0^1"),
    ]
    assert table[1][-3:] == ["cccccccc", "0.1.0", "overlaps"]


def test_the_seeds_are_those_of_the_number_beside_them() -> None:
    records = [make_record(score=0.3, fraction=0.1, seed=seed) for seed in (0, 1, 2)] + [make_record(score=0.5)]
    (table,) = tables_of(page(*records))
    rows = [(row[2], row[7]) for row in table[1:] if row[1] == "standard"]
    assert rows == [("10 %", "3"), ("100 %", "1")]


def test_a_reported_figure_of_another_metric_stands_beside_our_number() -> None:
    losses = [replace(FIGURE, metric="loss", value=0.3, fraction=fraction) for fraction in (0.1, 1.0)]
    apart = replace(losses[0], comparable=False, note="other data", source="Another, Table 2")
    specs = Specs({"toy-det": make_task(reported=(*losses, apart))}, {"mgca": METHOD})
    records = [
        make_record(score=0.5, fraction=fraction, metrics={"loss": loss}) for fraction, loss in ((0.1, 0.4), (1.0, 0.2))
    ]
    (table,) = tables_of(page(*records, specs=specs))
    rows = [(row[2], row[4], row[5], row[7], row[8], row[9]) for row in table[1:] if row[4] == "Loss"]
    assert rows == [
        ("10 %", "Loss", "40.0", "1", "–", "30.0 (+10.0)^1; 30.0^2,3,4"),  # of a fraction without a place
        ("100 %", "Loss", "20.0", "1", "1", "30.0 (-10.0)^1"),
    ]


def test_a_figure_of_another_reading_has_no_number_of_ours() -> None:
    specs = Specs({"toy-det": make_task(reported=(replace(FIGURE, metric="loss", metric_title="Other loss"),))})
    (table,) = tables_of(page(make_record(score=0.5, metrics={"loss": 0.2}), specs=specs))
    assert [row[5] for row in table[1:] if row[4] == "Other loss"] == ["–"]


def test_phantoms_and_older_versions_stand_in_sections_of_their_own() -> None:
    text = page(make_record(score=0.5), make_record(score=0.9, phantom=True), make_record(score=0.8, task_version=1))
    before, rest = text.split("## Set aside")
    aside, phantom = rest.split("## Phantom")
    assert "50.0" in before and "80.0" not in before and "90.0" not in before
    assert "80.0" in aside and "standard, v1" in aside and "90.0" in phantom and "Generated data" in phantom


def test_a_method_whose_plugin_is_gone_has_a_page() -> None:
    text = page(make_record("gone"), method="gone")
    assert "its plugin is not installed" in text and "undeclared" in text


def test_a_variant_with_pretraining_data_of_its_own_says_so() -> None:
    own = replace(METHOD.variants[0], title="ResNet-50", pretrained_on=("other",))
    text = page(make_record(), specs=Specs(TASKS, {"mgca": replace(METHOD, variants=(own,))}))
    assert "- Variants: resnet50 (ResNet-50, pretrained on other)" in text
    assert tables_of(text)[0][1][-1] == "clean"


def test_an_open_family_does_not_list_every_variant() -> None:
    variants = tuple(
        MethodVariant(id=f"v{index}", title="", checkpoint=None, capabilities=frozenset()) for index in range(60)
    )
    text = page(make_record(), specs=Specs(TASKS, {"mgca": replace(METHOD, variants=variants)}))
    assert "and 20 more" in text


@pytest.mark.parametrize("name", ["toy-det", "readme", "../toy-det", "README"])
def test_no_methods_page_stands_in_the_place_of_another(name: str) -> None:
    pages = build_pages([make_record(name), make_record("mgca")], SPECS)
    assert len(pages) == len({path.lower() for path in pages}) == 4
    assert [path for path in pages if path.count("/") > 1 or ".." in path.split("/")] == []


def test_the_overview_links_every_page_and_each_links_back() -> None:
    pages = build_pages([make_record(), make_record("medst", 0.4, task="toy-seg")], SPECS)
    for path in pages:
        assert path == "README.md" or f"]({path})" in pages["README.md"]
    assert "](../README.md)" in pages["methods/mgca.md"] and "](README.md)" in pages["toy-det.md"]
