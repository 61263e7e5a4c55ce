"""Paediatric pneumonia (Kermany et al., Cell 2018): children's chest X-rays, normal, bacterial or viral pneumonia.

``{train,val,test}/{NORMAL,PNEUMONIA}`` under the root or deeper, as in ``chest_xray``; ``val`` is in one edition only.
Bacteria or virus, and the patient's number, are told by the file names alone.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.folders import is_clutter, subfolders
from medbench_datasets.names import IMAGE_SUFFIXES
from medbench_datasets.strata import draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NORMAL, PNEUMONIA, BACTERIAL, VIRAL = "Normal", "Pneumonia", "Bacterial pneumonia", "Viral pneumonia"
FOLDERS = ("NORMAL", "PNEUMONIA")
PARTS = ("train", "val", "test")
NESTED = "chest_xray"
VALID_SHARE = 0.1

_PATIENT = re.compile(
    r"(?P<person>person\d+)_(?P<cause>bacteria|virus)_\d+\Z"
    r"|(?P<normal>(?:NORMAL\d*-)?IM-\d+)-\d+(?:-\d+)*\Z"
    r"|(?P<kind>NORMAL|BACTERIA|VIRUS)-(?P<number>\d+)-\d+\Z",
    re.IGNORECASE | re.ASCII,
)

SPEC = DatasetSpec(
    id="kermany",
    title="Paediatric Pneumonia (Kermany et al.)",
    modality="chest X-ray",
    access="open",
    licence="CC BY 4.0",
    url="https://doi.org/10.17632/rscbjbr9sj",
    files=tuple(
        ExpectedFile(
            path=f"**/{part}/{folder}",
            purpose=f"JPEG images; {part}/{folder} here or deeper, as under {NESTED}",
            kind="folder",
            required=part != "val",
        )
        for part in PARTS
        for folder in FOLDERS
    ),
    supervision=frozenset({"labels"}),
    label_names=(NORMAL, BACTERIAL, VIRAL, PNEUMONIA),
    splits=(
        SplitSpec(
            name="official",
            rule=(
                "test is the test folder; valid is 10 % of the patients of train and val together, of the normal and of the "
                "ill, those whose id has the lowest SHA-256. The official val has 16 images, too few to choose anything "
                "by. A number in train or val and in test is taken for two children"
            ),
            source="Kermany et al., Cell 2018, for test; medbench for valid",
        ),
    ),
    reader="medbench_datasets.kermany:read",
    phantom="medbench_datasets.kermany_phantom:write_phantom",
    citation="Kermany et al., Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep Learning, Cell, 2018",
    tags=("chest-xray", "classification", "paediatric"),
)


class ImageName(NamedTuple):
    """What a file name tells: the patient's number, and ``bacteria``, ``virus`` or ``normal``."""

    patient: str
    cause: str


def read(root: Path) -> RawDataset:
    """One sample an image, whose id is its path from the part's folder on, sorted.

    ``patient_id`` is the number in the file name, within test or within train and val: the same number in the other may be
    another child, and there is no telling; how many there are is reported. Where a name tells no patient the image stands
    for one, and where it does not tell bacteria from virus both are unknown, reported. Raises `MissingDataError` where a
    folder of train or test is absent or holds no image, or two folders hold the data.
    """
    problems: list[Problem] = []
    place = _place(root)
    base, prefix = root / place, f"{place}/" if place else ""
    samples = []
    for part in PARTS:
        if part == "val" and not (base / part).is_dir():
            continue
        for folder in FOLDERS:
            names = list(_images(base / part / folder, problems))
            if not names and part != "val":
                raise MissingDataError(
                    f"{base / part / folder} holds no JPEG image", fix=f"get the images from {SPEC.url}"
                )
            samples += [_sample(prefix, part, folder, name, problems) for name in names]
    problems += _numbers_in_two_parts(samples)
    return RawDataset(samples=tuple(samples), splits={"official": _split(samples)}, problems=tuple(problems))


def parse_name(stem: str) -> ImageName | None:
    """``person12_virus_48``, ``NORMAL2-IM-0374-0001-0002``, ``BACTERIA-1008087-0001`` -> patient and cause; None for others."""
    match = _PATIENT.match(stem)
    if match is None:
        return None
    if match["person"]:
        return ImageName(match["person"].lower(), match["cause"].lower())
    if match["normal"]:
        return ImageName(match["normal"].upper(), "normal")
    return ImageName(match["number"], match["kind"].lower())


def _place(root: Path) -> str:
    """The folder that holds train and test, from the root ('' is the root itself, and where there is none).

    The least deep one, since archives hold copies of themselves further down. Links are followed.
    """
    level, visited = [""], set[str]()
    while level:
        found = [place for place in level if _holds_data(root / place)]
        if len(found) > 1:
            raise MissingDataError(f"{root} holds the data twice, in {' and '.join(found)}", fix="keep one of them")
        if found:
            return found[0]
        fresh = {os.path.realpath(root / place): place for place in reversed(level)}
        inside = [place for real, place in fresh.items() if real not in visited]
        visited |= fresh.keys()
        level = sorted(str(PurePosixPath(place, name)) for place in inside for name in subfolders(root / place))
    return ""


def _holds_data(folder: Path) -> bool:
    """Told by the ill alone: the same release has retinal images of which some are ``train/NORMAL``."""
    return any((folder / part / FOLDERS[1]).is_dir() for part in ("train", "test"))


def _images(folder: Path, problems: list[Problem]) -> Iterator[str]:
    """Names of the images in a folder, sorted; hidden files are passed over, others reported."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if is_clutter(path.name):
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            yield path.name
        else:
            where = "/".join(path.parts[-3:])
            problems.append(Problem("not-an-image", where, "not a JPEG or PNG file; passed over"))


def _sample(prefix: str, part: str, folder: str, name: str, problems: list[Problem]) -> Sample:
    where = f"{part}/{folder}/{name}"
    told = parse_name(name.rpartition(".")[0])
    if told is None:
        problems.append(Problem("bad-name", where, "the name tells no patient; the image was taken for one"))
    elif (told.cause == "normal") != (folder == FOLDERS[0]):
        problems.append(
            Problem("label-disagreement", where, f"named {told.cause} but in {folder}; the folder was believed")
        )
    scope = "test" if part == "test" else "train"
    return Sample(
        sample_id=where,
        patient_id=f"{scope}/{told.patient if told else name}",
        image=f"{prefix}{where}",
        labels=_labels(folder, told.cause if told else ""),
    )


def _labels(folder: str, cause: str) -> dict[str, int]:
    if folder == FOLDERS[0]:
        return {NORMAL: 1, BACTERIAL: 0, VIRAL: 0, PNEUMONIA: 0}
    known = {NORMAL: 0, PNEUMONIA: 1}
    if cause not in {"bacteria", "virus"}:
        return known
    return {**known, BACTERIAL: int(cause == "bacteria"), VIRAL: int(cause == "virus")}


def _numbers_in_two_parts(samples: Sequence[Sample]) -> list[Problem]:
    """One problem for all patient numbers that train or val shares with test."""
    numbers: dict[str, set[str]] = {"train": set(), "test": set()}
    for sample in samples:
        scope, _, number = sample.patient_id.partition("/")
        numbers[scope].add(number)
    both = numbers["train"] & numbers["test"]
    if not both:
        return []
    detail = (
        f"{len(both):,} patient numbers, as {min(both)}, are in test and in train or val: taken for two children each"
    )
    return [Problem("number-in-two-parts", "test", detail)]


def _split(samples: Sequence[Sample]) -> Mapping[str, list[str]]:
    held_in = [sample for sample in samples if not sample.sample_id.startswith("test/")]
    drawn = draw({sample.patient_id: str(sample.labels[PNEUMONIA]) for sample in held_in}, VALID_SHARE)
    return {
        "train": [sample.sample_id for sample in held_in if sample.patient_id not in drawn],
        "valid": [sample.sample_id for sample in held_in if sample.patient_id in drawn],
        "test": [sample.sample_id for sample in samples if sample.sample_id.startswith("test/")],
    }
