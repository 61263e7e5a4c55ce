"""From a dataset's raw files to its manifest: read, decode every image once, check, report, write.

What is wrong is reported and passed over; only a dataset that could not give a comparable number is refused.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from medbench import datasets, manifest, manifest_files
from medbench.audit import audit, intensity, label_counts, part_sizes
from medbench.checkpoints import sha256_of
from medbench.datasets import DatasetFiles, ManifestInfo, ProblemGroup
from medbench.errors import MissingDataError
from medbench.files import write_atomically, write_bytes_atomically
from medbench.images import ImageError, read_grey
from medbench.loading import resolve
from medbench.manifest import ImageFacts, Manifest
from medbench.protocols import PhaseReporter
from medbench.samples import Box, Problem, RawDataset, Region, Sample

TOLERATED_SHARE_LOST = 0.05
"""More unusable images than this and a result would not compare: the dataset is refused unless told otherwise."""

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """Samples whose image could be decoded, what decoding told, and what was lost on the way."""

    samples: tuple[Sample, ...]
    facts: tuple[ImageFacts, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """A dataset as its raw files are now; nothing is written yet."""

    table: pa.Table
    info: ManifestInfo


def prepare(files: DatasetFiles, progress: PhaseReporter, *, allow_incomplete: bool = False) -> ManifestInfo:
    """Make the manifest of a dataset and write it to the cache. Raises as `examine` does."""
    examined = examine(files, progress, allow_incomplete=allow_incomplete)
    write_atomically(files.table_path, lambda path: manifest_files.write_table(examined.table, path))
    info = msgspec.structs.replace(examined.info, table_sha256=sha256_of(files.table_path))
    write_bytes_atomically(files.info_path, msgspec.json.format(msgspec.json.encode(info)))
    return info


def examine(files: DatasetFiles, progress: PhaseReporter, *, allow_incomplete: bool = False) -> Examined:
    """Read a dataset's raw files and decode every image.

    Raises `MissingDataError` where required files are absent, or where over 5 % of the images are missing or unreadable
    and ``allow_incomplete`` is false.
    """
    files.require()
    spec = files.spec
    signature = files.signature()
    raw: RawDataset = resolve(spec.reader, f"dataset '{spec.id}'")(files.root)
    checked = check_images(raw.samples, files.root, progress)
    check_losses(raw, checked, spec.id, str(files.root), allow_incomplete=allow_incomplete)
    label_names = spec.label_names if raw.label_names is None else raw.label_names
    table = manifest.build_table(checked.samples, label_names, checked.facts)
    table = _with_splits(table, raw.splits)
    problems = [*raw.problems, *checked.problems, *audit(spec, table, checked.facts)]
    if files.phantom:  # a phantom is never of the published size
        problems = [problem for problem in problems if problem.kind not in {"count", "test-count"}]
    info = ManifestInfo(
        format=datasets.FORMAT,
        dataset=spec.id,
        dataset_version=spec.version,
        signature=signature,
        sha256=manifest_files.content_hash(
            table,
            dataset=spec.id,
            version=spec.version,
            names=(label_names, spec.label_values, spec.box_names, ["colour"] if spec.colour else []),
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
    )
    return Examined(table, info)


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
    if sha256_of(files.table_path) != info.table_sha256:
        raise MissingDataError(
            f"the manifest of {info.dataset} is damaged",
            fix=f"medbench data prepare {info.dataset} --force",
        )
    return Manifest(
        dataset=info.dataset,
        root=files.root,
        label_names=tuple(info.label_names),
        sha256=info.sha256,
        phantom=info.phantom,
        table=manifest_files.read_table(files.table_path),
        box_names=files.spec.box_names,
        colour=files.spec.colour,
    )


def check_images(samples: Sequence[Sample], root: Path, progress: PhaseReporter) -> Checked:
    """Decode every image once, in threads, and fit boxes, masks and regions to the sizes found."""
    files = list(dict.fromkeys(name for sample in samples for name in _images(sample)))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(lambda name: _facts(root, name), files)
        found = dict(zip(files, progress.track(results, "prepare", len(files)), strict=True))
    kept: list[Sample] = []
    facts: list[ImageFacts] = []
    problems: list[Problem] = []
    for sample in samples:
        fact = _sample_facts(sample, found)
        if isinstance(fact, Problem):
            problems.append(fact._replace(where=f"{sample.sample_id} ({sample.image})"))
            continue
        fitted, complaints = _fit_to_image(sample, fact)
        problems.extend(complaints)
        if fitted is not None:
            kept.append(fitted)
            facts.append(fact)
    return Checked(tuple(kept), tuple(facts), tuple(problems))


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


def _images(sample: Sample) -> tuple[str, ...]:
    return tuple(name for name in (sample.image, sample.previous, *sample.others) if name)


def _sample_facts(sample: Sample, found: Mapping[str, ImageFacts | Problem]) -> ImageFacts | Problem:
    """The facts of its image with the hashes of its other ones; the first problem of any of them."""
    facts = []
    for name in _images(sample):
        fact = found[name]
        if isinstance(fact, Problem):
            return fact
        facts.append(fact)
    if not sample.image:
        return ImageFacts(0, 0, "") if sample.texts else Problem("missing-image", "", "neither image nor text")
    further = [fact.sha256 for fact in facts[1:]]
    previous = further.pop(0) if sample.previous else ""
    return replace(facts[0], previous_sha256=previous, others_sha256=tuple(further))


def _facts(root: Path, image: str) -> ImageFacts | Problem:
    if Path(image).is_absolute() or ".." in Path(image).parts:
        return Problem("path-escape", image, "the image lies outside of the dataset's folder")
    path = root / image
    try:
        if not path.is_file():
            return Problem("missing-image", path.name, "the file does not exist")
    except OSError as error:  # a name too long for any file
        return Problem("missing-image", f"{image[:80]}...", error.strerror or type(error).__name__)
    try:
        pixels = read_grey(path)
    except ImageError as error:
        return Problem("unreadable-image", path.name, error.message)
    height, width = pixels.shape
    return ImageFacts(
        height,
        width,
        sha256_of(path),
        pixels=hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
        low=int(pixels.min()),
        high=int(pixels.max()),
        mean=float(pixels.mean()),
    )


def _fit_to_image(sample: Sample, fact: ImageFacts) -> tuple[Sample | None, list[Problem]]:
    problems = []
    if sample.mask is not None and (sample.mask.height, sample.mask.width) != (fact.height, fact.width):
        detail = f"the mask is {sample.mask.width} x {sample.mask.height}, the image {fact.width} x {fact.height}"
        return None, [Problem("mask-size", sample.sample_id, detail)]
    if sample.region is not None:
        inside = _clip(Box(0, *sample.region), fact)
        if inside is None:
            return None, [
                Problem("region-outside", sample.sample_id, f"{tuple(sample.region)} is not inside the image")
            ]
        region = Region(*(int(value) for value in inside[1:]))
        if region != sample.region:
            detail = f"{tuple(sample.region)} leaves the image; clipped to it"
            problems.append(Problem("region-clipped", sample.sample_id, detail))
        sample = replace(sample, region=region)
    if sample.boxes is not None:
        fitted = [_clip(box, fact) for box in sample.boxes]
        for box, inside in zip(sample.boxes, fitted, strict=True):
            if inside is None:
                problems.append(
                    Problem("box-outside", sample.sample_id, f"{tuple(box[1:])} is not inside the image; left out")
                )
            elif inside != box:
                problems.append(
                    Problem("box-clipped", sample.sample_id, f"{tuple(box[1:])} leaves the image; clipped to it")
                )
        sample = replace(sample, boxes=tuple(box for box in fitted if box is not None))
    return sample, problems


def _clip(box: Box, fact: ImageFacts) -> Box | None:
    if not all(math.isfinite(value) for value in box[1:]):
        return None
    left, top = max(0.0, box.x), max(0.0, box.y)
    right, bottom = min(float(fact.width), box.x + box.width), min(float(fact.height), box.y + box.height)
    if right <= left or bottom <= top:
        return None
    if (left, top, right, bottom) == (box.x, box.y, box.x + box.width, box.y + box.height):
        return box
    return Box(box.label, left, top, right - left, bottom - top)


def _with_splits(table: pa.Table, splits: Mapping[str, Mapping[str, list[str]]]) -> pa.Table:
    names: dict[str, list[str]] = defaultdict(list)
    for split, parts in splits.items():
        for part, ids in parts.items():
            for sample_id in ids:
                if f"{split}/{part}" not in names[sample_id]:
                    names[sample_id].append(f"{split}/{part}")
    column = pa.array([names[one] for one in table.column("sample_id").to_pylist()], pa.list_(pa.string()))
    return table.set_column(table.schema.get_field_index("splits"), manifest.SCHEMA.field("splits"), column)
