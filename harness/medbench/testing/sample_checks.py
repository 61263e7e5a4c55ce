"""Checks of what a reader hands over: samples, their supervision, and the parts they stand in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from medbench.manifest import ATTRIBUTES
from medbench.samples import UNCERTAIN, Box, Mask, RawDataset, Sample
from medbench.specs import PARTS, DatasetSpec
from medbench.testing.contract import Check, Finding, LeftOut
from medbench.testing.mask_form import mask_fault

CARRIED: Mapping[str, Callable[[Sample], bool]] = {
    "labels": lambda sample: bool(sample.labels),
    "boxes": lambda sample: sample.boxes is not None,
    "masks": lambda sample: sample.mask is not None,
    "pairs": lambda sample: bool(sample.previous) or len(sample.texts) > 1,
    "questions": lambda sample: bool(sample.answers),
}
"""How a supervision shows in a sample; reports and captions are both texts."""


def check_raw(spec: DatasetSpec, raw: RawDataset) -> Check:
    """Samples one by one, then the dataset as a whole."""
    where = f"dataset {spec.id}"
    if not raw.samples:
        yield Finding(where, "its reader gives no sample")
        return
    seen: set[str] = set()
    for sample in raw.samples:
        for kind, what in _faults(spec, raw, sample):
            if kind not in seen:  # one of a kind is enough
                seen.add(kind)
                yield Finding(where, f"sample {sample.sample_id!r}: {what}")
    for name, times in Counter(sample.sample_id for sample in raw.samples).items():
        if times > 1:
            yield Finding(where, f"{times} samples have the id {name!r}", "an id tells one sample from all others")
            break
    yield from _check_splits(spec, raw)
    yield from _check_supervision(spec, raw)


def _faults(spec: DatasetSpec, raw: RawDataset, sample: Sample) -> Iterator[tuple[str, str]]:
    """A word for the kind of each fault of a sample, and the fault."""
    malformed = list(_form_faults(sample))
    if malformed:
        yield from malformed
        return
    for kind, name in (("sample_id", sample.sample_id), ("patient_id", sample.patient_id)):
        if not isinstance(name, str) or not name:
            yield kind, f"its {kind} is {name!r}, a text is needed (where no patient is known, one of its own)"
    for path in (sample.image, sample.previous, *sample.others):
        if path and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path):
            yield "path", f"its image '{path}' is not a path below the dataset's folder, with '/'"
    if not sample.image and not sample.texts:
        yield "nothing", "it has neither image nor text"
    yield from _supervision_faults(spec, raw, sample)
    for name in sample.attributes.keys() - set(ATTRIBUTES):
        yield "attribute", f"its attribute '{name}' is none of {', '.join(ATTRIBUTES)}: put it into details"
    if sample.attributes.get("sex", "") not in {"", "F", "M"}:
        yield "sex", f"its attribute sex is '{sample.attributes['sex']}': F, M or left out"


def _form_faults(sample: Sample) -> Iterator[tuple[str, str]]:
    """Fields of another type than `Sample` says: a text is easily given where a tuple of texts is meant."""
    for name in ("texts", "answers", "others"):
        value = getattr(sample, name)
        if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
            yield name, f"its {name} are {_short(value)}, a tuple of texts is needed"
    if sample.boxes is not None and not (
        isinstance(sample.boxes, tuple) and all(isinstance(box, Box) for box in sample.boxes)
    ):
        yield "boxes", f"its boxes are {_short(sample.boxes)}, a tuple of medbench.samples.Box is needed"
    if sample.mask is not None and not isinstance(sample.mask, Mask):
        yield "mask", f"its mask is a {type(sample.mask).__name__}, a medbench.samples.Mask is needed"


def _short(value: object) -> str:
    return f"{value!r:.60}"


def _supervision_faults(spec: DatasetSpec, raw: RawDataset, sample: Sample) -> Iterator[tuple[str, str]]:
    names = spec.label_names if raw.label_names is None else raw.label_names
    for name, value in sample.labels.items():
        if name not in names:
            yield "label", f"it is labelled '{name}', which is not among the label names"
        elif type(value) is not int and hasattr(value, "__index__"):
            yield "int", f"its label '{name}' is {value!r} of type {type(value).__name__}: give a plain int"
        elif value != UNCERTAIN and not (isinstance(value, int) and 0 <= value < len(spec.label_values)):
            yield (
                "value",
                f"its label '{name}' is {value!r}: give an index into label_values, or UNCERTAIN, or leave it out",
            )
    for box in sample.boxes or ():
        if not 0 <= box.label < len(spec.box_names):
            yield "box", f"a box has the label {box.label}: give an index into box_names"
        if box.width <= 0 or box.height <= 0:
            yield "size", f"a box is {box.width} wide and {box.height} high"
    if sample.mask is not None:
        fault = mask_fault(sample.mask)
        if fault:
            yield "mask", f"its mask {fault}: encode it with medbench.masks.encode_mask"


def _check_splits(spec: DatasetSpec, raw: RawDataset) -> Check:
    where = f"dataset {spec.id}"
    known = {sample.sample_id: sample.patient_id for sample in raw.samples}
    declared = {split.name for split in spec.splits}
    for split in sorted(raw.splits.keys() - declared):
        yield Finding(where, f"its reader gives the split '{split}', which the spec does not declare")
    if not raw.splits.keys() & declared:
        yield Finding(where, f"its reader gives none of the splits {', '.join(sorted(declared))}")
    for split, parts in raw.splits.items():
        for part, ids in parts.items():
            if part not in PARTS:
                yield Finding(where, f"split {split} has a part '{part}'", f"parts are {', '.join(PARTS)}")
            unknown = [one for one in ids if one not in known]
            if unknown:
                yield Finding(where, f"{split}/{part} names {unknown[0]!r}, which is no sample of it")
            if len(set(ids)) != len(ids):
                yield Finding(where, f"{split}/{part} names a sample twice")
        declaration = next((one for one in spec.splits if one.name == split), None)
        if declaration is None or not declaration.shares_patients:
            yield from _check_patients(where, split, parts, known)
        if declaration is not None:
            for part in PARTS:
                if declaration.sizes.get(part) and not parts.get(part):
                    yield Finding(where, f"{split}/{part} is empty", "the spec names a size for it")
    for split in sorted(declared - raw.splits.keys()):
        yield LeftOut(where, f"split {split}: its reader does not give it here")


def _check_patients(where: str, split: str, parts: Mapping[str, list[str]], known: dict[str, str]) -> Check:
    parts_of: dict[str, set[str]] = defaultdict(set)
    for part, ids in parts.items():
        for one in ids:
            parts_of[known.get(one, "")].add(part)
    shared = sorted(patient for patient, found in parts_of.items() if patient and len(found) > 1)
    if shared:
        yield Finding(
            where,
            f"in split {split}, {len(shared)} patients stand in several parts (first: {shared[0]})",
            "divide by patient; of a published split that knowingly does not, say SplitSpec(shares_patients=True)",
        )


def _check_supervision(spec: DatasetSpec, raw: RawDataset) -> Check:
    where = f"dataset {spec.id}"
    for name, carries in CARRIED.items():
        found = any(carries(sample) for sample in raw.samples)
        if found and name not in spec.supervision and name not in {"labels", "pairs"}:
            yield Finding(where, f"its samples have {name}, but the spec's supervision does not say so")
        if not found and name in spec.supervision:
            yield Finding(where, f"the spec says that it has {name}, but no sample has")
    boxes = [box for sample in raw.samples if isinstance(sample.boxes, tuple) for box in sample.boxes]
    if boxes and all(isinstance(box, Box) and box.width <= 1 and box.height <= 1 for box in boxes):
        yield Finding(where, "none of its boxes is larger than one pixel", "give pixels of the image, not shares of it")
    if spec.supervision & {"reports", "captions"} and not any(sample.texts for sample in raw.samples):
        yield Finding(where, "the spec says that it has texts, but no sample has")
