"""Commands, options, hooks, settings, record fields, exit codes, extras and floors each stand on some page."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import click
import msgspec

from medbench import errors, hookspecs, settings
from medbench.cli import cli
from medbench.cli.data import data_command
from medbench.cli.run import run_command
from medbench.records import SCHEMA, MetricValue, Provenance, Record, Subset
from medbench.registry import Registry
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def code_words(text: str) -> set[str]:
    """What stands in backticks, and each word of it."""
    found = set(re.findall(r"`([^`\n]+)`", text))
    return found | {word for one in found for word in re.split(r"[\s(),]+", one)}


def test_every_command_and_option_is_in_the_reference(reference: dict[str, str]) -> None:
    from generate.command_page import commands

    text = reference["commands.md"]
    found = dict(commands(cli, "medbench"))
    assert {"medbench data prepare", "medbench leaderboard add", "medbench cache gc", "medbench run"} <= found.keys()
    for name, command in found.items():
        assert f"\n## {name}\n" in text
        for option in command.params:
            if isinstance(option, click.Option):
                assert all(re.search(rf"<code>[^|]*{re.escape(one)}[ ,<]", text) for one in option.opts), option.opts


def test_every_hook_is_on_the_page_of_trackers_or_of_plugins() -> None:
    hooks = {name for name in dir(hookspecs) if name.startswith("medbench_")}
    text = page("howto/plugin.md") + page("howto/trackers.md")
    assert hooks
    assert {name for name in hooks if f"`{name}(" not in text} == set()


def test_every_setting_stands_in_the_table_with_its_variable_and_option() -> None:
    rows = [line for line in page("reference/settings.md").splitlines() if line.startswith("| `[")]
    commands = [run_command, data_command.commands["prepare"]]
    options = {name for command in commands for option in command.params for name in option.opts}
    for section, keys in settings._SECTIONS.items():
        for key, name in keys.items():
            row = next(line for line in rows if line.startswith(f"| `[{section}] {key}` |"))
            assert f"`MEDBENCH_{name.upper()}` | `--" in row
            assert re.search(r"`(--[\w-]+)`", row)[1] in options  # type: ignore[index]
    for section in settings._OPEN_SECTIONS:
        assert any(line.startswith((f"| `[{section}]", f"| `[{section}.")) for line in rows), section
    known = {f"[{section}] {key}" for section, keys in settings._SECTIONS.items() for key in keys}
    assert {one.partition("`")[0] for one in (row[3:] for row in rows)} >= known


def test_every_variable_that_the_settings_read_is_on_their_page() -> None:
    source = (ROOT / "harness/medbench/settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"MEDBENCH_[A-Z]+", source))
    assert read >= {"MEDBENCH_CONFIG", "MEDBENCH_TRACKERS", "MEDBENCH_DATA"}
    assert {name for name in read if name not in page("reference/settings.md")} == set()


def test_every_field_of_a_record_is_on_its_page_and_no_other_is() -> None:
    text = page("reference/records.md")
    first = {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    kept = {one.name for kind in (Record, Provenance) for one in msgspec.structs.fields(kind)}
    assert first == kept
    inner = {one.name for kind in (MetricValue, Subset) for one in msgspec.structs.fields(kind)}
    assert inner <= code_words(text)
    assert f"now {SCHEMA}" in text


def test_every_exit_code_is_in_the_table() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    written = {int(one) for one in re.findall(r"^\| (\d+) \|", page("reference/cli.md"), re.MULTILINE)}
    assert written == codes | {0, 130}


def test_every_extra_is_named_on_some_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in [*DOCS.rglob("*.md"), ROOT / "README.md"])
    named = {name for group in re.findall(r"(?:medbench|\.)\[([\w,-]+)\]", text) for name in group.split(",")}
    assert named >= _extras()


def test_every_protocol_has_its_floors_on_the_page_of_metrics(registry: Registry) -> None:
    floors = page("reference/metrics.md").partition("## Floors")[2]
    rows = [line.split("|")[1].strip() for line in floors.splitlines() if line.startswith("| ")]
    listed = {name.strip() for row in rows[1:] for name in row.split(", ")}
    assert listed == {task.protocol for task in registry.tasks.values()}


def test_every_floor_that_is_named_is_one_that_a_protocol_gives() -> None:
    named = re.findall(r"`([\w-]+)`", page("reference/metrics.md").partition("## Floors")[2])
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins/tasks").rglob("*.py"))
    assert named
    assert [name for name in named if f'"{name}' not in sources] == []


def test_every_module_of_the_reference_for_authors_exists() -> None:
    from generate.reference import API

    assert {name for name in API if find_spec(name) is None} == set()
    assert {one.name for one in fields(settings.Settings)} >= {"trackers"}


def _extras() -> set[str]:
    """The keys of ``extras_require`` in setup.py."""
    tree = ast.parse(Path(ROOT / "setup.py").read_text(encoding="utf-8"))
    found = [
        word.value
        for word in ast.walk(tree)
        if isinstance(word, ast.keyword) and word.arg == "extras_require" and isinstance(word.value, ast.Dict)
    ]
    return {str(key.value) for one in found for key in one.keys if isinstance(key, ast.Constant)}
