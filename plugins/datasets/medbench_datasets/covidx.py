"""COVIDx: the 9A lists (normal, pneumonia, COVID-19) and COVIDx CXR-4 (positive, negative), one line an image.

Lists are text without a header: patient id, file name, class and source, separated by spaces; images lie in ``train``,
``val`` and ``test``. The two sets of lists share images, so one folder may hold either of them or both. Each speaks of
labels of its own: the other's stay unknown.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.names import look_alikes
from medbench_datasets.splits import SEED
from medbench_datasets.tables import is_file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

OTHER = "COVID-19"
"""The third class: whatever is neither normal nor pneumonia, as the MGCA release reads it."""
CLASSES = ("Normal", "Pneumonia", OTHER)
LABEL = "Positive"
TRAIN_9A, TEST_9A = "train_COVIDx9A.txt", "test_COVIDx9A.txt"
LISTS_9A = {TRAIN_9A: "train", TEST_9A: "test"}
LISTS_CXR4 = {"train.txt": "train", "val.txt": "val", "test.txt": "test"}
MARK_CXR4 = "val.txt"
"""Only CXR-4 has it: versions before ship ``train.txt`` and ``test.txt`` beside the 9A lists' images."""
TRAIN_SHARE = 0.8

_FEWEST_FIELDS = 4
_KNOWN_9A = {"normal": "Normal", "pneumonia": "Pneumonia"}
_KNOWN_CXR4 = {"negative": 0, "positive": 1}

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
            name="9a",
            rule=(
                "lines of the 9A train list in its order; train_test_split(train_size=0.8, random_state=0): train and "
                "valid, by image, so that a patient may be in both; test is the 9A test list. Asks Normal, Pneumonia, COVID-19"
            ),
            source="MGCA release, classification; Med-ST release",
            sizes={"train": 23_988, "valid": 5_998, "test": 400},
        ),
        SplitSpec(
            name="cxr-4",
            rule="the official train, val and test lists, every line of them. Asks Positive",
            source="COVIDx CXR-4; unlike BenchX, which loses the first line of each list and cuts names at the first dot",
            sizes={"train": 67_863, "valid": 8_473, "test": 8_482},
        ),
    ),
    reader="medbench_datasets.covidx:read",
    phantom="medbench_datasets.covidx_phantom:write_phantom",
    citation=(
        "Wang, Lin and Wong, COVID-Net, Scientific Reports, 2020; Wu et al., COVIDx CXR-4: An Expanded Multi-Institutional "
        "Open-Source Benchmark Dataset for Chest X-ray Image-Based Computer-Aided COVID-19 Diagnostics, 2023"
    ),
    tags=("chest-xray", "classification"),
)


class Line(NamedTuple):
    """A line of a list; ``name`` is kept whole, dots and spaces included, and ``finding`` is in lower case."""

    number: int
    patient: str
    name: str
    finding: str


class _Entries(NamedTuple):
    """What a list gives: the image's path of each of its lines ('' where there is none to use), and samples by path."""

    paths: list[str]
    samples: dict[str, Sample]


def read(root: Path) -> RawDataset:
    """One sample an image file, whose id is its path, in the order of the lists, the 9A ones first.

    A split is there where its lists are. Patients are as the lists number them. Lines that cannot be used, and images
    that lines give different classes, are reported and left out; what is left stays in its published part. Raises
    `MissingDataError` where neither set of lists is whole, or a list has no usable line.
    """
    problems: list[Problem] = []
    splits: dict[str, Mapping[str, list[str]]] = {}
    samples: dict[str, Sample] = {}
    for split, lists in _lists(root).items():
        found = {part: _entries(root / name, part, split, problems) for name, part in lists.items()}
        for entries in found.values():
            for path, sample in entries.samples.items():
                samples[path] = _merged(samples.get(path), sample)
        splits[split] = _nine_a(found) if split == "9a" else _as_listed(found)
    problems += look_alikes(samples)
    return RawDataset(samples=tuple(samples.values()), splits=splits, problems=tuple(problems))


def parse_line(number: int, text: str) -> Line | None:
    """The first word is the patient, the last two class and source, what stands between the file name; None where short."""
    words = text.split()
    if len(words) < _FEWEST_FIELDS:
        return None
    return Line(number, words[0], " ".join(words[1:-2]), words[-2].lower())


def _lists(root: Path) -> dict[str, dict[str, str]]:
    """Which lists are there: list names to image folders by split."""
    wanted: dict[str, dict[str, str]] = {}
    if any((root / name).is_file() for name in LISTS_9A):
        wanted["9a"] = LISTS_9A
    if (root / MARK_CXR4).is_file():
        wanted["cxr-4"] = LISTS_CXR4
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


def _entries(path: Path, folder: str, split: str, problems: list[Problem]) -> _Entries:
    """A list's lines as samples; every line keeps its place in ``paths``."""
    lines = _read_lines(path)
    before = len(problems)
    usable = {number: line for number, text in lines if (line := _usable(path.name, number, text, split, problems))}
    by_name: dict[str, list[Line]] = defaultdict(list)
    for line in usable.values():
        by_name[line.name].append(line)
    kept = {name for name, group in by_name.items() if _agree(path.name, group, problems)}
    if not kept:
        first = (
            f" (first: line {problems[before].where.rpartition(':')[2]}: {problems[before].detail})" if lines else ""
        )
        raise MissingDataError(
            f"{path} has no usable line{first}", fix="patient, file name, class and source are expected"
        )
    samples = {
        f"{folder}/{name}": Sample(
            sample_id=f"{folder}/{name}",
            patient_id=group[0].patient,
            image=f"{folder}/{name}",
            labels=_labels(group[0].finding, split),
        )
        for name, group in by_name.items()
        if name in kept
    }
    names = [usable[number].name if number in usable else "" for number, _ in lines]
    return _Entries([f"{folder}/{name}" if name in kept else "" for name in names], samples)


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MissingDataError(f"{path} is not readable text ({error})", fix="download the file again") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _usable(file: str, number: int, text: str, split: str, problems: list[Problem]) -> Line | None:
    """The line, or None, reported, where it cannot become a sample."""
    line = parse_line(number, text)
    complaint = "it does not hold patient, file name, class and source" if line is None else _complaint(line, split)
    if complaint is not None:
        problems.append(Problem("bad-row", f"{file}:{number}", f"{complaint}; passed over"))
        return None
    if line and split == "9a" and line.finding not in {*_KNOWN_9A, OTHER.lower()}:
        problems.append(Problem("other-class", f"{file}:{number}", f"class '{line.finding}' is read as {OTHER}"))
    return line


def _complaint(line: Line, split: str) -> str | None:
    if not is_file_name(line.name):
        return f"{line.name!r} cannot name a file of the folder"
    if split == "cxr-4" and line.finding not in _KNOWN_CXR4:
        return f"class '{line.finding}' is neither positive nor negative"
    if split == "9a" and line.finding in _KNOWN_CXR4:
        return f"class '{line.finding}' is of the binary lists, not of 9A"
    return None


def _agree(file: str, group: Sequence[Line], problems: list[Problem]) -> bool:
    """Whether the lines that name one image say the same of it; a repetition is reported either way."""
    if len(group) == 1:
        return True
    where = f"{file}:{group[-1].number}"
    findings = sorted({line.finding for line in group})
    if len(findings) > 1:
        detail = f"'{group[0].name}' stands in {len(group)} lines as {' and as '.join(findings)}; left out"
        problems.append(Problem("colliding-name", where, detail))
        return False
    detail = f"'{group[0].name}' stands in {len(group)} lines; the first was taken"
    problems.append(Problem("duplicate-row", where, detail))
    return True


def _labels(finding: str, split: str) -> dict[str, int]:
    if split == "cxr-4":
        return {LABEL: _KNOWN_CXR4[finding]}
    held = _KNOWN_9A.get(finding, OTHER)
    return {name: int(name == held) for name in CLASSES}


def _merged(known: Sample | None, sample: Sample) -> Sample:
    """The sample with the labels that the other set of lists gave the same image."""
    if known is None:
        return sample
    return Sample(
        sample_id=known.sample_id,
        patient_id=known.patient_id,
        image=known.image,
        labels={**known.labels, **sample.labels},
    )


def _nine_a(found: Mapping[str, _Entries]) -> dict[str, list[str]]:
    from sklearn.model_selection import train_test_split

    listed = found["train"].paths
    if len(listed) > 1:
        train, valid = train_test_split(listed, train_size=TRAIN_SHARE, random_state=SEED)
    else:
        train, valid = listed, []
    return {"train": _once(train), "valid": _once(valid, but=train), "test": _once(found["test"].paths)}


def _as_listed(found: Mapping[str, _Entries]) -> dict[str, list[str]]:
    return {"valid" if part == "val" else part: _once(entries.paths) for part, entries in found.items()}


def _once(paths: Iterable[str], but: Iterable[str] = ()) -> list[str]:
    """Paths without repetitions, without '' and without those in ``but``."""
    dropped = {"", *but}
    return [path for path in dict.fromkeys(paths) if path not in dropped]
