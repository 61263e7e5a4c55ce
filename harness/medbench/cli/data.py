"""``medbench data prepare|verify|status``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from medbench.cli.catalogue import echo_table
from medbench.cli.options import Settings, load_registry, pixel_options, print_json, settings_options
from medbench.datasets import DatasetFiles, ManifestInfo, locate
from medbench.errors import MedbenchError, MissingDataError
from medbench.progress import make_reporter
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
    """Read raw files once into manifests. DATASETS is a selection; absent ones are skipped when it is 'all'."""
    from medbench.preparation import prepare

    code = 0
    places = [files for files in _locate(datasets, settings) if datasets != "all" or files.root.is_dir()]
    if not places:
        raise MissingDataError(f"no dataset found under {settings.data}", fix="medbench data status")
    with make_reporter(as_json=False) as reporter:
        for files in places:
            try:
                info = files.info() if files.present and not force else None
                if info is None:
                    info = prepare(files, reporter, allow_incomplete=allow_incomplete)
                say_problems(info, reporter.message)
            except MedbenchError as error:
                code = error.exit_code
                reporter.message(f"error: {error}")
    return code


@data_command.command("verify", context_settings={"ignore_unknown_options": True})
@click.argument("datasets")
@settings_options
def verify_command(datasets: str, settings: Settings) -> int:
    """Decode every image again, report on the data, and compare with the manifest.

    Exit 3 where something is missing, has changed, or leaks from one part into another.
    """
    from medbench.preparation import examine

    code = 0
    with make_reporter(as_json=False) as reporter:
        for files in _locate(datasets, settings):
            before = files.info() if files.present else None
            try:
                info = examine(files, reporter, allow_incomplete=True).info
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
    return code


@data_command.command("status")
@click.argument("datasets", default="all")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status_command(datasets: str, settings: Settings, as_json: bool) -> None:
    """Say which datasets are here, complete and prepared."""
    rows = [_status(files) for files in _locate(datasets, settings)]
    if as_json:
        print_json(rows)
        return
    heading = ("dataset", "state", "samples", "problems", "where")
    echo_table([heading, *(tuple(str(row[name]) for name in heading) for row in rows)])


def say_problems(info: ManifestInfo, say: Callable[[str], None]) -> None:
    """A line on what was prepared, and one for each kind of problem with its first examples."""
    phantom = " (phantom)" if info.phantom else ""
    parts = "; ".join(
        f"{split} {'/'.join(str(sizes.get(part, 0)) for part in ('train', 'valid', 'test'))}"
        for split, sizes in info.parts.items()
    )
    say(f"{info.dataset}{phantom}: {info.samples:,} of {info.expected_samples:,} samples usable; {parts}")
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


def _status(files: DatasetFiles) -> dict[str, Any]:
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
        "where": str(files.root),
    }
