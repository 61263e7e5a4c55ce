"""Charts, diagrams, examples and hostile names in a real browser; the screenshots."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser import payloads

VIEWS = {
    "overview": "",
    "task": "#table=chexpert-linear",
    "boxes": "#table=rsna-det",
    "masks": "#table=siim-seg",
}


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the screenshots go: MEDBENCH_SCREENSHOTS, or a temporary folder."""
    chosen = os.environ.get("MEDBENCH_SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settle(page: Any) -> None:
    """Waits until charts are measured and pictures decoded, those below the fold too."""
    page.evaluate(
        """async () => {
            for (const image of document.images) image.loading = 'eager';
            await Promise.all([...document.images].map(image => image.decode()));
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width"), [("desktop", 1280), ("phone", 390)])
def test_screenshots(show: Callable[..., Any], shots: Path, device: str, width: int, scheme: str) -> None:
    page = show(width=width, height=844, color_scheme=scheme)
    for name, address in VIEWS.items():
        page.evaluate("address => { location.hash = address }", address)
        settle(page)
        path = shots / f"{name}-{device}-{scheme}.png"
        page.screenshot(path=str(path), full_page=True)
        assert path.stat().st_size > 10_000
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("location.hash = '#table=chexpert-linear'")
    page.locator("button.value").first.click()
    page.screenshot(path=str(shots / f"details-{device}-{scheme}.png"))


def test_curves_are_drawn_and_their_key_switches_them(show: Callable[..., Any]) -> None:
    page = show(address="#table=chexpert-linear")
    chart = page.locator("#at-chart .chart svg").first
    assert chart.get_attribute("aria-label") == "AUROC over the share of the training data"
    lines = chart.locator("g[aria-label=line] path")
    before = lines.count()
    key = page.locator("#at-chart .key-item").first
    key.focus()
    page.keyboard.press("Space")
    assert key.get_attribute("aria-pressed") == "false"
    assert lines.count() == before - 1
    page.locator("#at-chart select").select_option("1")
    assert (
        page.locator("#at-chart .chart g[aria-label=dot] path, #at-chart .chart g[aria-label=dot] circle").count() == 9
    )


def test_groups_have_a_dot_a_method_and_a_table(show: Callable[..., Any]) -> None:
    view = payloads.rich().tables[0].groups[0]
    page = show(address="#table=chexpert-linear")
    dots = page.locator("#at-groups .chart g[aria-label=dot]").evaluate_all(
        "all => all.reduce((sum, one) => sum + one.children.length, 0)"
    )
    assert dots == len(view.methods) * len(view.groups)
    page.click("#at-groups .numbers summary")
    shown = page.locator("#at-groups td .value").all_text_contents()
    assert shown == [row[column].text for column in range(len(view.groups)) for row in view.values]  # type: ignore[union-attr]
    page.locator("#at-groups select").select_option("1")
    assert page.locator("#at-groups table caption").text_content() == "AUROC by sex"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_diagram_joins_what_is_not_told_apart_and_says_it_in_words(show: Callable[..., Any], width: int) -> None:
    diagram = payloads.rich().diagrams[0]
    page = show(width=width)
    assert page.locator(".cd .clique").count() == len(diagram.cliques)
    assert "CD 4.54" in page.locator(".cd").text_content()
    page.click(".ranks .numbers summary")
    words = page.locator(".ranks .numbers").inner_text()
    for method, rank in zip(diagram.methods, diagram.mean_ranks, strict=True):
        assert method in words
        assert f"{rank:.2f}" in words
    assert "p < 0.001" in page.locator(".ranks figcaption").inner_text()


def test_examples_stand_right_beside_wrong_with_boxes_that_can_be_hidden(show: Callable[..., Any]) -> None:
    page = show(address="#table=rsna-det")
    sides = page.locator(".side")
    assert [side.get_attribute("data-side") for side in sides.all()] == ["right", "wrong"]
    right, wrong = (side.bounding_box() for side in sides.all())
    assert right["x"] + right["width"] <= wrong["x"]
    assert right["y"] == wrong["y"]
    stage = page.locator(".stage").first
    edge = stage.locator(".truth .edge").bounding_box()
    frame = stage.bounding_box()
    box = payloads.rich().tables[2].examples[0].truth.boxes[0]  # type: ignore[index]
    assert (edge["x"] - frame["x"]) / frame["width"] == pytest.approx(box.x, abs=0.02)
    assert edge["height"] / frame["height"] == pytest.approx(box.height, abs=0.03)
    page.get_by_label("Truth").uncheck()
    assert not stage.locator(".truth .edge").is_visible()
    assert stage.locator(".answer .edge").is_visible()
    before = page.locator(".side[data-side=right] .example").count()
    page.locator(".side[data-side=right] .more").click()
    assert page.locator(".side[data-side=right] .example").count() == before + 2


def test_overlays_fade_and_pictures_are_drawn(show: Callable[..., Any]) -> None:
    page = show(address="#table=siim-seg")
    settle(page)
    assert all(page.evaluate("[...document.images].map(image => image.naturalWidth > 0)"))
    page.get_by_label("Opacity").fill("0.2")
    assert page.locator(".overlay").first.evaluate("node => getComputedStyle(node).opacity") == "0.2"


def test_texts_keep_their_lines_and_restricted_data_say_why_they_are_absent(show: Callable[..., Any]) -> None:
    page = show(address="#table=iu-report")
    assert "\n" in page.locator(".example .prose").nth(2).inner_text()
    assert payloads.RESTRICTED in show(address="#table=mimic-zeroshot").locator("#at-examples").inner_text()


def test_hostile_names_are_text_and_break_no_layout(show: Callable[..., Any]) -> None:
    page = show("hostile", width=360, height=800)
    links = page.locator("table.tasks tbody a")
    total = links.count()
    assert total == len(payloads.HOSTILE)
    for index in range(total):
        links.nth(index).click()
        assert page.locator("#at-results").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.locator("#at-results button.value").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.keyboard.press("Escape")
        page.evaluate("location.hash = ''")
    assert page.locator("img[src^=javascript], img[onerror], main script").count() == 0
    assert page.evaluate("({}).x") is None
