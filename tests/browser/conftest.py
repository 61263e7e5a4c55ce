"""Debian's Chromium, driven by Playwright; skipped where there is none, failed where the checks must be complete (CI)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from medbench.report.page import render
from medbench.report.payload import Payload
from tests.browser import payloads

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class View:
    """A page and what it did that a report must not do."""

    page: Any
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests of a process."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        _absent("no Chromium on the PATH: the report page is not looked at (apt-get install chromium)")
    if find_spec("playwright") is None:
        _absent("playwright is not installed: the report page is not looked at (pip install playwright)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


def _absent(message: str) -> None:
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The path of a rendered page of that name; each is made once."""
    folder = tmp_path_factory.mktemp("pages")

    def file(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(render(made(name)), encoding="utf-8")
        return path

    return file


def made(name: str) -> Payload:
    """The payload of that name."""
    makers = (payloads.rich, payloads.hostile, payloads.large, payloads.empty, payloads.wide)
    return next(maker for maker in makers if maker.__name__ == name)()


@pytest.fixture
def show(browser: Any, files: Callable[[str], Path]) -> Iterator[Callable[..., Any]]:
    """Opens a page from its file; ends with an error where the page complained or asked for anything but itself."""
    views: list[View] = []

    def opened(name: str = "rich", address: str = "", width: int = 1280, height: int = 900, **context: Any) -> Any:
        page = browser.new_context(viewport={"width": width, "height": height}, **context).new_page()
        view = View(page)
        views.append(view)
        page.on("console", lambda message: view.complaints.append(message.text))
        page.on("pageerror", lambda error: view.complaints.append(str(error)))
        page.on("request", lambda request: _note(view, request.url))
        page.goto(f"{files(name).as_uri()}{address}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    for view in views:
        broken = view.page.evaluate("window.broken")
        view.page.context.close()
        assert not view.complaints
        assert broken is None


def _note(view: View, url: str) -> None:
    if not url.startswith(("file:", "data:")):
        view.complaints.append(f"asked for {url}")
