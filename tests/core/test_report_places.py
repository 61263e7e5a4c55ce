"""The page holds no place of this machine, whatever went wrong; the terminal is told all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from medbench.errors import MissingDataError, PluginError
from medbench.report import shelf
from medbench.report.kept import Troubles
from medbench.report.texts import NAME_LENGTH, without_places
from medbench.settings import Settings
from medbench.store import ResultStore
from tests.core.report_toys import keep, report_of, settings_in, write_data

RESULTS = Path("/srv/me/results")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.mark.parametrize("line", ["/srv/me/results/a/b.json is bad", "read /srv/me/results/a/b.json is bad"])
def test_messages_lose_the_place_of_the_folder(line: str) -> None:
    assert without_places(line, RESULTS) == line.replace("/srv/me/results/", "")
    assert without_places("nothing in /srv/me/results", RESULTS) == "nothing in the results folder"
    assert without_places("/srv/me/results2/a is bad", RESULTS) == "[path] is bad"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("no results kept", "no results kept"),
        ("results/a/b.json is bad", "a/b.json is bad"),
        ("cannot read 'results/a/b.json'", "cannot read 'a/b.json'"),
        ("myresults/a and a/results/b", "myresults/a and a/results/b"),
    ],
)
def test_of_a_relative_folder_only_what_stands_in_it_is_named_anew(line: str, shown: str) -> None:
    assert without_places(line, Path("results")) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("cannot identify image file '/home/Jo van Doe/my films/a.png'", "cannot identify image file [path]"),
        ("cannot open /home/jo/a.png: no such file", "cannot open [path]: no such file"),
        ("(/data/x), key:/data/y", "([path]), key:[path]"),
        ("/mnt/big disk/set/a.png is bad", "[path] is bad"),
        ("at file:///home/jo/a.png", "at [path]"),
        (r"C:\Users\jo\a.png or \\server\jo\a.png", "[path] or [path]"),
        ("timm/resnet50 on a/b, 3 / 4, https://example.org/a", "timm/resnet50 on a/b, 3 / 4, https://example.org/a"),
    ],
)
def test_no_absolute_path_is_shown(line: str, shown: str) -> None:
    assert without_places(line) == shown


def test_a_home_with_blanks_in_its_name_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/Jo of the Hills")
    assert without_places("cannot open /home/Jo of the Hills/a.png") == "cannot open [path]"


def test_a_long_message_is_looked_through_at_once() -> None:
    assert len(without_places("/)" * 100_000)) <= NAME_LENGTH


def test_of_an_error_that_wraps_a_strangers_the_page_gets_the_kind_alone() -> None:
    troubles = Troubles(RESULTS)
    for error in (wrapped(ImportError("no such thing: secret")), PluginError("'toy' has no loader", fix="give it one")):
        troubles.raised("toy-det", error)
    assert troubles.shown == ["toy-det: ImportError", "toy-det: 'toy' has no loader - give it one"]
    assert "secret" in troubles.lines[0]


def wrapped(cause: Exception) -> PluginError:
    try:
        raise PluginError(f"cannot import x ({cause})") from cause
    except PluginError as error:
        return error


def test_an_unreadable_picture_is_told_on_the_terminal_alone(settings: Settings) -> None:
    keep(ResultStore(settings.results), "a", 0.5, manifest_sha256=write_data(settings))
    for path in (settings.data / "toy" / "images").iterdir():
        path.write_bytes(b"not a picture")
    report = report_of(settings)
    data = msgspec.json.encode(report.payload)
    assert str(settings.data.parent).encode() not in data
    shown = report.payload.tables[0].examples
    assert {one.image_note for one in shown} == {"the image cannot be read", "the data have no such sample"}
    assert report.payload.problems == ()
    assert len(report.damage) == 5
    assert any(str(settings.data) in line for line in report.damage)


def refuses(_settings: Settings) -> Callable[..., object]:
    def refused(*_: object) -> object:
        raise PermissionError(13, "Permission denied", str(_settings.data / "toy"))

    return refused


def damaged(_settings: Settings) -> Callable[..., object]:
    def broken(*_: object) -> object:
        raise MissingDataError(f"{_settings.data / 'toy'} is damaged")

    return broken


@pytest.mark.parametrize(
    ("locate", "note"), [(refuses, "the data cannot be read"), (damaged, "[path] is damaged")], ids=["os", "medbench"]
)
@pytest.mark.parametrize("access", ["open", "credentialed"])
def test_a_folder_that_cannot_be_read_costs_its_pictures_alone(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    locate: Callable[[Settings], Callable[..., object]],
    note: str,
    access: str,
) -> None:
    keep(ResultStore(settings.results), "a", 0.5, manifest_sha256="d" * 64)
    monkeypatch.setattr(shelf, "locate", locate(settings))
    report = report_of(settings, access=access)
    (table,) = report.payload.tables
    assert table.examples_note.startswith(note if access == "open" else "its data may not be handed on")
    assert bool(table.examples) == (access == "open")
    assert str(settings.data) in report.damage[0]
    assert str(settings.data).encode() not in msgspec.json.encode(report.payload)
