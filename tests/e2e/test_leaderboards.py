"""A leaderboard through the command line: built twice, checked, published, exported, and never taken down by one record."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.records import Record, encode
from tests.core.record_maker import make_record
from tests.e2e.conftest import Shell

ALL = ("--format", "markdown,csv,json,latex")


def keep(results: Path, record: Record) -> Path:
    """Write a record where a run would."""
    path = results / record.task / record.method_id / f"{record.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(record))
    return path


def of_toy(method: str, score: float, **changes: object) -> Record:
    own: dict[str, object] = {"variant": "plain", "task": "toy-bright", "task_version": 1, "split": "main"}
    record = make_record(
        method, score, **{**own, "metrics": {"accuracy": (score, score - 0.1, score + 0.1)}, **changes}
    )
    return record


@pytest.fixture
def results(shell: Shell) -> Path:
    """Two methods on the toy task."""
    folder = shell.folder / "results"
    keep(folder, of_toy("toy", 0.8, key="a" * 64))
    keep(folder, of_toy("other", 0.6, key="b" * 64))
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_built_twice_it_is_the_same_and_a_changed_record_makes_check_fail_with_a_diff(
    shell: Shell, results: Path
) -> None:
    shell("leaderboard", "build", *ALL)
    first = files_of(shell.folder / "leaderboards")
    assert {"README.md", "toy-bright.md", "methods/toy.md", "leaderboard.csv", "latex/toy-bright.tex"} <= {*first}
    shell("leaderboard", "build", *ALL)
    assert files_of(shell.folder / "leaderboards") == first
    assert shell("leaderboard", "check", *ALL).stdout.strip() == "the leaderboard is fresh"
    keep(results, of_toy("toy", 0.7, key="a" * 64))
    stale = shell("leaderboard", "check", *ALL, code=1)
    assert "-|      1 | toy@plain" in stale.stdout and "**80.0**" in stale.stdout and "+|      1 |" in stale.stdout
    assert "--- a/methods/toy.md" in stale.stdout and "--- a/leaderboard.json" in stale.stdout
    assert "the leaderboard is stale: README.md, latex/toy-bright.tex, leaderboard.csv" in stale.stderr
    assert "--format markdown,csv,json,latex" in stale.stderr


def test_published_records_are_what_is_built_from_unless_results_are_named(shell: Shell, results: Path) -> None:
    keep(results, of_toy("toy", 0.9, key="c" * 64, phantom=True))
    added = shell("leaderboard", "add", "--tasks", "toy-bright")
    assert "2 records, 2 new, 0 changed, 0 as they were" in added.stdout
    assert "left out 1 phantom records; --phantom takes them" in added.stderr
    assert "0 new, 0 changed, 2 as they were" in shell("leaderboard", "add").stdout
    keep(results, of_toy("toy", 0.1, key="a" * 64))
    built = shell("leaderboard", "build")
    assert f"reading records of {Path('leaderboards') / 'records'}" in built.stderr
    page = (shell.folder / "leaderboards" / "toy-bright.md").read_text()
    assert "**80.0**" in page and "Phantom" not in page
    named = shell("leaderboard", "check", "--results", "results", code=1)
    assert "reading records of results" in named.stderr
    for path in results.rglob("*.json"):
        path.unlink()
    shell("leaderboard", "check")


def test_phantoms_alone_are_published_only_where_asked_for(shell: Shell) -> None:
    keep(shell.folder / "results", of_toy("toy", 0.9, key="c" * 64, phantom=True))
    assert "left out 1 phantom" in shell("leaderboard", "add", code=1).stderr
    assert "1 records, 1 new" in shell("leaderboard", "add", "--phantom").stdout


def test_a_damaged_record_costs_itself_alone_and_a_strange_page_is_left(shell: Shell, results: Path) -> None:
    keep(results, of_toy("third", 0.7, key="d" * 64)).write_text('{"schema": 3, "key"')
    built = shell("leaderboard", "build")
    assert built.stderr.count("warning: ") == 1 and "is not a valid record" in built.stderr
    page = (shell.folder / "leaderboards" / "toy-bright.md").read_text()
    assert "toy@plain" in page and "third" not in page
    (shell.folder / "leaderboards" / "README.md").write_text("# My own\n")
    refused = shell("leaderboard", "build", code=2)
    assert "was not made by medbench leaderboard" in refused.stderr
    assert (shell.folder / "leaderboards" / "README.md").read_text() == "# My own\n"


def test_formats_that_were_built_once_are_checked_and_built_without_being_named(shell: Shell, results: Path) -> None:
    shell("leaderboard", "build", "--format", "csv,latex")
    shell("leaderboard", "build")
    keep(results, of_toy("toy", 0.7, key="a" * 64))
    stale = shell("leaderboard", "check", code=1).stderr
    assert "stale: README.md, latex/toy-bright.tex, leaderboard.csv, methods/toy.md, toy-bright.md" in stale
    assert "leaderboard.json" not in stale and "medbench leaderboard build --out leaderboards\n" in stale
    shell("leaderboard", "build")
    assert not (shell.folder / "leaderboards" / "leaderboard.json").exists()
    shell("leaderboard", "check", "--format", "markdown,csv,latex")


def test_impossible_and_contradicting_records_are_refused_each_alone(shell: Shell, results: Path) -> None:
    shell("leaderboard", "add")
    keep(results, of_toy("toy", 0.7, key="a" * 64))
    keep(results, of_toy("third", 81.0, key="d" * 64))
    keep(results, of_toy("huge", 0.5, key="e" * 64)).write_text(
        encode(of_toy("huge", 0.5)).decode().replace('"value": 0.5', '"value": 1.7e308')
    )
    keep(results, of_toy("fourth", 0.75, key="f" * 64))
    told = shell("leaderboard", "add", code=1)
    assert "1 new, 0 changed, 1 as they were" in told.stdout
    assert "warning: " in told.stderr and "1.7e+308" in told.stderr
    assert "left out third@plain on toy-bright" in told.stderr and "a share of at most 1" in told.stderr
    assert "differs in accuracy, map (--replace takes this one)" in told.stderr
    replaced = shell("leaderboard", "add", "--replace", code=1)
    assert "0 new, 1 changed, 2 as they were" in replaced.stdout


def test_records_of_one_trial_that_disagree_are_told_of(shell: Shell, results: Path) -> None:
    twin = results / "toy-bright" / "copied" / "a.json"
    twin.parent.mkdir()
    twin.write_bytes(encode(of_toy("toy", 0.7, key="a" * 64)))
    for command in ("build", "check"):
        told = shell("leaderboard", command).stderr
        assert "warning: toy@plain on toy-bright, key" in told and "differ in accuracy, map" in told


def test_an_unknown_format_and_an_empty_folder_are_told_of(shell: Shell) -> None:
    assert "no format 'html'" in shell("leaderboard", "build", "--format", "html", code=2).stderr
    assert "no results folder at results" in shell("leaderboard", "build", code=2).stderr
    (shell.folder / "results").mkdir()
    assert "no record of these tasks in results" in shell("leaderboard", "add", code=2).stderr
