"""The figures that papers print for a task: a table a source, metrics and fractions side by side, notes beneath."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from generate.writing import code, escape, fraction_name, numbered, percent_text, table
from medbench.leaderboard.text import Footnotes
from medbench.specs import MetricSpec, ReportedResult, TaskSpec

_APART = "Not set off against ours."


def reported_part(spec: TaskSpec) -> list[str]:
    """The section, empty where nothing is reported: a table a source and recipe, in the order of the spec."""
    if not spec.reported:
        return []
    groups: defaultdict[tuple[str, str], list[ReportedResult]] = defaultdict(list)
    for one in spec.reported:
        groups[one.source, one.recipe].append(one)
    parts = [
        "## Reported",
        "Figures that papers print, with where they stand. Shares are in percent. They never rank.",
    ]
    before = ""
    for (source, recipe), figures in groups.items():
        if source != before:
            parts.append(f"### {escape(source)}")
        before = source
        parts += _group(recipe, figures, {one.name: one for one in spec.metrics})
    return parts


def _group(recipe: str, figures: Sequence[ReportedResult], known: Mapping[str, MetricSpec]) -> list[str]:
    """A column a metric and fraction. A note that all share stands beneath as it is; others have numbers."""
    titles = list(dict.fromkeys(_title(one, known) for one in figures))
    fractions = sorted({one.fraction for one in figures})
    columns = [(title, at) for title in titles for at in fractions]
    notes = {_note(one) for one in figures}
    shared = notes.pop() if len(notes) == 1 else ""
    footnotes = Footnotes()
    cells: defaultdict[str, dict[tuple[str, float], str]] = defaultdict(dict)
    for one in figures:
        mark = "" if shared or not _note(one) else f" <sup>{footnotes.number(_note(one))}</sup>"
        cells[one.method][_title(one, known), one.fraction] = _value(one, known) + mark
    rows = [(escape(method), *(row.get(column, "–") for column in columns)) for method, row in cells.items()]
    lead = f"Recipe {code(recipe)}"
    if len(titles) == 1:
        lead, header = f"{escape(titles[0])}, recipe {code(recipe)}", [fraction_name(at) for _, at in columns]
    elif len(fractions) == 1:
        lead, header = f"{lead}, {fraction_name(fractions[0])} of the data", [escape(title) for title, _ in columns]
    else:
        header = [f"{escape(title)}, {fraction_name(at)}" for title, at in columns]
    beneath = [escape(shared), numbered(escape(one) for one in footnotes.lines())]
    return [f"{lead}:", table(("method", *header), rows), *beneath]


def _value(one: ReportedResult, known: Mapping[str, MetricSpec]) -> str:
    unit = known[one.metric].unit if one.metric in known else "percent"
    value = percent_text(one.value, unit)
    return value if one.deviation is None else f"{value} ± {percent_text(one.deviation, unit)}"


def _note(one: ReportedResult) -> str:
    return " ".join(part for part in (one.note, "" if one.comparable else _APART) if part)


def _title(one: ReportedResult, known: Mapping[str, MetricSpec]) -> str:
    return one.metric_title or (known[one.metric].title if one.metric in known else one.metric)
