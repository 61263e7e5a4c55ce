"""COVIDx: the 9A lists (normal, pneumonia, COVID-19) and COVIDx CXR-4 (positive, negative), one line an image.

Lists are text without a header: patient id, file name, class and source, separated by spaces; images lie in ``train``,
``val`` and ``test``. The two sets of lists share images, so one folder may hold either of them or both. Each speaks of
labels of its own: the other's stay unknown.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.covidx_lists import (
    CLASSES,
    LABEL,
    LISTS_9A,
    LISTS_CXR4,
    MARK_CXR4,
    SET_9A,
    SET_CXR4,
    TEST_9A,
    TRAIN_9A,
    Entries,
    read_list,
)
from medbench_datasets.disjoint import keep_patients_apart
from medbench_datasets.splits import SEED, draw_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

TRAIN_SHARE, VALID_SHARE = 0.8, 0.2

SPEC = DatasetSpec(
    id="covidx",
    title="COVIDx (9A lists and CXR-4)",
    modality="chest X-ray",
    access="open",
    licence="of each source; the collection is for research use",
    url="https://www.kaggle.com/datasets/andyczhao/covidx-cxr2",
    files=(
        ExpectedFile(path=TRAIN_9A, purpose="9A list: patient, file name, class, source", required=False),
        ExpectedFile(path=TEST_9A, purpose="9A list of the 400 test images", required=False),
        ExpectedFile(path="train.txt", purpose="CXR-4 list, read where val.txt is there too", required=False),
        ExpectedFile(path="val.txt", purpose="CXR-4 list", required=False),
        ExpectedFile(path="test.txt", purpose="CXR-4 list", required=False),
        ExpectedFile(path="train", purpose="images of the train lists", kind="folder"),
        ExpectedFile(path="val", purpose="images of CXR-4's val list", kind="folder", required=False),
        ExpectedFile(path="test", purpose="images of the test lists", kind="folder"),
    ),
    supervision=frozenset({"labels"}),
    label_names=(*CLASSES, LABEL),
    splits=(
        SplitSpec(
            name="9a-patient",
            rule=(
                "test is the 9A test list; nobody of it is in train or valid; the other sorted patients of the 9A train list, "
                "train_test_split(test_size=0.2, random_state=0): the held-out fifth is valid. Asks Normal, Pneumonia, COVID-19"
            ),
            source="lists of 9A; the division of the train list is medbench's, in the proportion of the MGCA release",
            sizes={"test": 400},
        ),
        SplitSpec(
            name="9a",
            rule=(
                "as released: lines of the 9A train list in its order; train_test_split(train_size=0.8, random_state=0): train "
                "and valid, by image, so that a patient may be in both; test is the 9A test list. Asks Normal, Pneumonia, "
                "COVID-19"
            ),
            source="MGCA release, classification; Med-ST release",
            sizes={"train": 23_988, "valid": 5_998, "test": 400},
            shares_patients=True,
        ),
        SplitSpec(
            name="cxr-4",
            rule="the official train, val and test lists, every line of them. Asks Positive",
            source="COVIDx CXR-4; unlike BenchX, which loses the first line of each list and cuts names at the first dot",
            sizes={"train": 67_863, "valid": 8_473, "test": 8_482},
        ),
    ),
    reader="medbench_datasets.covidx:read",
    # What COVID-Net's docs/COVIDx.md lists for its releases.
    images_from=(
        *("covid-cxr", "figure1-covid", "actualmed-covid", "covid19-radiography", "rsna"),
        *("ricord", "covid-19-ny-sbu", "bimcv-covid19"),
    ),
    phantom="medbench_datasets.covidx_phantom:write_phantom",
    citation=(
        "Wang, Lin and Wong, COVID-Net, Scientific Reports, 2020; Wu et al., COVIDx CXR-4: An Expanded Multi-Institutional "
        "Open-Source Benchmark Dataset for Chest X-ray Image-Based Computer-Aided COVID-19 Diagnostics, 2023"
    ),
    tags=("chest-xray", "classification"),
)


def read(root: Path) -> RawDataset:
    """One sample an image file, whose id is its path, in the order of the lists, the 9A ones first.

    A split is there where its lists are. Patients are as the lists number them; where the two sets number an image
    differently, reported, every number counts within its set alone, and an image of both has 9A's. Lines that cannot be used,
    and images that lines give different classes, are reported and left out; what is left stays in its published part. Raises
    `MissingDataError` where neither set of lists is whole, or a list has no usable line.
    """
    problems: list[Problem] = []
    sets = {
        name: {part: read_list(root / file, part, name, problems) for file, part in lists.items()}
        for name, lists in _lists(root).items()
    }
    samples = _united(
        [(name, sample) for name, found in sets.items() for one in found.values() for sample in one.samples.values()],
        problems,
    )
    splits: dict[str, Mapping[str, list[str]]] = {}
    if SET_9A in sets:
        splits["9a-patient"] = _by_patient(sets[SET_9A], problems)
        splits["9a"] = _as_released(sets[SET_9A])
    if SET_CXR4 in sets:
        splits["cxr-4"] = _as_listed(sets[SET_CXR4])
    everything = [entries for found in sets.values() for entries in found.values()]
    named = set[str]().union(*(entries.named for entries in everything))
    return RawDataset(
        samples=samples,
        splits=splits,
        problems=tuple(problems),
        listed=len(named) + sum(entries.unusable for entries in everything),
    )


def _lists(root: Path) -> dict[str, dict[str, str]]:
    """Which lists are there: list names to image folders by split."""
    wanted: dict[str, dict[str, str]] = {}
    if any((root / name).is_file() for name in LISTS_9A):
        wanted[SET_9A] = LISTS_9A
    if (root / MARK_CXR4).is_file():
        wanted[SET_CXR4] = LISTS_CXR4
    if not wanted:
        raise MissingDataError(
            f"{root} has neither {TRAIN_9A} and {TEST_9A} nor the lists of CXR-4 (train.txt, val.txt, test.txt)",
            fix=f"put one set there; train.txt and test.txt alone are binary lists of an older version than CXR-4 ({SPEC.url})",
        )
    for lists in wanted.values():
        missing = [name for name in lists if not (root / name).is_file()]
        if missing:
            present = ", ".join(name for name in lists if name not in missing)
            raise MissingDataError(
                f"{root} has {present} but not {', '.join(missing)}", fix="the lists of a set belong together: add it"
            )
    return wanted


def _united(listed: Sequence[tuple[str, Sample]], problems: list[Problem]) -> tuple[Sample, ...]:
    """One sample for each path, with the labels of both sets, of samples that come with the name of their set."""
    groups: dict[str, list[tuple[str, Sample]]] = defaultdict(list)
    for name, sample in listed:
        groups[sample.sample_id].append((name, sample))
    disputed = sum(len({sample.patient_id for _, sample in group}) > 1 for group in groups.values())
    if disputed:
        detail = f"{disputed:,} images have another patient in CXR-4 than in 9A; patients are told apart by set"
        problems.append(Problem("patient-disagreement", TRAIN_9A, detail))
    return tuple(
        replace(
            sample,
            patient_id=f"{name}/{sample.patient_id}" if disputed else sample.patient_id,
            labels={label: value for _, one in group for label, value in one.labels.items()},
        )
        for group in groups.values()
        for name, sample in group[:1]
    )


def _by_patient(found: Mapping[str, Entries], problems: list[Problem]) -> dict[str, list[str]]:
    """The 9A lists without patients of the test list in train, and valid drawn by patient."""
    patient_of = {path: sample.patient_id for entries in found.values() for path, sample in entries.samples.items()}
    listed = {part: _once(entries.paths) for part, entries in found.items()}
    parts = keep_patients_apart(listed, patient_of, "split 9a-patient", problems)
    drawn = draw_valid(sorted({patient_of[path] for path in parts["train"]}), VALID_SHARE)
    held = set(drawn["valid"])
    return {
        "train": [path for path in parts["train"] if patient_of[path] not in held],
        "valid": [path for path in parts["train"] if patient_of[path] in held],
        "test": parts["test"],
    }


def _as_released(found: Mapping[str, Entries]) -> dict[str, list[str]]:
    from sklearn.model_selection import train_test_split

    listed = found["train"].paths
    if len(listed) > 1:
        train, valid = train_test_split(listed, train_size=TRAIN_SHARE, random_state=SEED)
    else:
        train, valid = listed, []
    return {"train": _once(train), "valid": _once(valid, but=train), "test": _once(found["test"].paths)}


def _as_listed(found: Mapping[str, Entries]) -> dict[str, list[str]]:
    return {"valid" if part == "val" else part: _once(entries.paths) for part, entries in found.items()}


def _once(paths: Iterable[str], but: Iterable[str] = ()) -> list[str]:
    """Paths without repetitions, without '' and without those in ``but``."""
    dropped = {"", *but}
    return [path for path in dict.fromkeys(paths) if path not in dropped]
