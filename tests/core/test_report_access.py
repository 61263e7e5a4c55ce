"""What of other datasets binds a page, and the file that it is written to."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from medbench.errors import UsageError
from medbench.leaderboard.table import Specs
from medbench.report.build import ReportOptions, build_report
from medbench.report.payload import Payload
from medbench.settings import Settings
from medbench.store import ResultStore
from tests.core.report_toys import SECRET, dataset, keep, settings_in, task, write_data
from tests.core.test_report_command import run
from tests.core.test_report_command import settings as trials_of_a_command

command_settings = trials_of_a_command


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def payload_with(settings: Settings, *others: Any, **toy: Any) -> Payload:
    """The page of open data whose images come from the ``others``."""
    specs = (replace(dataset(), **toy), *others)
    store = ResultStore(settings.results)
    keep(store, "a", 0.5, manifest_sha256=write_data(settings))
    known = Specs(tasks={"toy-det": task()}, datasets={one.id: one for one in specs})
    return build_report(store.read_all().records, known, store, settings, ReportOptions()).payload


def other(name: str, access: Any, *images_from: str, **changes: Any) -> Any:
    return replace(dataset(access), id=name, images_from=images_from, **changes)


@pytest.mark.parametrize(
    ("others", "note"),
    [
        (
            (other("source", "registration"),),
            "it holds images of source, which may not be handed on (access: registration)",
        ),
        (
            (other("source", "open", "deeper"), other("deeper", "credentialed", "source")),
            "it holds images of deeper, which may not be handed on (access: credentialed)",
        ),
        ((other("source", "own"),), "its data are the user's own"),
    ],
    ids=["directly", "through another", "the user's own"],
)
def test_open_data_are_bound_as_those_whose_images_they_hold(
    settings: Settings, others: tuple[Any, ...], note: str
) -> None:
    payload = payload_with(settings, *others, images_from=("source",))
    assert payload.tables[0].examples_note.startswith(note)
    data = msgspec.json.encode(payload)
    assert SECRET.encode() not in data
    assert b"data:image" not in data


def test_of_unknown_sources_the_data_are_taken_as_the_users_own(settings: Settings) -> None:
    payload = payload_with(settings, images_from=None)
    assert payload.tables[0].examples_note.startswith("its data are the user's own")


def test_open_sources_and_those_that_nobody_installed_bind_nothing(settings: Settings) -> None:
    payload = payload_with(settings, other("source", "open"), images_from=("source", "elsewhere"))
    assert any(one.image for one in payload.tables[0].examples)


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "dangling link"])
def test_only_a_regular_file_is_replaced_by_the_page(command_settings: Settings, kind: str) -> None:
    out = Path("page.html")
    if kind == "pipe":
        os.mkfifo(out)
    else:
        out.symlink_to("pipe")
        if kind == "link to a pipe":
            os.mkfifo("pipe")
    before = out.lstat()
    with pytest.raises(UsageError, match="not a regular file") as raised:
        run("--out", str(out))
    assert raised.value.exit_code == 2
    assert out.lstat() == before


def test_a_link_to_a_page_stays_a_link(command_settings: Settings) -> None:
    Path("old.html").write_text("old")
    Path("page.html").symlink_to("old.html")
    run("--out", "page.html")
    assert Path("page.html").is_symlink()
    assert Path("old.html").read_text().startswith("<!doctype html>")
