"""The command line, from click: every command and every option with its help."""

from __future__ import annotations

from collections.abc import Iterator

import click
from writing import code, escape, page, table

from medbench.cli import cli


def command_page() -> str:
    """A section a command, subcommands after their group."""
    parts = [text for name, command in _commands(cli, "medbench") for text in _section(name, command)]
    lead = "Made from the program itself: what `medbench COMMAND --help` prints."
    return page("# Commands", lead, *parts)


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=name)
    for one in group.list_commands(context):
        command = group.get_command(context, one)
        if command is None:
            continue
        yield f"{name} {one}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {one}")


def _section(name: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [
        (code(", ".join((*one.opts, *one.secondary_opts)) + _value(one)), escape(one.help or ""))
        for one in command.params
        if isinstance(one, click.Option) and not one.hidden
    ]
    text = "\n\n".join(escape(block) for block in (command.help or "").replace("\b", "").split("\n\n"))
    return [f"## {name}", f"```text\n{usage}\n```", text, table(("option", "meaning"), rows)]


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    return f" {option.metavar or option.type.name.upper()}"
