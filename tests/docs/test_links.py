"""Links of the written pages lead somewhere; so do those of the generated ones (`mkdocs build --strict`, tox's docs)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT, anchors, inline_links, name_of, written_pages

DOCS = ROOT / "docs"
GENERATED = ("reference/methods/", "reference/datasets/", "reference/tasks/", "reference/api/", "reference/commands.md")


@pytest.mark.parametrize("page", written_pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for line, target in inline_links(page):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        place = (page.parent / path).resolve() if path else page
        if place.is_relative_to(DOCS) and place.relative_to(DOCS).as_posix().startswith(GENERATED):
            continue
        if not place.exists():
            wrong.append(f"line {line}: no {target}")
        elif anchor and anchor not in anchors(place):
            wrong.append(f"line {line}: no heading #{anchor} in {name_of(place)}")
    assert not wrong, "\n".join(wrong)


def test_every_page_stands_in_the_navigation_and_the_navigation_names_no_other() -> None:
    listed = set(_entries(yaml.load(_without_tags(ROOT / "mkdocs.yml"), yaml.SafeLoader)["nav"]))
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert {one for one in listed if not one.startswith(GENERATED)} == written


def _entries(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ()
    return [entry for part in parts for entry in _entries(part)]


def _without_tags(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace("!!python/name:", "")
