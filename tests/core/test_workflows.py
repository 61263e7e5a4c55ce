"""The workflows parse, every medbench command in them is one, and no input can become a part of a script."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from medbench.cli import cli

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HOWTO = ROOT / "docs/howto/ci.md"
_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def loaded(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return document


def scripts(document: dict[Any, Any]) -> list[str]:
    return [step["run"] for job in document["jobs"].values() for step in job.get("steps", ()) if "run" in step]


def check_command(line: str) -> None:
    """Parse a medbench command as the program does, without running it."""
    stands_for = {"$MISSING": "--fail-on-missing", "$TOLERANCE": "0.5"}
    _, name, *arguments = [stands_for.get(part, part) for part in shlex.split(line)]
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None, line
    if isinstance(command, click.Group):
        command = command.get_command(context, arguments.pop(0))
        assert command is not None, line
    command.make_context(name, arguments, parent=context)


def test_there_are_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "medbench-gate.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_medbench_command_in_a_workflow_is_valid(path: Path) -> None:
    lines = [line.strip() for script in scripts(loaded(path)) for line in script.splitlines()]
    commands = [line for line in lines if line.startswith("medbench ")]
    assert commands
    for command in commands:
        check_command(command)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_script_holds_an_expression(path: Path) -> None:
    for script in scripts(loaded(path)):
        assert "${{" not in script
    assert loaded(path)["permissions"] == {"contents": "read"}


def test_a_wrong_command_would_be_found() -> None:
    with pytest.raises(click.NoSuchOption):
        check_command('medbench compare --fail-on-regresion "$BASE" "$NEW"')
    with pytest.raises(click.MissingParameter):
        check_command('medbench compare "$BASE"')


def test_what_ci_runs_is_there() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    assert (ROOT / ".ci/run").is_file() and ".ci/run" in text
    environments = re.findall(r"tox run -e (\w+)", text)
    assert environments and all(f"[testenv:{name}]" in (ROOT / "tox.ini").read_text() for name in environments)


def test_the_how_to_calls_the_gate_with_inputs_that_it_has() -> None:
    inputs = loaded(ROOT / ".github/workflows/medbench-gate.yml")[True]["workflow_call"]["inputs"]  # YAML reads "on" so
    callers = [yaml.safe_load(text) for kind, text in _FENCE.findall(HOWTO.read_text()) if kind == "yaml"]
    given = [job["with"] for caller in callers for job in caller["jobs"].values() if "with" in job]
    required = {name for name, one in inputs.items() if one.get("required")}
    assert given and required == {"base", "install"}
    for one in given:
        assert required <= set(one) <= set(inputs)
        assert "medbench @ git+https://" in one["install"]  # it is on no index


def test_no_pull_request_of_a_stranger_runs_on_a_machine_of_ones_own() -> None:
    callers = [yaml.safe_load(text) for kind, text in _FENCE.findall(HOWTO.read_text()) if kind == "yaml"]
    own = [job for one in callers for job in one["jobs"].values() if "self-hosted" in job["with"].get("runs-on", "")]
    assert own
    for job in own:
        assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_every_command_of_the_how_to_is_valid() -> None:
    commands = re.findall(r"^ +(medbench .*)$", HOWTO.read_text(), re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        check_command(command)
