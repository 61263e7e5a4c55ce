"""Code on the written pages is what it says: commands exist, Python compiles and runs, settings load."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from medbench.cli import COMMANDS, cli
from medbench.errors import MedbenchError
from medbench.registry import Registry
from medbench.selection import select_methods, select_tasks
from medbench.settings import load_settings
from tests.docs.pages import Block, all_blocks, command_lines

SHELL = ("", "bash", "sh", "console")
_OWN = ("mine", "my-resnet", "hernia", "toy", "NAME", "example")
"""Names of the reader's own in examples; no plugin here has them."""


def commands() -> list[tuple[str, list[str]]]:
    found = [(str(block), words) for block in all_blocks(*SHELL) for words in command_lines(block)]
    return [(f"{where}: {shlex.join(words)[:60]}", words) for where, words in found]


COMMAND_LINES = commands()


def test_the_pages_show_commands_at_all() -> None:
    shown = {words[0] for _, words in COMMAND_LINES if words}
    assert shown >= {"run", "plan", "leaderboard", "data", "tables", "report", "compare", "new-plugin", "check-plugin"}


@pytest.mark.parametrize("words", [words for _, words in COMMAND_LINES], ids=[where for where, _ in COMMAND_LINES])
def test_a_command_parses(words: list[str]) -> None:
    command: click.Command = cli
    name = "medbench"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command, info_name=name), words[0])
        assert found is not None, f"{name} has no command {words[0]}"
        name, command, words = f"{name} {words[0]}", found, words[1:]
    if "--help" not in words and "--version" not in words:
        command.make_context(name, list(words), resilient_parsing=False)


def test_names_in_commands_exist(registry: Registry, tmp_path: Path) -> None:
    selects = (
        ("--methods", lambda terms: select_methods(terms, registry, tmp_path)),
        ("--tasks", lambda terms: select_tasks(terms, registry)),
    )
    wrong = []
    for where, words in COMMAND_LINES:
        for option, select in selects:
            if option in words[:-1]:
                selection = words[words.index(option) + 1]
                terms = [one for one in selection.split(",") if not any(own in one for own in (*_OWN, "$", "./", "/"))]
                try:
                    if terms:
                        select(",".join(terms))
                except MedbenchError as error:
                    wrong.append(f"{where}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


def test_python_files_of_a_page_import(tmp_path: Path) -> None:
    """A block with a title is a whole file: those of a page are written side by side and imported, in a process a page."""
    pages: dict[Path, list[Block]] = {}
    for block in all_blocks("python"):
        if block.info.startswith("title="):
            pages.setdefault(block.page, []).append(block)
    assert pages
    for number, (page, files) in enumerate(pages.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        names = [Path(block.info.split('"')[1]) for block in files]
        for name, block in zip(names, files, strict=True):
            (folder / name.name).write_text(block.text)
        modules = [name.stem for name in names if not name.name.startswith("test_")]
        code = f"import importlib\nfor name in {modules!r}:\n    module = importlib.import_module(name)\n"
        code += "    for hook in ('medbench_methods', 'medbench_datasets', 'medbench_tasks'):\n"
        code += "        list(getattr(module, hook, list)())\n"
        result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{page}: {result.stderr}"


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_toml_is_what_it_says(block: Block, tmp_path: Path) -> None:
    document = tomllib.loads(block.text)
    if not {"project", "build-system", "tool"} & document.keys():
        path = tmp_path / "medbench.toml"
        path.write_text(block.text)
        load_settings(config=path, environment={}, overrides={}, folder=tmp_path)


@pytest.mark.parametrize("block", all_blocks("yaml", "yml"), ids=str)
def test_yaml_parses(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_parses(block: Block) -> None:
    json.loads(block.text)


def test_every_command_is_shown_on_some_page() -> None:
    text = " ".join(word for _, words in COMMAND_LINES for word in words[:1])
    assert {name for name in COMMANDS if name not in text.split()} == set()
