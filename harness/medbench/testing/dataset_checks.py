"""Holding a dataset to the contract: its spec, its phantom, its reader, and what that makes of spoilt folders."""

from __future__ import annotations

import contextlib
import filecmp
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from medbench import preparation
from medbench.datasets import DatasetFiles, locate
from medbench.loading import resolve
from medbench.phantom import PhantomRequest, write_phantom
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.samples import PhantomSize, RawDataset
from medbench.settings import Settings
from medbench.specs import DatasetSpec
from medbench.testing.contract import Check, Finding, LeftOut, Report, attempt
from medbench.testing.damage_checks import check_absent_files, check_spoilt_files
from medbench.testing.fresh import ask
from medbench.testing.guards import SharedState, check_network, check_state, no_network
from medbench.testing.questions import READING, raw_digest
from medbench.testing.sample_checks import check_raw
from medbench.testing.spec_checks import check_dataset_spec, check_light, owner_of

SIZE = PhantomSize(images=24, side=64, seed=0)
FAULTS = frozenset(
    {
        "missing-image",
        "unreadable-image",
        "path-escape",
        "mask-size",
        "region-outside",
        "box-outside",
        "duplicate-id",
    }
)
"""Problems that the core meets while it prepares; a phantom, which its author draws, should have none of them."""


def dataset_report(name: str, registry: Registry, *, root: Path | None = None) -> Report:
    """The checks of a dataset on its phantom, or on the real files in ``root``, which are read and never written.

    What a reader makes of absent and spoilt files is tried on the phantom. Raises `UnknownNameError` where no plugin has it.
    """
    spec = registry.dataset(name)
    owner = owner_of("dataset", name, registry)
    light = check_light(owner) if owner is not None else ()
    with tempfile.TemporaryDirectory() as folder:
        return Report.of(f"dataset {name}", chain(light, check_dataset(spec, Path(folder), root)))


def draw(spec: DatasetSpec, folder: Path, size: PhantomSize = SIZE) -> None:
    """The dataset's phantom in ``folder/data/<id>``, marked as one."""
    write_phantom(PhantomRequest(folder, [spec], [], size), lambda _: None)


def check_dataset(spec: DatasetSpec, folder: Path, root: Path | None = None) -> Check:
    """As `dataset_report`, of a spec; ``folder`` is an empty one to work in."""
    where = f"dataset {spec.id}"
    yield from check_dataset_spec(spec)
    if root is None and spec.phantom is None:
        mend = (
            "give the spec a phantom that draws a small stand-in in the official form, or name a folder with the data"
        )
        yield Finding(where, "its reader could not be tried", mend)
        return
    with no_network(spec.reader.partition(".")[0].partition(":")[0]) as tried:
        shared = SharedState()
        if spec.phantom is not None:
            yield from _check_phantom(spec, folder)
            yield from check_state(where, shared, "drawing its phantom")
        if root is not None or spec.phantom is not None:
            files = _files(spec, root or folder / "a" / "data" / spec.id, folder / "cache")
            yield from _check_reading(files, drawn=root is None)
        if spec.phantom is not None and (folder / "a" / "data" / spec.id).is_dir():
            copy = _files(spec, folder / "b" / "data" / spec.id, folder / "cache-of-copy")
            yield from check_absent_files(copy)
            yield from check_spoilt_files(copy)
        yield from check_state(where, shared, "reading it")
    yield from check_network(where, tried, "read the files of the dataset's folder alone")


def _check_phantom(spec: DatasetSpec, folder: Path) -> Check:
    where = f"dataset {spec.id}"
    imported = attempt(where, "importing its phantom", lambda: resolve(str(spec.phantom), where))
    if isinstance(imported, Finding | LeftOut):
        yield _as_finding(imported)
        return
    empty = folder / "empty"
    empty.mkdir()
    for name in ("a", "b"):
        with contextlib.chdir(empty):
            drawn = attempt(where, "drawing its phantom", lambda name=name: draw(spec, folder / name))  # type: ignore[misc]
        if isinstance(drawn, Finding | LeftOut):
            yield _as_finding(drawn)
            return
    first, second = folder / "a", folder / "b"
    if any(empty.iterdir()) or sorted(one.name for one in (first / "data").iterdir()) != [spec.id]:
        yield Finding(where, "its phantom writes outside of the folder that it is given")
    names = _names(first)
    if names != _names(second) or filecmp.cmpfiles(first, second, names, shallow=False)[1:] != ([], []):
        mend = "draw everything from numpy.random.default_rng(size.seed), and write no time or path"
        yield Finding(where, "its phantom is another one each time, with the same seed", mend)
    for expected in _files(spec, first / "data" / spec.id, folder).missing:
        mend = "write the official form: that is what the reader is tried on"
        yield Finding(where, f"its phantom lacks {expected.path}, which the spec requires", mend)


def _check_reading(files: DatasetFiles, *, drawn: bool) -> Check:
    spec, where = files.spec, f"dataset {files.spec.id}"
    before = _listing(files.root)
    read: Callable[[Path], RawDataset] | Finding | LeftOut = attempt(
        where, "importing its reader", lambda: resolve(spec.reader, where)
    )
    if isinstance(read, Finding | LeftOut):
        yield read
        return
    absent = attempt(where, "its files", files.require)
    if isinstance(absent, Finding | LeftOut):
        yield _as_finding(absent)
        return
    raws = [attempt(where, "reading it", lambda: read(files.root)) for _ in range(2)]
    if isinstance(raws[0], Finding | LeftOut):
        yield _as_finding(raws[0])
        return
    if not isinstance(raws[0], RawDataset):
        yield Finding(where, f"its reader gives a {type(raws[0]).__name__}", "give a medbench.samples.RawDataset")
        return
    if raws[0] != raws[1]:
        mend = "sort what a folder lists, and draw nothing without a fixed seed"
        yield Finding(where, "its reader gives something else the second time", mend)
    else:
        yield from _check_elsewhere(files, raws[0])
    yield from check_raw(spec, raws[0])
    yield from _check_prepared(files, drawn=drawn)
    if _listing(files.root) != before:
        yield Finding(where, "reading it changed its folder", "the raw files are the user's: read them only")


def _check_elsewhere(files: DatasetFiles, raw: RawDataset) -> Check:
    """Another process, in which texts hash otherwise, reads the same."""
    where = f"dataset {files.spec.id}"
    found = attempt(
        where, "reading it in a process of its own", lambda: ask(READING, files.spec.reader, files.root.resolve())
    )
    if isinstance(found, Finding | LeftOut):
        yield _as_finding(found)
    elif found != raw_digest(raw):
        yield Finding(where, "its reader gives another order in another process", "sort what comes from a set")


def _check_prepared(files: DatasetFiles, *, drawn: bool) -> Iterator[Finding | LeftOut]:
    where = f"dataset {files.spec.id}"

    def examined(*, allow_incomplete: bool = False) -> preparation.Examined | Finding | LeftOut:
        how = {"allow_incomplete": allow_incomplete}
        return attempt(where, "preparing it", lambda: preparation.examine(files, Reporter(), **how))

    first, second = examined(), examined()
    whole = first if isinstance(first, preparation.Examined) else examined(allow_incomplete=True)
    problems = whole.info.problems if isinstance(whole, preparation.Examined) else []
    for group in problems:
        said = f"{group.count} times {group.kind} (first: {group.examples[0]})"
        if not drawn:
            yield LeftOut(where, f"what preparing it passes over: {said}")
        elif group.kind in FAULTS:
            yield Finding(where, f"of its phantom, {said}")
    if not isinstance(first, preparation.Examined):
        if not drawn or not FAULTS & {group.kind for group in problems}:  # else the faults say more
            yield _as_finding(first)
    elif isinstance(second, preparation.Examined) and first.info.sha256 != second.info.sha256:
        yield Finding(where, "preparing it twice gives two manifests", "read in a fixed order")


def _as_finding(outcome: Finding | LeftOut) -> Finding:
    """Files that are there, or that the author named, must not be called absent."""
    return outcome if isinstance(outcome, Finding) else Finding(outcome.where, outcome.why)


def _files(spec: DatasetSpec, root: Path, cache: Path) -> DatasetFiles:
    return locate(spec, Settings(data_overrides={spec.id: root}, cache=cache))


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _listing(root: Path) -> list[tuple[str, int, int]]:
    """Every file below with its size and time of change."""
    found = ((path, path.stat()) for path in root.rglob("*") if path.is_file())
    return sorted((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in found)
