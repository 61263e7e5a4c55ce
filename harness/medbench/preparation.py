"""From a dataset's raw files to its manifest: read, decode every image once, check, report, write, keep the pixels.

What is wrong is reported and passed over; only a dataset that could not give a comparable number is refused.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from medbench import datasets, manifest, manifest_files
from medbench.audit import audit, intensity, label_counts, part_sizes
from medbench.checking import Checked, check_images, picture_sizes
from medbench.checkpoints import sha256_of
from medbench.datasets import DatasetFiles, ManifestInfo, ProblemGroup
from medbench.errors import MissingDataError, StoreError
from medbench.files import write_atomically, write_bytes_atomically
from medbench.loading import resolve
from medbench.manifest import ImageFacts, Manifest
from medbench.pixels import sources
from medbench.pixels.decoding import wanted_of
from medbench.pixels.keeping import Keeping, Say, keeping, say_nothing, wanted_of_manifest
from medbench.pixels.places import folder_of, mark_used
from medbench.pixels.reducing import reduced_size
from medbench.pixels.sources import Sources, Stamp
from medbench.pixels.store import KeptPixels
from medbench.protocols import PhaseReporter
from medbench.samples import Problem, RawDataset

TOLERATED_SHARE_LOST = 0.05
"""More unusable images than this and a result would not compare: the dataset is refused unless told otherwise."""

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Examined:
    """A dataset as its raw files are now; nothing is written yet."""

    table: pa.Table
    info: ManifestInfo
    files: Mapping[str, tuple[Stamp, ImageFacts]]


def prepare(
    files: DatasetFiles,
    progress: PhaseReporter,
    *,
    allow_incomplete: bool = False,
    force: bool = False,
    side: int | None = None,
    lacking: ManifestInfo | None = None,
    say: Say = say_nothing,
) -> ManifestInfo:
    """Make the manifest of a dataset, write it to the cache, and keep its pixels where that is wanted and there is room.

    What is kept already is not decoded again, unless ``force`` drops it first. ``side`` is in place of the files' own.
    ``lacking`` is of a manifest that is sound, only its pixels are not kept: where they cannot be, it is given back at once.
    Raises as `examine` does, and `StoreError` where pixels were always to be kept and the disk does not take them: the
    manifest is then made.
    """
    files.require()
    with keeping(files, files.side_to_prepare if side is None else side, say, force=force) as pass_:
        if lacking is not None and not pass_.allowed:
            return lacking
        examined = _examined(files, progress, pass_, allow_incomplete)
        pass_.settle()
        write_atomically(files.table_path, lambda path: manifest_files.write_table(examined.table, path))
        listed = sources.build((name, stamp, facts.sha256) for name, (stamp, facts) in examined.files.items())
        write_bytes_atomically(files.sources_path, listed.tobytes())
        info = msgspec.structs.replace(
            examined.info, table_sha256=sha256_of(files.table_path), sources_sha256=sources.digest_of(listed)
        )
        write_bytes_atomically(files.info_path, msgspec.json.format(msgspec.json.encode(info)))
        pass_.finish(listed, info)
    return info


def examine(
    files: DatasetFiles, progress: PhaseReporter, *, allow_incomplete: bool = False, side: int | None = None
) -> Examined:
    """Read a dataset's raw files and decode every image, whatever is kept; ``side`` is in place of the files' own.

    Raises `MissingDataError` where required files are absent, or where over 5 % of the images are missing or unreadable
    and ``allow_incomplete`` is false.
    """
    side = files.side_to_prepare if side is None else side
    return _examined(files, progress, Keeping(files, side, say_nothing, allowed=False), allow_incomplete)


def _examined(files: DatasetFiles, progress: PhaseReporter, pass_: Keeping, allow_incomplete: bool) -> Examined:
    files.require()
    spec = files.spec
    signature = files.signature()
    raw: RawDataset = resolve(spec.reader, f"dataset '{spec.id}'")(files.root)
    wanted = wanted_of(raw.samples)
    checked = check_images(raw.samples, files.root, progress, wanted=wanted, keeper=pass_.keeper(wanted))
    check_losses(raw, checked, spec.id, str(files.root), allow_incomplete=allow_incomplete)
    label_names = spec.label_names if raw.label_names is None else raw.label_names
    table = manifest.build_table(checked.samples, label_names, checked.facts)
    table = _with_splits(table, raw.splits)
    problems = [*raw.problems, *checked.problems, *audit(spec, table, checked.facts)]
    if files.phantom:  # a phantom is never of the published size
        problems = [problem for problem in problems if problem.kind not in {"count", "test-count"}]
    sizes = picture_sizes(checked)
    smaller = sum(reduced_size(*size, pass_.side) != size for size in sizes)
    info = ManifestInfo(
        format=datasets.FORMAT,
        dataset=spec.id,
        dataset_version=spec.version,
        signature=signature,
        sha256=manifest_files.content_hash(
            table,
            dataset=spec.id,
            version=spec.version,
            names=(
                label_names,
                spec.label_values,
                spec.box_names,
                ["colour"] if spec.colour else [],
                *([["side", str(pass_.side)]] if smaller else []),
            ),
        ),
        table_sha256="",
        phantom=files.phantom,
        samples=table.num_rows,
        expected_samples=_expected(raw),
        parts=part_sizes(table),
        problems=group_problems(problems),
        label_names=list(label_names),
        labels=label_counts(table, label_names, spec.label_values),
        intensity=intensity(checked.facts),
        side=pass_.side,
        reduced=smaller,
        largest=max((min(size) for size in sizes), default=0),
    )
    return Examined(table, info, checked.files)


def _expected(raw: RawDataset) -> int:
    return len(raw.samples) if raw.listed is None else raw.listed


def check_losses(raw: RawDataset, checked: Checked, dataset: str, root: str, *, allow_incomplete: bool) -> None:
    """Raise `MissingDataError` where over 5 % are unusable, of all or of one part, unless ``allow_incomplete``.

    By part too, because a small test part may be gone while the whole hardly shrinks; one image a part is let off.
    """
    usable = {sample.sample_id for sample in checked.samples}
    shares = {"": (_expected(raw) - len(usable), _expected(raw))}
    for split, parts in raw.splits.items():
        for part, ids in parts.items():
            shares[f" of {split}/{part}"] = (sum(one not in usable for one in ids), len(ids))
    told = (*checked.problems, *(problem for problem in raw.problems if problem.kind.startswith("bad-")))
    first = told[0] if told else Problem("bad-row", dataset, "the reader left rows out")
    for where, (lost, listed) in shares.items():
        tolerated = max(TOLERATED_SHARE_LOST * listed, 1 if where else 0)
        if not usable or (lost > tolerated and not allow_incomplete):
            raise MissingDataError(
                f"{dataset}: {lost:,} of {listed:,} samples{where} cannot be used (first: {first.where}: {first.detail})",
                fix=f"complete {root}, or pass --allow-incomplete to go on without them",
            )


def load(files: DatasetFiles, info: ManifestInfo) -> Manifest:
    """The prepared manifest. Raises `MissingDataError` where it is damaged or no longer what ``info`` says."""
    if not is_whole(files, info):
        raise MissingDataError(
            f"the manifest of {info.dataset} is damaged", fix=f"medbench data prepare {info.dataset}"
        )
    kept = None if files.pixels is None else folder_of(files.pixels, info.side)
    if kept is not None:
        mark_used(kept)
    return Manifest(
        dataset=info.dataset,
        root=files.root,
        label_names=tuple(info.label_names),
        sha256=info.sha256,
        phantom=info.phantom,
        table=manifest_files.read_table(files.table_path),
        box_names=files.spec.box_names,
        colour=files.spec.colour,
        side=info.side,
        sources=_sources_of(files, info) if info.sources_sha256 else None,
        kept=None if kept is None else KeptPixels(kept, files.spec.colour),
    )


def _sources_of(files: DatasetFiles, info: ManifestInfo) -> Sources:
    return Sources(files.sources_path, files.root, info.dataset, info.sources_sha256)


def is_whole(files: DatasetFiles, info: ManifestInfo) -> bool:
    """Whether the manifest's files are those that ``info`` speaks of; older manifests have no list of sources."""
    table, listed = files.table_path, files.sources_path
    if not table.is_file() or sha256_of(table) != info.table_sha256:
        return False
    return not info.sources_sha256 or (
        listed.is_file() and sources.digest_of(sources.read(listed)) == info.sources_sha256
    )


def sources_hold(files: DatasetFiles, info: ManifestInfo, progress: PhaseReporter) -> bool:
    """Whether every image file of a whole manifest is as it was; new times of the same bytes are noted, for later reads."""
    if not info.sources_sha256:
        return True
    listed = sources.read(files.sources_path)
    names = [file.path for file in wanted_of_manifest(files)]
    present = sources.renewed(listed, files.root, progress.track(names, "check", len(names)))
    changed = present is not None and present.tobytes() != listed.tobytes()
    if present is not None and changed and is_whole(files, info):  # no other process has prepared it meanwhile
        with contextlib.suppress(StoreError):  # of a cache that is read-only; every process then hashes them again
            write_bytes_atomically(files.sources_path, present.tobytes())
    return present is not None


def group_problems(problems: Iterable[Problem]) -> list[ProblemGroup]:
    """Problems by kind, most frequent first, with the first few of each."""
    by_kind: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_kind[problem.kind].append(problem)
    groups = [
        ProblemGroup(kind, len(found), [f"{one.where}: {one.detail}" for one in found[:_EXAMPLES]])
        for kind, found in by_kind.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.kind))


def _with_splits(table: pa.Table, splits: Mapping[str, Mapping[str, list[str]]]) -> pa.Table:
    names: dict[str, list[str]] = defaultdict(list)
    for split, parts in splits.items():
        for part, ids in parts.items():
            for sample_id in ids:
                if f"{split}/{part}" not in names[sample_id]:
                    names[sample_id].append(f"{split}/{part}")
    column = pa.array([names[one] for one in table.column("sample_id").to_pylist()], pa.list_(pa.string()))
    return table.set_column(table.schema.get_field_index("splits"), manifest.SCHEMA.field("splits"), column)
