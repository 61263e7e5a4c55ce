"""``medbench checkpoint``: what a file of weights is, and what of it would be loaded."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medbench.cli.options import Settings, load_registry, print_json, settings_options
from medbench.errors import MissingCheckpointError
from medbench.untrusted import listed, shown

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from medbench.inspection import Candidate, Inspection
    from medbench.layouts import KeyReading
    from medbench.open_places import OpenPlace
    from medbench.registry import Registry
    from medbench.selection import MethodChoice

_MOST_NOTES = 12


@click.group("checkpoint")
def checkpoint_command() -> None:
    """Files of weights: which method they are of."""


@checkpoint_command.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--method", metavar="ID[@VARIANT]", help="Compare with that method alone.")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def inspect_command(settings: Settings, file: Path, method: str | None, as_json: bool) -> int:
    """Say which known method and variant FILE is of, what would be loaded, what is ignored and what is missing.

    Nothing in the file is run. FILE may be a folder, of which it is said whether an open family reads it.

    Exit 0 where the file is of a known method and whole, at least for images, or an open family reads it; 1 where it can be
    read but is of no known method, or of one and incomplete; 3 where it cannot be read, or is refused as unsafe.
    """
    from medbench.open_places import open_place

    registry = load_registry(settings, only="methods")
    choices = _choices(registry, method)
    place = open_place(file, registry.methods.values(), settings.checkpoints)
    if file.is_dir():
        return _tell_folder(file, place, as_json=as_json)
    if not file.exists():
        raise MissingCheckpointError(f"no file at {file}")
    with _status():
        from medbench.inspection import inspect

        found = inspect(file, choices)
    uses = _uses(found, settings)
    if as_json:
        print_json(found.as_dict() | {"open": list(place.names), "use": uses})
    else:
        _echo_contents(found)
        _echo_methods(found, f"method '{shown(method)}'" if method else "any known method")
        _echo_uses(found, uses, place)
    return 0 if found.state == "known" or (place.names and method is None) else 1


def _choices(registry: Registry, method: str | None) -> list[MethodChoice]:
    from medbench.inspection import choices_named, choices_of

    if method is None:
        return choices_of(registry.methods.values())
    name, at, variant = method.partition("@")
    return choices_named(registry.method(name), variant if at else None)


def _status() -> AbstractContextManager[Any]:
    """A line that turns while torch and the methods are imported; nothing where nobody watches."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.status("reading the file, and what the methods look like") if console.is_terminal else nullcontext()


def _tell_folder(folder: Path, place: OpenPlace, *, as_json: bool) -> int:
    files = sorted(one.name for one in folder.iterdir() if one.is_file())
    if as_json:
        print_json({"folder": str(folder), "open": list(place.names), "notes": list(place.reasons), "files": files})
        return 0 if place.names else 1
    if place.names:
        click.echo(f"{shown(folder)}: a folder that an open family reads")
        click.echo(f"\nUse it\n  medbench run --methods {_quoted(place.names[0])} --tasks ...")
        return 0
    click.echo(f"{shown(folder)}: a folder that no open family reads, with {listed(files) or 'no files'}")
    for reason in place.reasons:
        click.echo(f"  {shown(reason, 400)}")
    click.echo("Inspect one of its files.")
    return 1


def _echo_contents(found: Inspection) -> None:
    contents = found.contents
    form = (
        f"a checkpoint of {contents.trainer} ({contents.form})"
        if contents.trainer
        else f"a checkpoint ({contents.form})"
    )
    click.echo(f"{shown(contents.path.name)}: {form}, {contents.size / 1e6:,.1f} MB")
    types = ", ".join(f"{count:,} {shown(name)}" for name, count in contents.dtypes.items())
    under = f" under {shown(contents.under)}" if contents.under else ""
    click.echo(f"  tensors   {len(contents.shapes):,}{under}, {contents.parameters:,} numbers: {types}")
    if contents.phantom:
        click.echo("  phantom   yes: its weights were drawn by medbench phantom")
    for name, text in list(contents.beside.items())[:_MOST_NOTES]:
        click.echo(f"  beside    {shown(name, 60)}: {text}")
    if len(contents.beside) > _MOST_NOTES:
        click.echo(f"  beside    {len(contents.beside) - _MOST_NOTES:,} more")
    if contents.unread:
        click.echo(f"  not read  {listed(contents.unread)}")
    for problem in found.problems[:_MOST_NOTES]:
        click.echo(f"warning: {shown(problem, 400)}", err=True)


def _echo_methods(found: Inspection, asked: str) -> None:
    click.echo("")
    if found.whole:
        first, *others = found.whole
        _echo_head(first, _images_only(first))
        _echo_readings(found, first)
        for other in others:
            click.echo(
                f"it also fits {_either(other)}, of which {other.fitting:,} tensors would be loaded{_images_only(other)}"
            )
        return
    if not found.nearest:
        click.echo(f"Not of {asked}: none of its tensors fits.")
        return
    first, *others = found.nearest
    if found.state == "incomplete":
        _echo_head(first, ", incomplete")
        _echo_readings(found, first)
        for other in others:
            click.echo(f"less near: {_either(other)}, {other.fitting:,} of its {other.needed:,} tensors")
        return
    click.echo(f"Not of {asked}. The nearest:")
    for one in found.nearest:
        _echo_head(one, f", {one.fitting:,} of its {one.needed:,} tensors")
        _echo_readings(found, one)


def _echo_head(candidate: Candidate, end: str) -> None:
    click.echo(_either(candidate) + end)
    if len(candidate.names) > 1:
        click.echo("  same keys: the file does not say which")


def _images_only(candidate: Candidate) -> str:
    """``, images only: its texts would be refused, 199 keys missing``; nothing where all of it fits."""
    if not candidate.refused:
        return ""
    matchings = [one.matching for one in candidate.refused]
    counts = {
        "missing": sum(len(one.missing) for one in matchings),
        "unexpected": sum(len(one.unexpected) for one in matchings),
        "of another shape": sum(len(one.misshapen) for one in matchings),
    }
    what, count = next((what, count) for what, count in counts.items() if count)
    return f", images only: its texts would be refused, {count:,} key{'s' if count > 1 else ''} {what}"


def _either(candidate: Candidate) -> str:
    return " or ".join(candidate.names)


def _echo_readings(found: Inspection, candidate: Candidate) -> None:
    width = max(len(one.part) for one in candidate.readings)
    for reading in candidate.readings:
        matching = reading.matching
        numbers = f"{matching.fitting:,} tensors, {found.parameters_of(reading):,} numbers"
        click.echo(f"  {reading.part.ljust(width)}  {reading.layout}: {numbers}")
        ignored = _groups(matching.ignored)
        if ignored:
            click.echo(f"  {' ' * width}  ignored {len(matching.ignored):,}: {ignored}")
        complaint = _complaint(reading)
        if complaint:
            click.echo(f"  {' ' * width}  {complaint}")


def _groups(keys: tuple[str, ...]) -> str:
    from medbench.inspection import grouped

    return ", ".join(f"{name} {count:,}" for name, count in grouped(keys).items())


def _complaint(reading: KeyReading) -> str:
    """What does not fit, the first few by name and the rest by what they start with."""
    matching = reading.matching
    text = matching.complaint() or ""
    many = {"missing": matching.missing, "unexpected": matching.unexpected}
    rest = [f"{what}: {_groups(keys)}" for what, keys in many.items() if len(keys) > 3]
    return "; ".join([text, *rest])


def _uses(found: Inspection, settings: Settings) -> list[str]:
    """The lines of settings that use a whole file; none for one that lies where it is looked for."""
    lines = []
    for choice in found.whole[0].choices if found.state == "known" else ():
        source = choice.variant.checkpoint
        path = found.contents.path.resolve()
        if (
            source is None
            or settings.checkpoint_path(choice.spec.id, choice.variant.id, source.filename).resolve() == path
        ):
            continue
        lines.append(f"{json.dumps(choice.id)} = {json.dumps(str(path), ensure_ascii=False)}")
    return lines


def _echo_uses(found: Inspection, uses: list[str], place: OpenPlace) -> None:
    if found.is_misplaced:
        under = shown(found.contents.under)
        click.echo(f"\nIts tensors lie under '{under}', where methods do not look: save them again under 'state_dict'.")
    if found.state == "known":
        first = found.whole[0].names[0]
        click.echo("\nUse it")
        if uses:
            click.echo("  in medbench.toml, one of:" if len(uses) > 1 else "  in medbench.toml:")
            click.echo("\n  [checkpoints]")
            for line in uses:
                click.echo(f"  {shown(line, 1000)}")
            click.echo("")
        else:
            click.echo("  it lies where medbench looks for it")
        click.echo(f"  medbench run --methods {first} --tasks ...")
    for name in place.names:
        click.echo(f"\nAn open family reads it: medbench run --methods {_quoted(name)} --tasks ...")


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(shown(name, 1000))
