"""The command line, from click: every command and every option with its help."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import click

from generate.writing import code, escape, page, prose, table
from medbench.cli import cli
from medbench.cli.options import request_options, settings_options

_SHARED = (
    ("Options that choose trials", request_options),
    ("Options for settings", settings_options),
)


def command_page() -> str:
    """A section a command, subcommands after their group; options that many commands share stand once, at the end."""
    parts = [text for name, command in commands(cli, "medbench") for text in _section(name, command)]
    lead = "Made from the program itself: what `medbench COMMAND --help` prints."
    shared = [part for title, given in _SHARED for part in (f"## {title}", _options(_given(given)))]
    return page("# Commands", lead, *parts, *shared)


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group with its full name, ``medbench data prepare``."""
    context = click.Context(group, info_name=name)
    for one in group.list_commands(context):
        command = group.get_command(context, one)
        if command is None:
            continue
        yield f"{name} {one}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {one}")


def _section(name: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    own = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    parts = [f"## {name}", f"```text\n{usage}\n```", *map(_block, inspect.cleandoc(command.help or "").split("\n\n"))]
    further = []
    for title, given in _SHARED:
        shared = {(one.name, one.help) for one in _given(given)}
        if shared <= {(one.name, one.help) for one in own}:
            own = [one for one in own if (one.name, one.help) not in shared]
            further.append(f"[{title[0].lower()}{title[1:]}](#{title.lower().replace(' ', '-')})")
    return [*parts, _options(own), f"And the {' and the '.join(further)}." if further else ""]


def _block(text: str) -> str:
    """A paragraph of help; one whose lines click keeps as they are (after ``\\b``) is a block of text."""
    return f"```text\n{text[1:].strip(chr(10))}\n```" if text.startswith("\b") else prose(text)


def _given(decorator: object) -> list[click.Option]:
    """The options that a shared decorator adds."""

    def nothing() -> None: ...

    wrapped = decorator(nothing)  # type: ignore[operator]
    return [one for one in reversed(wrapped.__click_params__) if isinstance(one, click.Option)]


def _options(options: Iterable[click.Option]) -> str:
    rows = [(code(", ".join((*one.opts, *one.secondary_opts)) + _value(one)), escape(_help(one))) for one in options]
    return table(("option", "meaning"), rows)


def _help(option: click.Option) -> str:
    text = option.help or ""
    if option.required:
        text += " Needed."
    if option.show_default and option.default not in (None, ""):
        text += f" Default: {option.default}."
    return text.strip()


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    choices = option.type.choices if isinstance(option.type, click.Choice) else None
    return f" {option.metavar or ('|'.join(map(str, choices)) if choices else option.type.name.upper())}"
