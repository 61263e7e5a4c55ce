"""The page shows the payload's numbers, sorts, filters, switches and links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medbench.leaderboard.text import percent, plain
from medbench.report.payload import LineView, TableView, Value
from tests.browser import payloads

CHEXPERT = "#table=chexpert-linear"


@pytest.fixture(scope="module")
def table() -> TableView:
    return payloads.rich().tables[0]


def methods_shown(page: Any) -> list[str]:
    return page.locator("tbody tr.method th > .name").all_text_contents()


def methods(table: TableView) -> list[LineView]:
    return [line for line in table.lines if line.kind == "method"]


def value_of(line: LineView, column: int) -> float:
    cell = line.cells[column]
    assert cell is not None and cell.value is not None
    return cell.value


def test_every_cell_shows_the_digits_of_the_payload(show: Callable[..., Any], table: TableView) -> None:
    page = show(address=CHEXPERT)
    rows = page.locator("section#at-results tbody tr:not(.part)")
    assert rows.count() == len(table.lines)
    shown = rows.evaluate_all(
        """rows => rows.map(row => [...row.querySelectorAll('td.number')].map(cell => ['.value', '.deviation', '.spread']
           .map(part => cell.querySelector(part)?.textContent ?? '')))"""
    )
    ordered = [*methods(table), *(line for kind in ("reported", "floor") for line in table.lines if line.kind == kind)]
    for line, cells in zip(ordered, shown, strict=True):
        for cell, parts in zip(line.cells, cells, strict=False):
            assert parts == printed(cell), line.name


def printed(cell: Value | None) -> list[str]:
    if cell is None:
        return ["", "", ""]
    spread = "" if cell.low is None or cell.high is None else f"[{percent(cell.low)}, {percent(cell.high)}]"
    if cell.difference is not None:
        spread = f"ours +{percent(cell.difference)}"
    return [cell.text, "" if cell.deviation is None else f"±{percent(cell.deviation)}", spread]


def test_numbers_are_rounded_as_python_rounds_them(show: Callable[..., Any]) -> None:
    values = [
        0.1225,
        0.12250001,
        0.8125,
        0.005,
        0.0005,
        -0.0001,
        1.0,
        0.33333,
        0.0025,
        0.0075,
        12.25,
        12.75,
        1234.5,
        987654.25,
        -3.25,
        1.125,
        0.03125,
        0.09375,
        9.996,
        -9.9951,
        3.0,
        0.00012345,
        0.00009999,
        -0.00003125,
        1.5e-12,
        0.0,
        -0.0,
    ]
    page = show()
    assert page.evaluate("values => values.map(value => report.base.format(value))", values) == [
        percent(v) for v in values
    ]
    assert page.evaluate("values => values.map(value => report.base.format(value, 'plain'))", values) == [
        plain(v) for v in values
    ]


def test_a_head_sorts_by_mouse_and_by_keyboard(show: Callable[..., Any], table: TableView) -> None:
    page = show(address=CHEXPERT)
    by_rank = [line.name for line in methods(table)]
    assert methods_shown(page) == by_rank
    assert page.locator("th[aria-sort='ascending']").inner_text().startswith("#")

    page.click("[data-sort=c0]")
    expected = sorted(methods(table), key=lambda line: -value_of(line, 0))
    assert methods_shown(page) == [line.name for line in expected] != by_rank
    assert page.locator("[data-sort=c0]").locator("..").get_attribute("aria-sort") == "descending"

    page.keyboard.press("Enter")
    assert methods_shown(page) == [line.name for line in reversed(expected)]
    assert page.locator("[aria-sort=ascending]").count() == 1
    assert "ascending" in page.locator("#status").inner_text()

    page.click("[data-sort=method]")
    assert methods_shown(page) == sorted(by_rank)


def test_filters_leave_what_fits(show: Callable[..., Any], table: TableView) -> None:
    page = show(address=CHEXPERT)
    page.fill("#row-filter", "medst")
    assert set(methods_shown(page)) == {"medst@vit-b16", "medst@resnet50"}
    page.fill("#row-filter", "nothing like it")
    assert page.locator(".empty").is_visible()
    page.fill("#row-filter", "")
    page.get_by_label("Pretraining", exact=True).select_option("overlaps")
    assert methods_shown(page) == [line.name for line in methods(table) if line.contamination == "overlaps"]
    page.get_by_label("Floors and ceilings").uncheck()
    assert page.locator("tr.floor").count() == 0
    before = page.locator("section#at-results thead [data-sort^=c]").count()
    page.click(".metrics summary")
    page.locator(".metrics").get_by_label("F1").uncheck()
    assert page.locator("section#at-results thead [data-sort^=c]").count() == before - 1


def test_an_address_opens_the_same_view(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    page.click("[data-sort=c1]")
    page.fill("#row-filter", "mgca")
    address = page.evaluate("location.hash")
    again = show(address=address)
    assert methods_shown(again) == methods_shown(page)
    assert again.locator("#row-filter").input_value() == "mgca"
    assert show(address="#table=no-such-task").locator("h2").inner_text() == "Overview"


def test_a_press_on_a_number_shows_its_records_and_escape_returns(show: Callable[..., Any], table: TableView) -> None:
    page = show(address=CHEXPERT)
    number = page.locator("button.value").first
    number.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#details")
    assert dialog.is_visible()
    cell = methods(table)[0].cells[0]
    assert cell is not None
    record = payloads.rich().records[cell.records[0]]
    text = dialog.inner_text()
    value, low, high = record.metrics["auroc"]
    assert value is not None and low is not None and high is not None
    for expected in (
        record.key,
        record.checkpoint,
        record.manifest,
        "NVIDIA H100",
        "optimizer.lr",
        "2.11.0",
        repr(value),
    ):
        assert expected in text
    assert f"[{percent(low)}, {percent(high)}]" in text
    assert dialog.locator("details.record").count() == len(cell.records)
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert number.evaluate("node => node === document.activeElement")


def test_the_key_can_be_copied(show: Callable[..., Any]) -> None:
    page = show(address=CHEXPERT)
    page.locator("button.value").first.click()
    page.get_by_text("Copy key").first.click()
    page.get_by_text("Copied", exact=True).first.wait_for()


def test_generated_data_stand_apart_behind_a_banner(show: Callable[..., Any]) -> None:
    page = show()
    assert page.locator(".banner").count() == 0
    assert "7 tasks" in page.locator("#counts").inner_text()
    page.locator("#data-switch input[value=phantom]").check(force=True)
    assert "Generated data" in page.locator(".banner").inner_text()
    assert page.locator("table.tasks tbody tr").count() == 1
    assert "1 task ·" in page.locator("#counts").inner_text()
    page.locator("table.tasks tbody a").first.click()
    assert "phantom" in page.evaluate("location.hash")
    assert "Generated data" in page.locator(".banner").inner_text()


def test_the_overview_has_a_row_a_task_and_search_finds_them(show: Callable[..., Any]) -> None:
    page = show()
    rich = [one for one in payloads.rich().tables if not one.phantom and not one.set_aside]
    assert page.locator("table.tasks tbody tr").count() == len({one.task for one in rich})
    assert page.locator("table.tasks .value").first.inner_text() == value_text(rich[0])
    page.fill("#task-search", "grounding")
    assert page.locator("#nav li:visible").count() == 1
    page.locator("#nav li:visible a").click()
    assert page.locator("h2").inner_text() == "MS-CXR, phrase grounding"
    page.go_back()
    assert page.locator("h2").inner_text() == "Overview"


def value_text(table: TableView) -> str:
    assert table.ranking is not None
    best = next(line for line in table.lines if line.rank == 1)
    cell = best.cells[table.ranking]
    assert cell is not None
    return cell.text


def test_ten_thousand_records_open(show: Callable[..., Any]) -> None:
    page = show("large")
    assert "10,0" in page.locator("#counts").inner_text()
    page.locator("table.tasks a").first.click()
    assert page.locator("tr.method").count() == 100
    page.click("[data-sort=method]")
    page.get_by_text("Show 100 more of 1000").click()
    assert page.locator("tr.method").count() == 200
    page.fill("#row-filter", "method-0777")
    assert methods_shown(page) == ["method-0777"]


def test_without_records_the_page_says_so(show: Callable[..., Any]) -> None:
    page = show("empty")
    assert "There is no record in results." in page.locator(".banner").inner_text()
    assert "No record yet." in page.locator("main").inner_text()
