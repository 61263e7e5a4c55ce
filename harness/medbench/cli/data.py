"""``medbench data prepare|verify|status``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from medbench.cli.catalogue import echo_table
from medbench.cli.options import Settings, load_registry, pixel_options, print_json, settings_options
from medbench.datasets import DatasetFiles, ManifestInfo, locate
from medbench.errors import MedbenchError, MissingDataError
from medbench.pixels.places import folder_of, in_words, size_of
from medbench.progress import Reporter, make_reporter
from medbench.selection import select_datasets

_BENIGN = frozenset({"count", "box-clipped", "duplicate-pixels", "colliding-name"})


@click.group("data")
def data_command() -> None:
    """Prepare, verify and look at datasets."""


@data_command.command("prepare", context_settings={"ignore_unknown_options": True})
@click.argument("datasets", default="all")
@settings_options
@pixel_options
@click.option("--force", is_flag=True, help="Prepare again although nothing seems to have changed.")
@click.option("--allow-incomplete", is_flag=True, help="Go on although over 5 % of the images are unusable.")
def prepare_command(datasets: str, settings: Settings, force: bool, allow_incomplete: bool) -> int:
    """Read raw files once into manifests, and keep the decoded pixels where the disk has room.

    DATASETS is a selection; absent ones are skipped when it is 'all'. With --force nothing kept is used.
    """

    code = 0
    places = [files for files in _locate(datasets, settings) if datasets != "all" or files.root.is_dir()]
    if not places:
        raise MissingDataError(f"no dataset found under {settings.data}", fix="medbench data status")
    with make_reporter(as_json=False) as reporter:
        for files in places:
            try:
                say_problems(
                    prepared(files, reporter, force=force, allow_incomplete=allow_incomplete), reporter.message
                )
            except MedbenchError as error:
                code = error.exit_code
                reporter.message(f"error: {error}")
    return code


def prepared(files: DatasetFiles, reporter: Reporter, *, force: bool, allow_incomplete: bool) -> ManifestInfo:
    """Prepare it, or only keep its pixels, unless that was done."""
    from medbench.pixels.keeping import lacks_pixels
    from medbench.preparation import is_whole, prepare, sources_hold

    say = reporter.message
    info = files.info() if files.present and not force else None
    if info is None or not is_whole(files, info) or not sources_hold(files, info, reporter):
        side = None if info is None else info.side
        return prepare(files, reporter, allow_incomplete=allow_incomplete, force=force, side=side, say=say)
    if not lacks_pixels(files, info, say):
        return info
    incomplete = allow_incomplete or info.samples < info.expected_samples  # it was allowed before
    return prepare(files, reporter, allow_incomplete=incomplete, side=info.side, lacking=info, say=say)


@data_command.command("verify", context_settings={"ignore_unknown_options": True})
@click.argument("datasets")
@settings_options
def verify_command(datasets: str, settings: Settings) -> int:
    """Decode every image again, report on the data, and compare with the manifest; check every kept picture too.

    Exit 3 where something is missing, has changed, or leaks from one part into another.
    """
    from medbench.preparation import examine

    code = 0
    with make_reporter(as_json=False) as reporter:
        for files in _locate(datasets, settings):
            before = files.info() if files.present else None
            try:
                side = before.side if before is not None else None
                info = examine(files, reporter, allow_incomplete=True, side=side).info
            except MedbenchError as error:
                code = error.exit_code
                reporter.message(f"error: {error}")
                continue
            say_problems(info, reporter.message)
            _say_contents(info, reporter.message)
            if before is not None and before.sha256 != info.sha256:
                code = MissingDataError.exit_code
                fix = f"medbench data prepare {info.dataset} --force"
                reporter.message(f"{info.dataset}: the content has changed since it was prepared - {fix}")
            if any(group.kind not in _BENIGN for group in info.problems):
                code = MissingDataError.exit_code
            if before is not None and not kept_are_sound(files, before, reporter):
                code = MissingDataError.exit_code
    return code


@data_command.command("status")
@click.argument("datasets", default="all")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status_command(datasets: str, settings: Settings, as_json: bool) -> None:
    """Say which datasets are here, complete and prepared."""
    rows = [status_of(files) for files in _locate(datasets, settings)]
    if as_json:
        print_json(rows)
        return
    heading = ("dataset", "state", "samples", "problems", "side", "pixels", "where")
    for row in rows:
        row["pixels"] = in_words(row["pixels"]) if row["pixels"] else ""
    echo_table([heading, *(tuple(str(row[name]) for name in heading) for row in rows)])


def kept_are_sound(files: DatasetFiles, info: ManifestInfo, reporter: Reporter) -> bool:
    """Look at every kept picture, at whatever side, and say what was found; damaged shards are dropped, to be made again."""
    from medbench.pixels.keeping import drop_shards
    from medbench.pixels.places import read_state, sides_of
    from medbench.pixels.store import flaw, verify

    sound = True
    for folder in sides_of(files.pixels) if files.pixels is not None else []:
        state = read_state(folder)
        prepared = files.pixels is not None and folder == folder_of(files.pixels, info.side)
        wrong = flaw(folder, state) if prepared and state is not None else ""
        looked = [one for one in reporter.track(verify(folder), "verify")]
        damaged = [one for one in looked if not one.sound]
        found = f"{info.dataset}: {len(looked):,} pictures kept at side {folder.name.rpartition('-')[2]}"
        fix = f"medbench data prepare {info.dataset}"
        if damaged:
            told = f"{len(damaged):,} damaged (first: {damaged[0].path})"
            if drop_shards(folder, {one.shard for one in damaged}):
                fix += "" if prepared or state is None else f" --side {state.side}"
                reporter.message(f"{found}, {told}; their shards are dropped - {fix}")
            else:
                reporter.message(f"{found}, {told} - {fix} --force")
        else:
            reporter.message(f"{found}, but {wrong} - {fix}" if wrong else f"{found}, all sound")
        sound = sound and not damaged and not wrong
    return sound


def say_problems(info: ManifestInfo, say: Callable[[str], None]) -> None:
    """A line on what was prepared, and one for each kind of problem with its first examples."""
    phantom = " (phantom)" if info.phantom else ""
    parts = "; ".join(
        f"{split} {'/'.join(str(sizes.get(part, 0)) for part in ('train', 'valid', 'test'))}"
        for split, sizes in info.parts.items()
    )
    reduced = f"; {info.reduced:,} images read at side {info.side}" if info.reduced else ""
    say(f"{info.dataset}{phantom}: {info.samples:,} of {info.expected_samples:,} samples usable; {parts}{reduced}")
    for group in info.problems:
        say(f"  {group.count} x {group.kind}: {'; '.join(group.examples[:2])}{' ...' if group.count > 2 else ''}")


def _say_contents(info: ManifestInfo, say: Callable[[str], None]) -> None:
    """Labels part by part, and the range of the pixels."""
    if info.intensity is not None:
        one = info.intensity
        say(f"  pixels from {one.lowest} to {one.highest}, mean {one.mean:g}")
    for name, counts in info.labels.items():
        for one_label in counts:
            known = sum(one_label.values.values())
            values = ", ".join(f"{number:,} {value}" for value, number in one_label.values.items())
            doubtful = "".join(
                f", {number:,} {word}"
                for word, number in (("uncertain", one_label.uncertain), ("unknown", one_label.unknown))
                if number
            )
            share = (
                f" ({one_label.values.get('present', 0) / known:.2%} present)"
                if known and len(one_label.values) == 2
                else ""
            )
            say(f"  {name} {one_label.label}: {values}{doubtful}{share}")


def _locate(selection: str, settings: Settings) -> list[DatasetFiles]:
    registry = load_registry(settings)
    return [locate(registry.datasets[name], settings) for name in select_datasets(selection, registry)]


def status_of(files: DatasetFiles) -> dict[str, Any]:
    """A row of ``data status``; ``side`` and ``pixels`` (bytes kept at it) are of what was prepared."""
    info = files.info() if files.present else None
    if info is not None:
        state = "prepared"
    elif files.present:
        state = "not prepared"
    elif files.root.is_dir():
        state = "lacks " + ", ".join(one.path for one in files.missing)
    else:
        state = "absent"
    return {
        "dataset": files.spec.id,
        "state": f"{state} (phantom)" if files.phantom else state,
        "samples": info.samples if info is not None else "",
        "problems": sum(group.count for group in info.problems) if info is not None else "",
        "side": (info.side or "full") if info is not None else "",
        "pixels": size_of(folder_of(files.pixels, info.side)) if info is not None and files.pixels is not None else 0,
        "where": str(files.root),
    }
