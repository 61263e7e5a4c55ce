"""The tables and plots of a results folder, as files in memory, from records and kept predictions alone.

The same records give the same bytes. A comparison (task, recipe, split, data; phantom apart) has a page with its CSV files and
plots; the overview is over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from medbench.leaderboard.table import Specs
from medbench.leaderboard.text import escape
from medbench.records import Record
from medbench.registry import Registry
from medbench.store import ResultStore
from medbench.tables.analyses import Findings, analyse
from medbench.tables.class_bars import GROUPING, class_plot, classes_left_out
from medbench.tables.comparisons import Comparison, find_comparisons
from medbench.tables.curves import efficiency_plot
from medbench.tables.efficiency import efficiency_csv, efficiency_section
from medbench.tables.files import stem_of
from medbench.tables.groups import GroupTable, group_table, groups_csv, groups_section
from medbench.tables.overview import build_overviews, overview_csv, overview_section
from medbench.tables.pairing import paired_csv, paired_section, paired_tests
from medbench.tables.plots import left_out_note
from medbench.tables.reliability import Reliability, reliabilities, reliability_csv
from medbench.tables.reliability_plot import reliability_plot
from medbench.tables.text import MARKDOWN_MARK, bullets, paragraphs

_PHANTOM = (
    "**Generated data.** Images or weights of these trials were drawn by `medbench phantom`. The numbers show that the "
    "machinery works; they say nothing about any method, and never stand beside real ones."
)


@dataclass(slots=True)
class Built:
    """Files by name; ``missing`` is what could not be made, ``damage`` what should be mended, one line each."""

    files: dict[str, bytes] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def build_tables_of(
    records: Sequence[Record],
    registry: Registry,
    store: ResultStore,
    *,
    plots: bool,
    tell: Callable[[str], object] = lambda line: None,
) -> Built:
    """Every file of the tables folder; whatever is missing or damaged costs its own part alone.

    ``tell`` hears which comparison is being worked on.
    """
    comparisons = find_comparisons(records, Specs(registry.tasks, registry.methods, registry.datasets))
    built = Built(missing=list(comparisons.left_out))
    for comparison in comparisons.found:
        tell(comparison.label)
        findings = analyse(comparison, store)
        built.missing += findings.missing
        built.damage += findings.damage
        built.files.update(comparison_files(comparison, findings, plots=plots))
    built.missing = list(dict.fromkeys(built.missing))
    built.files.update(_overview_files(comparisons.found))
    return built


def comparison_files(comparison: Comparison, findings: Findings, *, plots: bool) -> dict[str, bytes]:
    """The page of a comparison, with the CSV files and plots that there is anything for."""
    stem = stem_of(comparison)
    paired = paired_tests(comparison)
    groups = group_table(comparison, findings)
    reliability = reliabilities(comparison, findings)
    images = _plots(comparison, groups, reliability, stem) if plots else {}
    files = {f"{stem}-efficiency.csv": efficiency_csv(comparison), **images}
    sections = [efficiency_section(comparison), _image(f"{stem}-efficiency.png", "Label-efficiency curves", images)]
    if paired is not None:
        files[f"{stem}-paired.csv"] = paired_csv(comparison, paired)
        sections.append(paired_section(comparison, paired))
    if groups is not None:
        files[f"{stem}-groups.csv"] = groups_csv(groups)
        picture = _image(f"{stem}-classes.png", "Bars by class", images)
        sections.append(groups_section(groups, {GROUPING: picture}))
    if reliability:
        files[f"{stem}-reliability.csv"] = reliability_csv(comparison, reliability)
        sections.append(_reliability_section(stem, images))
    if images:
        sections.append(_plot_notes(comparison, groups))
    tables = [f"- [{name}]({name})" for name in sorted(files) if name.endswith(".csv")]
    sections += ["## Files", "\n".join(tables)]
    files[f"{stem}.md"] = _page(comparison, sections).encode()
    return files


def _plots(
    comparison: Comparison, groups: GroupTable | None, reliability: Sequence[Reliability], stem: str
) -> dict[str, bytes]:
    made = {
        f"{stem}-efficiency.png": efficiency_plot(comparison),
        f"{stem}-classes.png": class_plot(groups) if groups is not None else None,
        f"{stem}-reliability.png": reliability_plot(comparison, reliability),
    }
    return {name: image for name, image in made.items() if image is not None}


def _plot_notes(comparison: Comparison, groups: GroupTable | None) -> str:
    notes = [left_out_note(comparison.contenders), classes_left_out(groups) if groups is not None else ""]
    return bullets([note for note in notes if note])


def _page(comparison: Comparison, sections: Sequence[str]) -> str:
    heading, task = comparison.heading, comparison.task
    summary = (
        f"Task {escape(task.id)}, version {task.version}: dataset {escape(task.dataset)}, protocol {escape(task.protocol)}. "
        f"Recipe {escape(heading.recipe)}, split {escape(heading.split)}, data {escape(heading.data)}."
    )
    title = f"# {escape(task.title)}"
    return paragraphs(MARKDOWN_MARK, title, _PHANTOM if heading.phantom else "", summary, *sections) + "\n"


def _overview_files(comparisons: Sequence[Comparison]) -> dict[str, bytes]:
    overviews = build_overviews(comparisons)
    real = [overview_section(one) for one in overviews if not one.group.phantom]
    phantom = [overview_section(one) for one in overviews if one.group.phantom]
    links = [f"- [{escape(one.label)}]({stem_of(one)}.md)" for one in comparisons]
    page = paragraphs(
        MARKDOWN_MARK,
        "# Overview",
        *(real or ["No record on real data yet."]),
        *(["# Phantom", _PHANTOM, *phantom] if phantom else []),
        *(["# Pages", "\n".join(links)] if links else []),
    )
    files = {"overview.md": f"{page}\n".encode()}
    for name, phantom_only in (("overview.csv", False), ("overview-phantom.csv", True)):
        chosen = [one for one in overviews if one.group.phantom is phantom_only]
        if chosen:
            files[name] = overview_csv(chosen)
    return files


def _reliability_section(stem: str, images: dict[str, bytes]) -> str:
    name = f"{stem}-reliability"
    lead = f"How often an answer of a stated confidence was right, by bins, is in {name}.csv."
    return paragraphs("## Reliability", lead, _image(f"{name}.png", "Reliability diagram", images))


def _image(name: str, title: str, images: dict[str, bytes]) -> str:
    return f"![{title}]({name})" if name in images else ""
