"""Readers and phantoms of the toy dataset that break the contract, each in one way, for the tests of the checks."""

from __future__ import annotations

import contextlib
import csv
import os
import random
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np

from medbench.errors import MissingDataError
from medbench.samples import Box, PhantomSize, RawDataset, Sample


def read_well(root: Path) -> RawDataset:
    """The toy's table read with care, divided by patient."""
    import medbench_toy

    try:
        raw = medbench_toy.read(root)
    except (UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise MissingDataError("toy: labels.csv cannot be read") from error
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for sample in raw.samples:
        parts[("train", "valid", "test")[sum(sample.patient_id.encode()) % 3]].append(sample.sample_id)
    return replace(raw, splits={"main": parts})


def _changed(root: Path, **changes: object) -> RawDataset:
    raw = read_well(root)
    first: Sample = replace(raw.samples[0], **changes)
    return replace(raw, samples=(first, *raw.samples[1:]))


def read_elsewhere(root: Path) -> RawDataset:
    return _changed(root, image="/etc/passwd")


def read_strange_label(root: Path) -> RawDataset:
    return _changed(root, labels={"dark": 1})


def read_strange_value(root: Path) -> RawDataset:
    return _changed(root, labels={"bright": 2})


def read_boxes_outside(root: Path) -> RawDataset:
    return _changed(root, boxes=(Box(0, 400, 400, 10, 10),))


def read_same_ids(root: Path) -> RawDataset:
    raw = read_well(root)
    return _changed(root, sample_id=raw.samples[1].sample_id)


def read_lost_attribute(root: Path) -> RawDataset:
    return _changed(root, attributes={"weight": "70"})


def read_another_split(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(raw, splits={"other": raw.splits["main"]})


def read_unknown_ids(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(raw, splits={"main": {**raw.splits["main"], "test": ["nobody"]}})


def read_in_any_order(root: Path) -> RawDataset:
    raw = read_well(root)
    turned = sorted(raw.samples, key=lambda sample: os.urandom(4))
    return replace(raw, samples=tuple(turned))


def read_and_write(root: Path) -> RawDataset:
    (root / "index.tmp").write_text("kept")
    return read_well(root)


def read_online(root: Path) -> RawDataset:
    try:
        socket.getaddrinfo("labels.invalid", 443)
    except OSError:
        return read_well(root)
    raise AssertionError("nobody answers to that name")


def read_by_hash(root: Path) -> RawDataset:
    raw = read_well(root)
    return replace(
        raw, samples=tuple({sample.sample_id: sample for sample in raw.samples}[one] for one in _hashed(raw))
    )


def _hashed(raw: RawDataset) -> list[str]:
    return list({sample.sample_id for sample in raw.samples})


def read_and_seed(root: Path) -> RawDataset:
    random.seed(7)
    return read_well(root)


def read_with_notes(root: Path) -> RawDataset:
    if not (root / "notes.txt").is_file():
        raise MissingDataError("toy: something is amiss")
    return read_well(root)


def read_with_lost_images(root: Path) -> RawDataset:
    raw = read_well(root)
    lost = [replace(one, image="images/lost.png") for one in raw.samples[:12]]
    return replace(raw, samples=(*lost, *raw.samples[12:]))


def read_nothing(root: Path) -> RawDataset:
    return RawDataset(samples=(), splits={})


def draw_anew(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size._replace(seed=int.from_bytes(os.urandom(3), "little")))


def draw_half(root: Path, size: PhantomSize) -> None:
    (root / "images").mkdir(parents=True, exist_ok=True)


def draw_beside(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size)
    (root.parent / "beside").mkdir(exist_ok=True)


def draw_here(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size)
    Path("left-behind.txt").write_text("")


def draw_with_notes(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    medbench_toy.write_phantom(root, size)
    (root / "notes.txt").write_text("")


def draw_online(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    with contextlib.suppress(OSError):
        socket.gethostbyname("phantoms.invalid")
    medbench_toy.write_phantom(root, size)


def draw_from_all(root: Path, size: PhantomSize) -> None:
    import medbench_toy

    np.random.seed(size.seed + 1)
    medbench_toy.write_phantom(root, size)
