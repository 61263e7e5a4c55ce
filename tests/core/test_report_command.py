"""The command ``medbench report``: what it writes and says, with which exit code, and what it loads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from medbench.cli import report as command
from medbench.errors import UsageError
from medbench.settings import Settings
from medbench.store import ResultStore
from tests.core.record_maker import make_record
from tests.core.report_toys import SECRET, dataset, keep, settings_in, task, write_data


def registry() -> Any:
    return SimpleNamespace(tasks={"toy-det": task()}, methods={}, datasets={"toy": dataset("credentialed")})


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Three trials on data that may not be handed on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "load_registry", registry)
    settings = settings_in(tmp_path)
    manifest = write_data(settings, access="credentialed")
    for method, skill in (("low", 0.2), ("high", 0.8), ("mid", 0.5)):
        keep(ResultStore(settings.results), method, skill, manifest_sha256=manifest)
    return settings


def run(*arguments: str, code: int = 0) -> Result:
    places = ("--data", "data", "--cache", "cache")
    result = CliRunner().invoke(command.report_command, [*arguments, *places], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result


def payload_in(page: bytes) -> dict[str, Any]:
    """What a page holds as data."""
    found = re.search(rb'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    document: dict[str, Any] = json.loads(found[1])
    return document


def test_a_page_is_written_and_said(settings: Settings) -> None:
    result = run()
    page = Path("report.html").read_bytes()
    assert re.fullmatch(r"wrote report\.html: \d+ kB, 1 tables of 3 records\n", result.output)
    assert result.stderr == ""
    assert [one["method"] for one in payload_in(page)["records"]] == ["high@resnet50", "low@resnet50", "mid@resnet50"]
    assert str(settings.results.parent).encode() not in page


def test_the_same_records_and_data_give_the_same_bytes(settings: Settings) -> None:
    run("--with-restricted")
    first = Path("report.html").read_bytes()
    run("--with-restricted", "--out", "sub/second.html")
    assert Path("sub/second.html").read_bytes() == first


def test_what_may_not_be_handed_on_is_not_in_the_bytes_unless_asked_for(settings: Settings) -> None:
    run()
    page = Path("report.html").read_bytes()
    assert SECRET.encode() not in page
    assert b"data:image/jpeg" not in page
    assert b"skill 0.8" not in page
    result = run("--with-restricted", "--examples", "1")
    page = Path("report.html").read_bytes()
    assert SECRET.encode() in page
    assert page.count(b"data:image/jpeg") == 4
    assert "may not be handed on" in result.stderr
    assert "may not be handed on" in payload_in(page)["notices"][0]


def test_predictions_can_be_left_alone(settings: Settings) -> None:
    for path in settings.results.rglob("*.parquet"):
        path.write_bytes(b"not read")
    run("--no-predictions")
    (table,) = payload_in(Path("report.html").read_bytes())["tables"]
    assert table["examples_note"] == "made without predictions"


def test_damage_is_said_and_exits_one_and_the_page_is_there(settings: Settings) -> None:
    next(settings.results.rglob("*.parquet")).write_bytes(b"no Parquet")
    (settings.results / "toy-det" / "low@resnet50" / "x.json").write_text("{")
    result = run(code=1)
    assert "x.json is not a valid record" in result.stderr
    assert "are absent or damaged" in result.stderr
    assert len(payload_in(Path("report.html").read_bytes())["problems"]) == 2


def test_a_leaderboards_folder_gives_its_records(settings: Settings) -> None:
    shutil.copytree(settings.results, "boards/records")
    run("boards", "--out", "one.html")
    run("results", "--out", "two.html")
    assert Path("one.html").read_bytes() == Path("two.html").read_bytes()


def test_tasks_are_chosen_and_the_page_has_a_title(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {"toy-det": task(), "toy-two": task(id="toy-two")}
    monkeypatch.setattr(command, "load_registry", lambda: SimpleNamespace(**{**vars(registry()), "tasks": tasks}))
    ResultStore(settings.results).write_record(make_record(task="toy-two"))
    run("--tasks", "toy-two", "--title", "Tuesday <b>&")
    payload = payload_in(Path("report.html").read_bytes())
    assert [one["task"] for one in payload["tables"]] == ["toy-two"]
    assert payload["title"] == "Tuesday <b>&"
    assert b"<title>Tuesday &lt;b&gt;&amp;</title>" in Path("report.html").read_bytes()


def test_hostile_names_of_plugins_and_records_stay_text(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "</script><img src=x onerror=alert(1)><!--|`\u202e\x1b[31m" + "x" * 10_000
    named = task(title=hostile, protocol=hostile)
    monkeypatch.setattr(
        command, "load_registry", lambda: SimpleNamespace(**{**vars(registry()), "tasks": {"toy-det": named}})
    )
    changes = {"notes": {hostile: 1.0}, "recipe_overrides": {"epochs": hostile}}
    keep(ResultStore(settings.results), "low", 0.3, key="hostile", **changes)
    run("--title", hostile)
    page = Path("report.html").read_bytes()
    assert b"<img src=x" not in page
    assert page.count(b"</script>") == page.count(b"<script")
    assert not any(bad in page for bad in ("\u202e".encode(), b"\x1b", b"x" * 1000))
    shown = payload_in(page)
    assert shown["title"] == shown["tables"][0]["title"]
    assert shown["title"].startswith("</script><img src=x onerror=alert(1)><!--|`[31mxxx")


def test_an_empty_folder_gives_a_page_that_says_so(settings: Settings) -> None:
    Path("empty").mkdir()
    assert "no record" in run("empty").stderr
    assert payload_in(Path("report.html").read_bytes())["notices"] == [
        "There is no record of these tasks in the folder."
    ]


def test_a_folder_that_is_not_there_and_a_folder_as_the_page_are_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="no results folder at nowhere"):
        run("nowhere")
    with pytest.raises(UsageError, match="results is a folder"):
        run("--out", "results")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom medbench.cli.report import report_command\n"
        "try:\n    report_command.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *[name for name in ('numpy', 'pyarrow', 'scipy', 'PIL', 'torch') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "LOADED"
