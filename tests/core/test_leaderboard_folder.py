"""The folder of a leaderboard: what is stale, what is left over, what is published, and nothing of others touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.errors import UsageError
from medbench.leaderboard.folder import formats_present, stale_files, write_files
from medbench.leaderboard.outputs import FORMATS, build_files, formats_of
from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.table import Specs
from tests.core.record_maker import make_record, make_task


def test_check_finds_changed_missing_and_left_over_pages(tmp_path: Path) -> None:
    pages = build_pages([make_record()], Specs({"toy-det": make_task()}))
    files = {name: text.encode() for name, text in pages.items()}
    assert write_files(tmp_path, files, ["markdown"]) == []
    assert stale_files(tmp_path, files, ["markdown"]) == []
    (tmp_path / "toy-det.md").write_text("other\n", encoding="utf-8")
    (tmp_path / "README.md").unlink()
    for name in ("gone-det.md", "methods/gone.md"):
        (tmp_path / name).write_text(pages["toy-det.md"], encoding="utf-8")
    (tmp_path / "methods" / "notes.md").write_text("this too\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("somebody wrote this\n", encoding="utf-8")
    (tmp_path / ".partial-x.md").write_text("", encoding="utf-8")
    stale = stale_files(tmp_path, files, ["markdown"])
    assert [page.path for page in stale] == ["README.md", "gone-det.md", "methods/gone.md", "toy-det.md"]
    assert "-other" in stale[3].diff
    with pytest.raises(UsageError, match=r"toy-det\.md was not made by medbench leaderboard"):
        write_files(tmp_path, files, ["markdown"])
    (tmp_path / "toy-det.md").unlink()
    assert write_files(tmp_path, files, ["markdown"]) == ["gone-det.md", "methods/gone.md"]
    assert stale_files(tmp_path, files, ["markdown"]) == []
    assert [path.read_text() for path in sorted(tmp_path.rglob("notes.md"))] == ["this too\n", "somebody wrote this\n"]
    assert [page.path for page in stale_files(tmp_path / "absent", files, ["markdown"])] == sorted(pages)


def test_every_format_knows_its_own_files_again_and_leaves_those_of_others(tmp_path: Path) -> None:
    specs = Specs({"toy-det": make_task()})
    files = build_files([make_record()], specs, FORMATS)
    assert {
        "README.md",
        "toy-det.md",
        "methods/mgca.md",
        "leaderboard.csv",
        "leaderboard.json",
        "latex/toy-det.tex",
    } == {*files}
    write_files(tmp_path, files, FORMATS)
    (tmp_path / "latex" / "mine.tex").write_text("\\section{Mine}\n")
    assert stale_files(tmp_path, files, FORMATS) == []
    changed = build_files([make_record(score=0.7)], specs, FORMATS)
    assert {one.path for one in stale_files(tmp_path, changed, FORMATS)} == {*files}
    assert {one.path for one in stale_files(tmp_path, build_files([], specs, ["csv"]), ["csv"])} == {"leaderboard.csv"}
    write_files(tmp_path, changed, FORMATS)  # over its own
    nothing = build_files([], Specs(), FORMATS)
    assert write_files(tmp_path, nothing, FORMATS) == ["latex/toy-det.tex", "methods/mgca.md", "toy-det.md"]
    assert (tmp_path / "latex" / "mine.tex").exists()
    write_files(tmp_path, files, FORMATS)  # an empty csv is its own too


@pytest.mark.parametrize(
    "name", ["leaderboard.csv", "leaderboard.json", "latex/toy-det.tex", "methods/mgca.md", "README.md"]
)
def test_nothing_is_written_over_what_somebody_made(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="was not made by medbench leaderboard"):
        write_files(tmp_path, build_files([make_record()], Specs(), FORMATS), FORMATS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_formats_are_named_by_commas_and_an_unknown_one_is_refused() -> None:
    assert formats_of("json, markdown,json") == ("markdown", "json")
    for wrong in ("html", "", ","):
        with pytest.raises(UsageError, match="--format"):
            formats_of(wrong)


def test_formats_that_are_there_are_built_and_checked_again(tmp_path: Path) -> None:
    assert formats_present(tmp_path) == ("markdown",)
    specs = Specs({"toy-det": make_task()})
    (tmp_path / "leaderboard.csv").write_text("a,b\n1,2\n")  # somebody's own
    write_files(tmp_path, build_files([make_record()], specs, ["json", "latex"]), ["json", "latex"])
    assert formats_present(tmp_path) == ("markdown", "json", "latex")


def test_a_file_that_differs_in_its_line_endings_alone_says_so(tmp_path: Path) -> None:
    files = build_files([make_record()], Specs(), ["markdown"])
    write_files(tmp_path, files, ["markdown"])
    (tmp_path / "toy-det.md").write_bytes(files["toy-det.md"].replace(b"\n", b"\r\n"))
    (stale,) = stale_files(tmp_path, files, ["markdown"])
    assert stale.path == "toy-det.md" and "line endings" in stale.diff
    assert stale.diff.splitlines()[:2] == ["--- a/toy-det.md", "+++ b/toy-det.md"]


@pytest.mark.parametrize("name", ["methods", "latex"])
def test_nothing_is_written_or_removed_behind_a_link(tmp_path: Path, name: str) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "board"
    elsewhere.mkdir()
    folder.mkdir()
    files = build_files([make_record()], Specs(), FORMATS)
    left = elsewhere / "gone.md"
    left.write_bytes(files["methods/mgca.md"])
    (folder / name).symlink_to(elsewhere)
    for act in (write_files, stale_files):
        with pytest.raises(UsageError, match=f"{name} is a link to another folder"):
            act(folder, files, FORMATS)
    assert list(elsewhere.iterdir()) == [left] and [one.name for one in folder.iterdir()] == [name]


def test_a_folder_in_the_place_of_a_page_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "toy-det.md").mkdir()
    with pytest.raises(UsageError, match=r"toy-det\.md was not made by medbench leaderboard"):
        write_files(tmp_path, build_files([make_record()], Specs(), ["markdown"]), ["markdown"])
    assert [one.name for one in tmp_path.iterdir()] == ["toy-det.md"]
