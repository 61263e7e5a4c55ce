"""The page by keyboard, for readers who do not see it, in both themes, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TASK = "#table=chexpert-linear"
AUDIT = """() => {
    const found = [];
    const name = node => (node.getAttribute('aria-label') ?? '') + (node.labels?.[0]?.textContent ?? '') + node.textContent;
    for (const node of document.querySelectorAll('button, a, select, input, summary')) {
        if (node.offsetParent && !name(node).trim()) found.push('no name: ' + node.outerHTML.slice(0, 80));
    }
    let level = 0;
    for (const head of document.querySelectorAll('h1, h2, h3, h4')) {
        if (!head.checkVisibility()) continue;
        const next = Number(head.tagName[1]);
        if (next > level + 1) found.push('heading jumps: ' + head.outerHTML.slice(0, 80));
        level = next;
    }
    const ids = [...document.querySelectorAll('[id]')].map(node => node.id);
    if (new Set(ids).size !== ids.length) found.push('an id stands twice');
    for (const node of document.querySelectorAll('[aria-labelledby]')) {
        const label = document.getElementById(node.getAttribute('aria-labelledby'));
        if (node.checkVisibility() && !label) found.push('labelled by nothing');
    }
    for (const node of document.querySelectorAll('[tabindex]')) if (node.tabIndex > 0) found.push('positive tabindex');
    for (const image of document.images) if (!image.alt) found.push('a picture without words');
    for (const table of document.querySelectorAll('table')) if (!table.caption) found.push('a table without caption');
    for (const cell of document.querySelectorAll('thead th')) if (!cell.scope) found.push('a head without scope');
    for (const node of document.querySelectorAll('.scroller')) if (node.tabIndex !== 0) found.push('no scrolling by keyboard');
    return found;
}"""
SMALL = """[...document.querySelectorAll('body *')]
    .filter(node => node.checkVisibility() && parseFloat(getComputedStyle(node).fontSize) < 10).length"""
CONTRAST = """() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = node => {
        for (let one = node; one; one = one.parentElement) {
            const colour = rgba(getComputedStyle(one).backgroundColor);
            if (colour[3] > 250) return colour;
        }
        return [255, 255, 255, 255];
    };
    const found = [];
    for (const node of document.querySelectorAll('body *')) {
        const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.checkVisibility() || node.closest('svg, script, noscript, .unseen, .skip')) continue;
        const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 90)}`);
    }
    return found;
}"""


@pytest.mark.parametrize("address", ["", TASK, "#table=rsna-det", "#table=mimic-zeroshot", "#data=phantom"])
def test_names_headings_and_tables_are_in_order(show: Callable[..., Any], address: str) -> None:
    page = show(address=address)
    assert page.evaluate(AUDIT) == []
    assert page.locator("html").get_attribute("lang") == "en"
    assert [page.locator(mark).count() for mark in ("main", "nav", "body > header", "body > footer", "h1", "h2")] == [
        1
    ] * 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["", TASK, "#table=rsna-det"])
def test_text_stands_out_from_its_ground(show: Callable[..., Any], scheme: str, address: str) -> None:
    page = show(address=address, color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []
    if address == TASK:
        page.locator("button.value").first.click()
        assert page.evaluate(CONTRAST) == []


def test_the_theme_is_chosen_and_kept(show: Callable[..., Any]) -> None:
    page = show(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) == light
    page.click("#theme")
    dark = page.evaluate(ground)
    assert dark != light
    assert page.locator("#theme").inner_text() == "Theme: dark"
    page.reload()
    assert page.evaluate(ground) == dark


def test_the_keyboard_reaches_the_results(show: Callable[..., Any]) -> None:
    page = show(address=TASK)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    assert page.locator("#skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator("h2").inner_text() == "CheXpert, linear probe"
    seen = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.dataset.sort || document.activeElement.className"
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    assert {"row-filter", "rank", "method", "c0", "value tied"} <= seen


def test_sections_are_reached_by_link(show: Callable[..., Any]) -> None:
    page = show(address=TASK)
    page.fill("#row-filter", "mgca")
    page.get_by_role("link", name="Groups").click()
    assert page.evaluate("document.activeElement.id") == "h-groups"
    assert page.locator("#row-filter").input_value() == "mgca"
    assert page.evaluate("scrollY") > 300


@pytest.mark.parametrize("address", ["", TASK, "#table=rsna-det"])
def test_no_width_scrolls_the_page_sideways(show: Callable[..., Any], address: str) -> None:
    page = show(address=address)
    for width in (360, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(SMALL) == 0


def test_the_menu_of_a_phone_closes_after_a_choice(show: Callable[..., Any]) -> None:
    page = show(width=390, height=844)
    assert not page.locator("#task-search").is_visible()
    page.click(".menu summary")
    page.locator("#nav li a").nth(2).click()
    assert not page.locator("#task-search").is_visible()
    assert page.locator("h2").inner_text() == "RSNA pneumonia, detection"


def test_heads_and_names_stay_when_a_table_is_scrolled(show: Callable[..., Any]) -> None:
    page = show(address=TASK, width=390, height=844)
    box = page.locator("#at-results .scroller")
    before = page.locator("tr.method th.method").first.bounding_box()["x"]
    box.evaluate("node => { node.scrollLeft = 200; node.scrollTop = 150 }")
    assert page.locator("tr.method th.method").first.bounding_box()["x"] == pytest.approx(before, abs=1)
    assert page.locator("#at-results thead").bounding_box()["y"] == pytest.approx(box.bounding_box()["y"], abs=2)


def test_paper_has_no_controls(show: Callable[..., Any]) -> None:
    page = show(address=TASK)
    page.emulate_media(media="print")
    for control in ("#nav", "#theme", ".filters", ".jumps"):
        assert not page.locator(control).is_visible()
    assert page.locator("#at-results table").is_visible()
