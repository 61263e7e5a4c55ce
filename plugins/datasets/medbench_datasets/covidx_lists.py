"""The lists of COVIDx: one line an image, its patient, file name, class and source."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, Sample
from medbench_datasets.tables import is_file_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SET_9A, SET_CXR4 = "9a", "cxr-4"
OTHER = "COVID-19"
"""The third class: whatever is neither normal nor pneumonia, as the MGCA release reads it."""
CLASSES = ("Normal", "Pneumonia", OTHER)
LABEL = "Positive"
TRAIN_9A, TEST_9A = "train_COVIDx9A.txt", "test_COVIDx9A.txt"
LISTS_9A = {TRAIN_9A: "train", TEST_9A: "test"}
LISTS_CXR4 = {"train.txt": "train", "val.txt": "val", "test.txt": "test"}
MARK_CXR4 = "val.txt"
"""Only CXR-4 has it: versions before ship ``train.txt`` and ``test.txt`` beside the 9A lists' images."""
_FEWEST_FIELDS = 4
_KNOWN_9A = {"normal": "Normal", "pneumonia": "Pneumonia"}
_KNOWN_CXR4 = {"negative": 0, "positive": 1}


class Line(NamedTuple):
    """A line of a list; ``name`` is kept whole, dots and spaces included, and ``finding`` is in lower case."""

    number: int
    patient: str
    name: str
    finding: str


class Entries(NamedTuple):
    """What a list gives: the image's path of each of its lines ('' where there is none to use), and samples by path.

    ``named`` are the paths of all lines that can be read, and ``unusable`` counts the others.
    """

    paths: list[str]
    samples: dict[str, Sample]
    named: set[str]
    unusable: int


def read_list(path: Path, folder: str, lists: str, problems: list[Problem]) -> Entries:
    """A list's lines as samples; every line keeps its place in ``paths``."""
    lines = _read_lines(path)
    before = len(problems)
    usable = {number: line for number, text in lines if (line := _usable(path.name, number, text, lists, problems))}
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
            labels=_labels(group[0].finding, lists),
        )
        for name, group in by_name.items()
        if name in kept
    }
    names = [usable[number].name if number in usable else "" for number, _ in lines]
    return Entries(
        paths=[f"{folder}/{name}" if name in kept else "" for name in names],
        samples=samples,
        named={f"{folder}/{name}" for name in by_name},
        unusable=len(lines) - len(usable),
    )


def parse_line(number: int, text: str) -> Line | None:
    """The first word is the patient, the last two class and source, what stands between the file name; None where short."""
    words = text.split()
    if len(words) < _FEWEST_FIELDS:
        return None
    return Line(number, words[0], " ".join(words[1:-2]), words[-2].lower())


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MissingDataError(f"{path} is not readable text ({error})", fix="download the file again") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _usable(file: str, number: int, text: str, lists: str, problems: list[Problem]) -> Line | None:
    """The line, or None, reported, where it cannot become a sample."""
    line = parse_line(number, text)
    complaint = "it does not hold patient, file name, class and source" if line is None else _complaint(line, lists)
    if complaint is not None:
        problems.append(Problem("bad-row", f"{file}:{number}", f"{complaint}; passed over"))
        return None
    if line and lists == SET_9A and line.finding not in {*_KNOWN_9A, OTHER.lower()}:
        problems.append(Problem("other-class", f"{file}:{number}", f"class '{line.finding}' is read as {OTHER}"))
    return line


def _complaint(line: Line, lists: str) -> str | None:
    if not is_file_name(line.name):
        return f"{line.name!r} cannot name a file of the folder"
    if lists == SET_CXR4 and line.finding not in _KNOWN_CXR4:
        return f"class '{line.finding}' is neither positive nor negative"
    if lists == SET_9A and line.finding in _KNOWN_CXR4:
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


def _labels(finding: str, lists: str) -> dict[str, int]:
    if lists == SET_CXR4:
        return {LABEL: _KNOWN_CXR4[finding]}
    held = _KNOWN_9A.get(finding, OTHER)
    return {name: int(name == held) for name in CLASSES}
