"""What BASE and NEW may name: a record, a folder, a git revision; nothing that a name holds is run or taken for an option."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from medbench.compare.sources import read_source, split_revision
from medbench.errors import UsageError
from medbench.records import encode
from medbench.store import ResultStore
from tests.core.compare_toys import answers, record_of

RECORD = record_of(answers(0.7, 1), key="first")
OTHER = record_of(answers(0.6, 1), key="second", seed=1)


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    result = subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.strip()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = ResultStore(tmp_path / "results")
    store.write_record(RECORD)
    store.write_record(OTHER)
    return store.root


@pytest.fixture
def repository(tmp_path: Path, results: Path) -> Path:
    """Its first commit has both records, tagged ``v1``; its second has one of them."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "tag", "v1")
    path = ResultStore(results).path(OTHER.task, OTHER.method_id, OTHER.key)
    path.unlink()
    git(tmp_path, "commit", "--quiet", "-am", "two")
    return tmp_path


def keys(name: str, folder: Path) -> set[str]:
    return {record.key for record in read_source(name, folder).records}


def test_a_file_and_folders_of_any_depth_are_read(results: Path) -> None:
    both = {"first", "second"}
    path = ResultStore(results).path(RECORD.task, RECORD.method_id, RECORD.key)
    assert keys(str(path), results) == {"first"}
    for name in (str(results), "../results", ".", RECORD.task, f"{RECORD.task}/{RECORD.method_id}"):
        assert keys(name, results) == both, name
    results.rename(results.parent / "records")
    assert keys(".", results.parent) == both


def test_what_lies_in_a_results_folder_beside_records_is_passed_over(results: Path) -> None:
    for name in ("tables/x.json", ".locks/a/b.json", "toy-det/.partial/x.json"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("{}")
    source = read_source(str(results), results)
    assert (len(source.records), source.problems) == (2, ())


def test_the_layout_is_that_of_the_records_whatever_else_lies_there(results: Path) -> None:
    (results / "a/b").mkdir(parents=True)
    (results / "a/b/other.json").write_text("{}")
    one = results / RECORD.task
    (one / "c/d").mkdir(parents=True)
    (one / "c/d/other.json").write_text("{}")
    assert keys(str(one), results) == {"first", "second"}
    above = results.parent / "board"
    (above / "tables/old").mkdir(parents=True)
    (above / "tables/old/first.json").write_bytes(encode(record_of(answers(0.1, 1), key="stray")))
    ResultStore(above / "records").write_record(RECORD)
    assert keys(str(above), results) == {"first"}
    for path in above.rglob("first.json"):
        path.write_text("{}")
    source = read_source(str(above), results)
    assert (source.records, len(source.problems)) == ((), 1) and "board/records" in source.problems[0]


def test_a_pointer_of_git_lfs_is_told_of_as_what_it_is(results: Path) -> None:
    (results / OTHER.task / OTHER.method_id / "second.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    (problem,) = read_source(str(results), results).problems
    assert problem.endswith("second.json is a pointer of Git LFS and not the record - run git lfs pull")
    git(results, "init", "--quiet")
    git(results, "add", ".")
    git(results, "commit", "--quiet", "-m", "one")
    (problem,) = read_source(f"HEAD:{OTHER.task}", results).problems
    assert problem.startswith("HEAD:toy-det/mgca@resnet50/second.json is a pointer") and "check the revision" in problem


def test_a_damaged_record_of_a_revision_is_named_by_its_whole_path(repository: Path) -> None:
    path = repository / "results/toy-det/mgca@resnet50/first.json"
    path.write_text("{")
    path.with_name("link.json").symlink_to("first.json")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "three")
    damaged, link = sorted(read_source("HEAD", repository).problems)
    assert damaged.startswith("HEAD:results/toy-det/mgca@resnet50/first.json is not a valid record")
    assert damaged.endswith("- name another revision, or commit the record anew")
    assert link.startswith("HEAD:results/toy-det/mgca@resnet50/link.json is a symbolic link")
    assert "toy-det/mgca@resnet50/first.json is" in read_source("HEAD:results/", repository).problems[1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v1:results", ("v1", "results")),
        ("v1", ("v1", None)),
        ("v1:", ("v1", "")),
        ("v1:a:b", ("v1", "a:b")),
        ("main@{2026-01-01 10:00:00}:results", ("main@{2026-01-01 10:00:00}", "results")),
        ("main@{2026-01-01 10:00:00}", ("main@{2026-01-01 10:00:00}", None)),
        ("HEAD^{/fix: it}:a{b}", ("HEAD^{/fix: it}", "a{b}")),
    ],
)
def test_a_path_begins_after_the_first_colon_outside_of_braces(name: str, expected: tuple[str, str | None]) -> None:
    assert split_revision(name) == expected


def test_a_revision_with_colons_in_braces_is_found(repository: Path) -> None:
    assert keys("HEAD^{/t[[:alpha:]]o}:results", repository) == {"first"}


def test_a_damaged_record_is_told_of_and_the_others_go_on(results: Path) -> None:
    (results / OTHER.task / OTHER.method_id / "second.json").write_text("{")
    source = read_source(str(results), results)
    assert [record.key for record in source.records] == ["first"]
    assert len(source.problems) == 1 and "second.json" in source.problems[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v1", {"first", "second"}),
        ("HEAD", {"first"}),
        ("HEAD~1", {"first", "second"}),
        ("v1:results", {"first", "second"}),
        ("v1:results/", {"first", "second"}),
        ("v1:results/toy-det", {"first", "second"}),
        ("v1:results/toy-det/mgca@resnet50/second.json", {"second"}),
        ("v1:", {"first", "second"}),
    ],
)
def test_a_revision_is_read_without_a_checkout(repository: Path, name: str, expected: set[str]) -> None:
    if name == "v1:":  # the whole tree holds results one folder too deep for any layout
        with pytest.raises(UsageError, match="no record"):
            keys(name, repository)
        return
    assert keys(name, repository) == expected
    assert not git(repository, "status", "--porcelain")


def test_committed_leaderboard_records_come_before_results(repository: Path) -> None:
    record = record_of(answers(0.5, 1), key="kept")
    ResultStore(repository / "leaderboards/records").write_record(record)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "three")
    assert keys("HEAD", repository) == {"kept"}


def test_a_path_wins_over_a_revision_of_that_name(repository: Path) -> None:
    (repository / "v1").mkdir()
    (repository / "v1/only.json").write_bytes(encode(OTHER))
    assert keys("v1", repository) == {"second"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "neither a path nor a git revision"),
        ("--output=stolen", "neither a path nor a git revision"),
        ("-p", "neither a path nor a git revision"),
        ("v1\nHEAD", "neither a path nor a git revision"),
        ("v1:results\nv1:results", "neither a path nor a git revision"),
        ("$(touch stolen)", "neither a path nor a git revision"),
        ("`touch stolen`;touch stolen", "neither a path nor a git revision"),
        ("v1:$(touch stolen)", "has no"),
        ("v1:--help", "has no"),
        ("", "neither a path nor a git revision"),
        (":results", "neither a path nor a git revision"),
        ("\x00", "neither a path nor a git revision"),
        ("x" * 10_000, "neither a path nor a git revision"),
        ("\udcff", "neither a path nor a git revision"),
        ("site", "no record in"),
    ],
)
def test_what_names_nothing_is_refused_in_one_line_and_never_run(repository: Path, name: str, told: str) -> None:
    (repository / "site").mkdir()
    with pytest.raises(UsageError, match=told) as caught:
        read_source(name, repository)
    assert "\n" not in str(caught.value)
    assert not list(repository.glob("**/stolen*"))


def test_outside_of_a_repository_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="not a git repository"):
        read_source("HEAD", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git does not run"):
        read_source("HEAD", tmp_path)
