"""What charts, examples and heads show and say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CHEXPERT = "#table=chexpert-linear"
WIDTH = "document.documentElement.scrollWidth"


def chart_text(page: Any) -> str:
    return page.locator("#at-chart").inner_text()


def test_a_mark_in_the_last_column_does_not_widen_a_phone(show: Callable[..., Any]) -> None:
    page = show("wide", "#table=wide", width=390, height=844)
    assert page.locator("#at-results .dagger").count() == 81
    assert page.evaluate(WIDTH) <= 390


def test_heads_of_long_names_stay_low_and_say_all_when_asked(show: Callable[..., Any]) -> None:
    page = show("wide", "#table=wide", width=390, height=844)
    assert page.locator("#at-results thead").bounding_box()["height"] < 90
    assert page.locator("[data-sort=c0]").get_attribute("title").startswith("METRIC 0 AT A THRESHOLD OF")


def test_a_line_goes_by_fraction_whatever_the_order_of_the_columns(show: Callable[..., Any]) -> None:
    page = show("wide", "#table=curve")
    line = page.locator(
        "#at-chart g[aria-label=line] path[stroke-dasharray='1,4'], #at-chart g[stroke-dasharray='1,4'] path"
    )
    places = [float(part.split(",")[0]) for part in line.first.get_attribute("d").lstrip("M").split("L")]
    assert len(places) == 3
    assert places == sorted(places)


def test_reported_figures_are_told_from_our_own_and_come_after_them(show: Callable[..., Any]) -> None:
    page = show("wide", "#table=curve")
    names = page.locator("#at-chart .key-item").all_inner_texts()
    assert names == ["mgca@resnet50", "Theirs, reported"]
    colours = [one.get_attribute("stroke") for one in page.locator("#at-chart .key-item path:first-child").all()]
    assert colours == ["var(--blue)", "var(--quiet)"]
    said = chart_text(page)
    assert "Dotted grey, with hollow points: reported by a paper." in said
    assert "Dashed" not in said  # there is no floor


def test_figures_that_may_not_be_compared_are_in_no_chart(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    assert "Theirs" in page.locator("#at-results").inner_text()
    assert page.locator("#at-chart .key-item").filter(has_text="Theirs").count() == 0
    assert "Not drawn, as not comparable: reported figures of 1 row." in chart_text(page)
    ticks = page.locator("#at-chart g[aria-label='y-axis tick label'] text").all_text_contents()
    assert min(map(float, ticks)) > 30  # theirs is 9.0


def test_captions_name_what_is_drawn(show: Callable[..., Any]) -> None:
    assert "Dashed grey, without points: trivial answers." in chart_text(show(address=CHEXPERT))
    assert "Dashed: trivial answers and ceilings." in chart_text(show(address="#table=temporal"))


def test_on_a_phone_floors_are_named_under_the_chart(show: Callable[..., Any]) -> None:
    page = show(address="#table=siim-seg", width=390, height=844)
    assert "prevalence" not in page.locator("#at-chart svg").first.text_content()
    assert page.locator("#at-chart .dashed").inner_text() == "Dashed: prevalence 50.0."


@pytest.mark.parametrize(
    ("task", "titles"),
    [
        ("rsna-det", ["Right", "Wrong"]),
        ("siim-seg", ["Better half", "Other half"]),
        ("iu-report", ["Better half", "Other half"]),
    ],
)
def test_sides_are_named_by_what_the_protocol_knows(show: Callable[..., Any], task: str, titles: list[str]) -> None:
    heads = show(address=f"#table={task}").locator(".side h4").all_inner_texts()
    assert [head.split(" ")[0] for head in heads] == [title.split(" ")[0] for title in titles]


def test_the_rows_of_both_sides_lie_beside_each_other(show: Callable[..., Any]) -> None:
    page = show(address="#table=rsna-det")
    tops = [
        [card.bounding_box()["y"] for card in page.locator(f".side[data-side={side}] .example").all()]
        for side in ("right", "wrong")
    ]
    assert tops[0] == tops[1]
    assert len(tops[0]) == 4


def test_the_edge_of_a_mask_does_not_fade(show: Callable[..., Any]) -> None:
    page = show(address="#table=siim-seg")
    page.get_by_label("Opacity").fill("0")
    stage = page.locator(".stage").first
    opacity = "node => getComputedStyle(node).opacity"
    assert stage.locator(".truth .overlay").evaluate(opacity) == "0"
    assert stage.locator(".truth .outline").evaluate(opacity) == "1"
    assert stage.locator(".outline").count() == 2


def test_pairs_show_both_images_and_their_sentences(show: Callable[..., Any]) -> None:
    page = show(address="#table=temporal")
    example = page.locator(".example").nth(1)
    films = [film.bounding_box() for film in example.locator(".film").all()]
    assert len(films) == 2
    assert films[0]["x"] + films[0]["width"] <= films[1]["x"]
    assert [text for text in example.locator("dt").all_inner_texts() if "Text" in text] == ["Text 1", "Text 2"]
    assert "The oedema has receded." in example.inner_text()


def test_parts_say_which_trials_they_are_of(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    of = "seed 0, 100 % of the training data."
    assert page.locator("#at-groups .kept").inner_text() == f"Of kept predictions of the best 4 methods: {of}"
    assert page.locator("#at-examples .kept").inner_text() == f"Of mgca@resnet50: {of}"
    page.locator("#select-method").select_option("1")
    assert page.locator("#at-examples .kept").inner_text() == f"Of mgca@vit-b16: {of}"


def test_what_is_bold_is_said_too_and_arrows_are_not_read_out(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    cells = page.locator("#at-results td:has(.value.tied)")
    assert cells.count() > 3
    assert all("best or not significantly worse" in cell.text_content() for cell in cells.all())
    heads = page.locator("#at-results thead").aria_snapshot()
    assert not any(arrow in heads for arrow in "↕▲▼")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_light_whatever_theme_was_chosen(show: Callable[..., Any], scheme: str) -> None:
    page = show(address=CHEXPERT, color_scheme=scheme)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print", color_scheme=scheme)
    colours = "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
    assert page.locator("body").evaluate(colours) == ["rgb(23, 33, 43)", "rgb(255, 255, 255)"]
    assert page.locator("#at-results thead th").first.evaluate(colours)[1] == "rgb(255, 255, 255)"
