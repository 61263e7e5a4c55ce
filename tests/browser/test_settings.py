"""The controls say what the address says, and a link to a task holds none of the settings of another moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CHEXPERT = "#table=chexpert-linear"


def test_controls_follow_the_address(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    settings = "&q=mgca&pretraining=overlaps&kinds=reported&hide=1&metric=1&group=1&examples=1"
    page.evaluate("address => { location.hash = address }", CHEXPERT + settings)
    assert page.locator("#row-filter").input_value() == "mgca"
    chosen = {"pretraining": "overlaps", "metric": "1", "by": "1", "method": "1"}
    for name, value in chosen.items():
        assert page.locator(f"#select-{name}").input_value() == value
    page.click(".metrics summary")
    boxes = page.locator(".filters input[type=checkbox]")
    assert [box.is_checked() for box in boxes.all()] == [True, False, True, True, False, True]
    page.evaluate("address => { location.hash = address }", CHEXPERT)
    assert page.locator("#row-filter").input_value() == ""
    assert all(box.is_checked() for box in boxes.all())
    assert [page.locator(f"#select-{name}").input_value() for name in chosen] == ["", "0", "0", "0"]


def test_the_cursor_stays_where_one_types(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    page.fill("#row-filter", "mgca")
    page.locator("#row-filter").press("Home")
    page.keyboard.type("ti")
    assert page.locator("#row-filter").input_value() == "timgca"


def test_a_link_to_a_task_opens_it_unfiltered(show: Callable[..., Any]) -> None:
    whole = show().locator("#nav li a").first.get_attribute("href")
    page = show(address=f"{whole}&q=nothing&hide=1&sort=-c1")
    links = page.locator("#nav a.task").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert not any(name in link for link in links for name in ("q=", "hide=", "sort="))
    page.locator("#nav a[aria-current=page]").click()
    assert page.locator("#row-filter").input_value() == ""
    assert page.locator("tr.method").count() == 9


def test_a_sort_that_is_no_column_is_by_rank(show: Callable[..., Any]) -> None:
    page = show(address=f"{CHEXPERT}&sort=constructor")
    page.fill("#row-filter", "medst")
    assert page.locator("tr.method").count() == 2
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("#")
