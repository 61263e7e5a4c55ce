"""``medbench compare``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medbench.cli.options import load_registry
from medbench.errors import UsageError

if TYPE_CHECKING:
    from medbench.compare import Comparison


@click.command("compare")
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW")
@click.option("--fail-on-regression", is_flag=True, help="Exit 1 where a gating metric regressed.")
@click.option("--fail-on-missing", is_flag=True, help="Exit 1 where NEW lacks something that BASE has.")
@click.option(
    "--tolerance",
    multiple=True,
    metavar="POINTS",
    help="A drop that is borne: POINTS of percent (default 0.5), or NAME=POINTS of a metric's own unit; may be repeated.",
)
@click.option(
    "--level",
    type=float,
    default=0.05,
    show_default=True,
    help="Chance of a false alarm over all tests. It does not hold for training noise where each side has one seed.",
)
@click.option(
    "--metrics", default="ranking", show_default=True, metavar="NAMES", help="What gates: ranking, all, or names."
)
@click.option(
    "--allow",
    multiple=True,
    metavar="KIND",
    help="Compare in spite of: weights, recipe, split, version, precision, extra.",
)
@click.option("--method-base", metavar="METHOD", help="With --method-new: set this method of BASE ...")
@click.option("--method-new", metavar="METHOD", help="... against that of NEW, as id or id@variant.")
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write JUnit XML too.")
@click.option("--github", is_flag=True, help="Print GitHub annotations too, and fill the page of the run.")
def compare_command(
    *,
    base: str,
    new: str,
    fail_on_regression: bool,
    fail_on_missing: bool,
    tolerance: tuple[str, ...],
    level: float,
    metrics: str,
    allow: tuple[str, ...],
    method_base: str | None,
    method_new: str | None,
    form: str,
    junit: Path | None,
    github: bool,
) -> int:
    """Compare two sets of records: per task and metric the change, its interval, and a verdict.

    BASE and NEW are each a record, a folder of records, or a git revision: REV (its leaderboards/records, else results) or
    REV:PATH. A path that exists wins. Records of other splits, recipes, weights, versions or precision are refused. For a gate
    so are records of one side beside those that agree, unless --allow extra passes over them.

    \b
    Exit codes:
      0  nothing that was asked for fails
      1  --fail-on-regression: a drop beyond the tolerance that is significant,
         or a gating metric that is no longer defined in NEW;
         --fail-on-missing: something of BASE is missing in NEW, seeds too;
         with either: a record that cannot be read
      2  misuse; nothing could be compared; with --fail-on-regression also
         where something is refused, or a gating metric of what both sides
         have could not be tested
    """
    from medbench.compare import Rules, compare

    common, of_metrics = _tolerances(tolerance)
    rules = Rules(
        tolerance=common,
        tolerances=of_metrics,
        level=level,
        metrics=metrics,
        allow=frozenset(kind.strip() for part in allow for kind in part.split(",") if kind.strip()),
        methods=_methods(method_base, method_new),
        fail_on_regression=fail_on_regression,
        fail_on_missing=fail_on_missing,
    )
    comparison = compare(base, new, load_registry().tasks, rules, Path.cwd())
    return _tell(comparison, form, junit, github)


def _tolerances(given: tuple[str, ...]) -> tuple[float, dict[str, float]]:
    """The common one, and those of metrics; commas may stand for repetition."""
    common: list[float] = []
    of_metrics: dict[str, float] = {}
    for part in [part.strip() for text in given for part in text.split(",")]:
        name, _, value = part.rpartition("=")
        try:
            number = float(value)
        except ValueError as error:
            fix = "give points, as 0.5, or a metric's, as NAME=0.5"
            raise UsageError(f"the tolerance is '{part}'", fix=fix) from error
        if (name.strip() in of_metrics) if name else common:
            raise UsageError(f"two tolerances of {name.strip() or 'percent'}", fix="give one")
        if name:
            of_metrics[name.strip()] = number
        else:
            common.append(number)
    return common[0] if common else 0.5, of_metrics


def _methods(base: str | None, new: str | None) -> tuple[str, str] | None:
    if (base is None) != (new is None):
        raise UsageError("--method-base and --method-new belong together", fix="give both, or neither")
    return None if base is None or new is None else (base, new)


def _tell(comparison: Comparison, form: str, junit: Path | None, github: bool) -> int:
    from medbench.compare import document, summary
    from medbench.compare.outcome import outcome_of
    from medbench.leaderboard.text import clean

    for problem in () if github else comparison.problems:  # there each has an annotation
        click.echo(f"warning: {clean(problem)}", err=True)
    texts = {"text": summary.terminal_text, "markdown": summary.markdown_text, "json": document.json_text}
    text = texts[form](comparison).rstrip("\n")
    if github:
        _tell_github(comparison, text, form)
    else:
        click.echo(text)
    if junit is not None:
        from medbench.compare.junit import junit_xml
        from medbench.files import write_bytes_atomically

        write_bytes_atomically(junit, junit_xml(comparison))
    outcome = outcome_of(comparison)
    if outcome.code:
        said = "the gate fails" if outcome.code == 1 else "the comparison is undecided"
        click.echo(f"error: {said}: {'; '.join(outcome.reasons)}", err=True)
    return outcome.code


def _tell_github(comparison: Comparison, text: str, form: str) -> None:
    """Annotations go where they leave the document whole: to stderr beside JSON."""
    from medbench.compare.github import annotations_of, muted, write_step_summary

    click.echo(text if form == "json" else muted(text))
    for line in annotations_of(comparison):
        click.echo(line, err=form == "json")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        write_step_summary(comparison, Path(summary))
