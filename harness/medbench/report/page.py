"""One self-contained HTML file from a payload: styles, scripts, the chart library and the data, and no network."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files

import msgspec

from medbench.leaderboard.text import clean
from medbench.report.payload import Payload

STYLES = ("report.css", "report-table.css", "report-figures.css", "report-details.css")
LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = (
    "report-base.js",
    "report-state.js",
    "report-header.js",
    "report-nav.js",
    "report-details.js",
    "report-overview.js",
    "report-filters.js",
    "report-rows.js",
    "report-table.js",
    "report-series.js",
    "report-dots.js",
    "report-curves.js",
    "report-groups.js",
    "report-diagram.js",
    "report-picture.js",
    "report-examples.js",
    "report-main.js",
)
"""In the order in which they need each other."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(payload: Payload) -> str:
    """The page. Its policy forbids every request, and every script but those that are written here."""
    scripts = [_asset(name) for name in (*LIBRARIES, *SCRIPTS)]
    parts = {
        "policy": _policy(scripts),
        "medbench": html.escape(clean(payload.medbench)),
        "title": html.escape(clean(payload.title)),
        "style": "\n".join(_asset(name) for name in STYLES),
        "payload": embedded(payload),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    # One pass: what is put in is not looked through for further names.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("report.html"))


def embedded(payload: Payload) -> str:
    """The payload as JSON that holds nothing with a meaning in HTML or JavaScript."""
    text = msgspec.json.encode(payload).decode()
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def _asset(name: str) -> str:
    return (files("medbench.report") / "assets" / name).read_text(encoding="utf-8")


def _policy(scripts: list[str]) -> str:
    """Scripts by their hash; styles inline, since charts set them on single elements; pictures from the file itself."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
