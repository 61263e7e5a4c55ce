"""What travels with the page is what its authors published, and the file holds nothing that could run by itself."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files

from medbench.report.page import LIBRARIES, SCRIPTS, STYLES, embedded, render
from tests.browser import payloads

ASSETS = files("medbench.report") / "assets"


def test_the_bundled_libraries_are_the_published_ones() -> None:
    rows = re.findall(
        r"^\| (\S+\.js) \| (\S+) \| (\S+) \| (\w+) .*\| ([0-9a-f]{64}) \|$", (ASSETS / "VENDORED.md").read_text(), re.M
    )
    assert {row[0] for row in rows} == set(LIBRARIES)
    for name, _, version, licence, digest in rows:
        content = (ASSETS / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert version in content[:200].decode()
        assert licence == "ISC"
        assert "Permission to use" in (ASSETS / f"{name.split('.')[0]}.LICENSE").read_text()


def test_every_asset_is_used_and_none_can_end_its_own_element() -> None:
    names = {path.name for path in ASSETS.iterdir() if path.name.endswith((".js", ".css"))}
    assert names == {*LIBRARIES, *SCRIPTS, *STYLES}
    for name in names:
        text = (ASSETS / name).read_text()
        assert not re.search(r"</(script|style)|<!--", text, re.I), name
    own = "".join((ASSETS / name).read_text() for name in SCRIPTS)
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "fetch(",
        "import(",
    ):
        assert way not in own


def test_the_payload_comes_back_as_it_went_in() -> None:
    payload = payloads.hostile()
    text = embedded(payload)
    assert not set(text) & set("<>&\u2028\u2029")
    assert [table["title"] for table in json.loads(text)["tables"]] == list(payloads.HOSTILE)
    page = render(payload)
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.S)
    assert found is not None
    assert found[1] == text


def test_the_policy_names_every_script_and_allows_no_request() -> None:
    page = render(payloads.hostile())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert len(rules["script-src"].split()) == len(LIBRARIES) + len(SCRIPTS) == page.count("<script>")
    assert "unsafe" not in rules["script-src"]
    assert {"connect-src", "font-src", "frame-src"}.isdisjoint(rules)
    assert not re.findall(r"<(?:link|script|img|iframe)[^>]+(?:src|href)=\"(?!data:)", page)


def test_the_same_payload_gives_the_same_bytes() -> None:
    assert render(payloads.rich()) == render(payloads.rich())
