"""ROCO (Pelka et al., 2018) and ROCOv2 (Rückert et al., 2024): radiology figures of open articles with their captions.

The root holds ROCO's ``data`` folder (or what is in it), after its ``scripts/fetch.py`` has fetched the images, or ROCOv2's
caption tables with the extracted image archives, or both. ROCO's figures that are no radiology are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.roco_lists import (
    CAPTIONS,
    LICENCES,
    LICENCES_V2,
    LINKS,
    Figure,
    read_articles,
    read_captions,
    read_figures,
)
from medbench_datasets.tables import SURPLUS, is_file_name, read_csv
from medbench_datasets.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OFFICIAL, SECOND = "official", "v2"
RADIOLOGY, IMAGES = "radiology", "images"
PARTS = {"train": "train", "validation": "valid", "test": "test"}
TOPS = ("data", "all_data", "")
"""Where ROCO's parts lie: as in its repository, as in a mirror's archive, or in the root itself."""
PARTS_V2 = {"train": "train", "valid": "valid", "test": "test"}
COLUMNS_V2 = ("ID", "Caption")
SUFFIX = ".jpg"

SPEC = DatasetSpec(
    id="roco",
    title="ROCO: Radiology Objects in COntext",
    modality="radiology figures",
    access="open",
    licence="of each figure: column CC of licences.txt (ROCO), license_information.csv (ROCOv2)",
    url="https://github.com/razorx89/roco-dataset",
    files=(
        ExpectedFile(path=f"*/*/{RADIOLOGY}/{CAPTIONS}", purpose="a line an image: id, tab, caption", required=False),
        ExpectedFile(path=f"*/*/{RADIOLOGY}/{LICENCES}", purpose="ROCO_ID,PMC_ID,CC: file and licence", required=False),
        ExpectedFile(path=f"*/*/{RADIOLOGY}/{LINKS}", purpose="archive and name of each figure", required=False),
        ExpectedFile(
            path=f"*/*/{RADIOLOGY}/{IMAGES}",
            purpose="JPEG images, <PMC id>_<figure>.jpg as fetch.py saves them, or <ROCO id>.jpg",
            kind="folder",
            required=False,
        ),
        ExpectedFile(path="*_captions.csv", purpose=f"ROCOv2: columns {', '.join(COLUMNS_V2)}", required=False),
        ExpectedFile(path=LICENCES_V2, purpose="ROCOv2: column ID, and PMCID or Link: the articles", required=False),
        ExpectedFile(
            path="train*",
            purpose="ROCOv2: train_images/train/<ID>.jpg, or train/<ID>.jpg",
            kind="folder",
            required=False,
        ),
        ExpectedFile(path="valid*", purpose="ROCOv2: the same for valid", kind="folder", required=False),
        ExpectedFile(path="test*", purpose="ROCOv2: the same for test", kind="folder", required=False),
    ),
    supervision=frozenset({"captions"}),
    label_names=(),
    colour=True,
    splits=(
        SplitSpec(
            name=OFFICIAL,
            rule="the folders train, validation (as valid) and test, class radiology; figures of one article may be in several",
            source="ROCO, Pelka et al., LABELS 2018",
            shares_patients=True,
        ),
        SplitSpec(
            name=SECOND,
            rule=(
                "the tables train_captions.csv, valid_captions.csv and test_captions.csv of ROCOv2; articles may be shared "
                "between parts"
            ),
            source="ROCOv2, Rückert et al., Scientific Data, 2024; Zenodo record 10821435 (version 2.0.1)",
            sizes={"train": 59958, "valid": 9904, "test": 9927},
            shares_patients=True,
        ),
    ),
    reader="medbench_datasets.roco:read",
    images_from=("pmc",),
    phantom="medbench_datasets.roco_phantom:write_phantom",
    citation="Pelka et al., Radiology Objects in COntext (ROCO): A Multimodal Image Dataset, LABELS at MICCAI, 2018",
    tags=("radiology", "retrieval", "captions"),
)


def read(root: Path) -> RawDataset:
    """One sample a captioned figure, ids as published; ``texts`` is its caption on one line, in whatever language.

    The article stands for the patient, since figures of one article are of one case as a rule; ROCOv2 names it in
    ``license_information.csv``, without which each of its figures stands for itself. ``details`` hold the ``licence``.
    Raises `MissingDataError` where there are no captions of either release, or a table lacks a column.
    """
    problems: list[Problem] = []
    samples: dict[str, Sample] = {}
    splits: dict[str, dict[str, list[str]]] = {}
    listed = _read_official(root, samples, splits, problems) + _read_second(root, samples, splits, problems)
    if not splits:
        raise MissingDataError(
            f"{root} has neither data/*/{RADIOLOGY}/{CAPTIONS} nor ROCOv2's *_captions.csv",
            fix=f"get it from {SPEC.url}",
        )
    return RawDataset(samples=tuple(samples.values()), splits=splits, problems=tuple(problems), listed=listed)


def _read_official(
    root: Path, samples: dict[str, Sample], splits: dict[str, dict[str, list[str]]], problems: list[Problem]
) -> int:
    """Add ROCO's samples and split; returns how many its files list."""
    top = next(
        (top for top in TOPS if any((root / top / part / RADIOLOGY / CAPTIONS).is_file() for part in PARTS)), None
    )
    listed = 0
    for folder, part in PARTS.items() if top is not None else ():
        base = f"{top}/{folder}/{RADIOLOGY}".lstrip("/")
        if not (root / base / CAPTIONS).is_file():
            problems.append(Problem("missing-list", f"{base}/{CAPTIONS}", f"there is no {part} part"))
            continue
        captions = read_captions(root / base / CAPTIONS, f"{base}/{CAPTIONS}", problems)
        figures = read_figures(root / base, base, problems)
        there = _names_in(root / base / IMAGES)
        found = [_official_sample(base, name, text, figures, there) for name, text in captions.by_id.items()]
        splits.setdefault(OFFICIAL, {})[part] = _take(found, samples, base, problems)
        listed += captions.listed
    return listed


def _official_sample(
    base: str, name: str, caption: str, figures: Mapping[str, Figure], there: frozenset[str]
) -> Sample:
    figure = figures.get(name, Figure())
    file = f"{name}{SUFFIX}"
    return Sample(
        sample_id=name,
        patient_id=figure.article or name,
        image=f"{base}/{IMAGES}/{figure.file if figure.file and file not in there else file}",
        texts=(caption,),
        details={"licence": figure.licence} if figure.licence else {},
    )


def _read_second(
    root: Path, samples: dict[str, Sample], splits: dict[str, dict[str, list[str]]], problems: list[Problem]
) -> int:
    """Add ROCOv2's samples and split; returns how many its tables list."""
    tables = {part: root / f"{stem}_captions.csv" for stem, part in PARTS_V2.items()}
    articles = read_articles(root / LICENCES_V2, problems)
    listed = 0
    for stem, part in PARTS_V2.items() if any(table.is_file() for table in tables.values()) else ():
        table, found = tables[part], []
        folder = _folder_of(root, stem)
        for row in read_csv(table, COLUMNS_V2):
            name, caption = row.cells["ID"], one_line(row.cells["Caption"])
            complaint = SURPLUS if row.surplus else _complaint(name, caption)
            if complaint:
                problems.append(Problem("bad-row", f"{table.name}:{row.line}", f"{complaint}; passed over"))
                listed += 1
                continue
            image, article = f"{folder}/{name}{SUFFIX}", articles.get(name, name)
            found.append(Sample(sample_id=name, patient_id=article, image=image, texts=(caption,)))
        splits.setdefault(SECOND, {})[part] = ids = _take(found, samples, table.name, problems)
        listed += len(ids)
    return listed


def _complaint(name: str, caption: str) -> str:
    if not is_file_name(name):
        return f"ID {name[:60]!r} cannot name a file"
    return "" if caption else f"{name} has no caption"


def _folder_of(root: Path, stem: str) -> str:
    """The archive's folder, in a folder of the archive's name or not."""
    folders = (f"{stem}_images/{stem}", f"{stem}_images", stem)
    return next((folder for folder in folders if (root / folder).is_dir()), stem)


def _names_in(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


def _take(found: list[Sample], samples: dict[str, Sample], where: str, problems: list[Problem]) -> list[str]:
    """Add the samples whose id is new; their ids."""
    taken = []
    for sample in found:
        if sample.sample_id in samples:
            problems.append(Problem("duplicate-id", where, f"{sample.sample_id} is listed before; passed over"))
            continue
        samples[sample.sample_id] = sample
        taken.append(sample.sample_id)
    return taken
