"""The Indiana University chest X-ray collection (Open-i): studies of one or more views with their reports.

The root holds the images in ``images``, in the official layout, in R2Gen's, or in both: official are
``ecgen-radiology/*.xml`` (``tar xzf NLMCXR_reports.tgz``) with ``images/<image id>.png`` (``tar xzf NLMCXR_png.tgz -C
images``); R2Gen's is ``annotation.json`` with ``images/<study>/0.png`` and ``1.png``. In R2Gen's list are exactly the
2,955 studies with findings and two or more images, and its report is the findings section, word for word.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets import r2gen
from medbench_datasets.folders import files_below
from medbench_datasets.iu_xray_reports import Report, Reports, read_reports
from medbench_datasets.splits import divide
from medbench_datasets.tables import find_table, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

REPORTS, IMAGES = "ecgen-radiology", "images"
VIEWS = "nlmcxr_tsne_pa"
VIEW_COLUMNS = ("imageid", "tsne-view")
LABEL = "Normal"
NORMAL = ("normal",)
NOT_INDEXED = frozenset({"No Indexing", "Technical Quality of Image Unsatisfactory"})
BY_STUDY = "patient"
VALID_SHARE, TEST_SHARE = 0.1, 0.2

_VIEW_NAMES = {"PA": "PA", "L": "Lateral"}

SPEC = DatasetSpec(
    id="iu-xray",
    title="IU X-Ray (Open-i)",
    modality="chest X-ray",
    access="open",
    licence="CC BY-NC-ND 4.0, as each report's XML says",
    url="https://openi.nlm.nih.gov/faq",
    files=(
        ExpectedFile(
            path=IMAGES,
            purpose="PNG images: <image id>.png (NLMCXR_png.tgz) for the XML reports, <study>/0.png for annotation.json",
            kind="folder",
        ),
        ExpectedFile(
            path=REPORTS, purpose="one XML report a study (NLMCXR_reports.tgz)", kind="folder", required=False
        ),
        ExpectedFile(path=r2gen.ANNOTATION, purpose="R2Gen's reports and split", required=False),
        ExpectedFile(
            path=f"{VIEWS}.csv*",
            purpose=f"TorchXRayVision's views of first images; columns {', '.join(VIEW_COLUMNS)}; may be .gz",
            required=False,
        ),
    ),
    supervision=frozenset({"reports", "labels"}),
    label_names=(LABEL,),
    splits=(
        SplitSpec(
            name=r2gen.SPLIT,
            rule="R2Gen's annotation.json: studies of two views with findings; val as valid",
            source="R2Gen, Chen et al., EMNLP 2020",
            sizes={"train": 2069, "valid": 296, "test": 590},
        ),
        SplitSpec(
            name=BY_STUDY,
            rule=(
                "studies of the XML reports with an image and findings, sorted; train_test_split with random_state 0: 20 % "
                "test, then 12.5 % of the rest valid (70/10/20); the collection names no patients. The image is the first as "
                "listed, a lateral in 584 of 3,851 studies"
            ),
            source="medbench; the collection publishes none",
        ),
    ),
    reader="medbench_datasets.iu_xray:read",
    phantom="medbench_datasets.iu_xray_phantom:write_phantom",
    citation=(
        "Demner-Fushman et al., Preparing a collection of radiology examinations for distribution and retrieval, JAMIA, 2016"
    ),
    tags=("chest-xray", "report-generation", "retrieval"),
)


class _Layout(NamedTuple):
    """The samples of one layout, its split, and how many studies it lists."""

    samples: tuple[Sample, ...] = ()
    splits: Mapping[str, Mapping[str, list[str]]] = {}
    listed: int = 0


class _Images:
    """The files below the folder of the images, whatever the case of their names (``0.PNG``)."""

    def __init__(self, root: Path) -> None:
        found = [name for name in files_below(root, IMAGES) if (root / name).is_file()]
        self._files = {name.casefold(): name for name in found} | {name: name for name in found}

    def find(self, name: str) -> str | None:
        """The path of the file that an image path means; None where there is none."""
        return self._files.get(name, self._files.get(name.casefold()))


def read(root: Path) -> RawDataset:
    """One sample a study: ``image`` is its first view as published, ``others`` the further ones.

    Ids are the published ones: ``CXR1`` for an XML report, ``CXR1_IM-0001`` for a study of R2Gen's. ``texts`` is the
    findings section, or where there is none the impression; ``details`` hold ``findings``, ``impression``, ``indication``,
    ``comparison`` and ``mesh``, for R2Gen's studies too where the XML is there. Label `LABEL` is 1 where the study's only
    heading is "normal", and unknown where it was not indexed. Of an XML report, a view whose file is missing is reported and
    left out; a study of R2Gen's is lost with any of its views, since models are compared on pairs in their order. A report
    that names no image is passed over, and a layout none of whose images is there. Raises `MissingDataError` where there is no
    layout to read, or annotation.json is not R2Gen's JSON.
    """
    problems: list[Problem] = []
    reports, images = read_reports(root / REPORTS, problems), _Images(root)
    layouts = [_official(root, reports, images, problems), _r2gen(root, reports.by_study, images, problems)]
    samples = tuple(sample for layout in layouts for sample in layout.samples)
    if not samples:
        raise MissingDataError(
            f"{root} has neither {REPORTS}/*.xml nor {r2gen.ANNOTATION} with images of theirs in {IMAGES}",
            fix=f"medbench show {SPEC.id} says what belongs there",
        )
    splits = {name: parts for layout in layouts for name, parts in layout.splits.items()}
    listed = sum(layout.listed for layout in layouts)
    return RawDataset(samples=samples, splits=splits, problems=tuple(problems), listed=listed)


def _official(root: Path, reports: Reports, images: _Images, problems: list[Problem]) -> _Layout:
    files = {study: _official_files(report) for study, report in reports.by_study.items() if report.images}
    without = len(reports.by_study) - len(files)
    if without:
        problems.append(Problem("no-image", REPORTS, f"{without:,} reports name no image; passed over"))
    if not _any_there(images, files, REPORTS, problems):
        return _Layout()
    views = _views(root)
    samples = tuple(
        _sample(study, reports.by_study[study], _there(images, study, names, problems), views)
        for study, names in files.items()
    )
    described = sorted(sample.sample_id for sample in samples if "findings" in sample.details)
    split = {BY_STUDY: divide(described, valid=VALID_SHARE, test=TEST_SHARE)}
    return _Layout(samples, split, reports.listed - without)


def _official_files(report: Report) -> tuple[str, ...]:
    return tuple(f"{IMAGES}/{name}.png" for name in report.images)


def _r2gen(root: Path, reports: Mapping[str, Report], images: _Images, problems: list[Problem]) -> _Layout:
    path = root / r2gen.ANNOTATION
    if not path.is_file():
        return _Layout()
    annotation = r2gen.read_annotation(path, problems)
    files = {study.id: tuple(f"{IMAGES}/{name}" for name in study.images) for study in annotation.studies}
    if not _any_there(images, files, path.name, problems):
        return _Layout()
    samples = []
    parts: dict[str, list[str]] = {part: [] for part in r2gen.PARTS.values()}
    for study in annotation.studies:
        number = study.id.partition("_")[0]
        report = reports.get(number, Report(number, "", "", study.report, "", (), ()))
        views = [images.find(name) or name for name in files[study.id]]
        samples.append(_sample(study.id, report, views, {}, text=study.report))
        parts[study.part].append(study.id)
    return _Layout(tuple(samples), {r2gen.SPLIT: parts}, annotation.listed)


def _any_there(images: _Images, files: Mapping[str, Sequence[str]], where: str, problems: list[Problem]) -> bool:
    """Whether any image of a layout is there; if none is, that is said once and not study by study."""
    if any(images.find(name) for names in files.values() for name in names):
        return True
    if files:
        problems.append(Problem("no-image", where, f"{IMAGES} holds none of its images; its studies were passed over"))
    return False


def _there(images: _Images, study: str, names: Sequence[str], problems: list[Problem]) -> Sequence[str]:
    """The views whose file is there; all, for the preparation to report, where none is."""
    found = {name: file for name in names if (file := images.find(name))}
    if not found:
        return names
    problems += [
        Problem("missing-image", study, f"{name} does not exist; this view was left out")
        for name in names
        if name not in found
    ]
    return list(found.values())


def _sample(sample_id: str, report: Report, views: Sequence[str], view_of: Mapping[str, str], text: str = "") -> Sample:
    text = text or report.findings or report.impression
    view = view_of.get(PurePosixPath(views[0]).stem, "")
    return Sample(
        sample_id=sample_id,
        patient_id=report.study,
        image=views[0],
        others=tuple(views[1:]),
        labels=_labels(report.mesh),
        attributes={"view": view} if view else {},
        texts=(text,) if text else (),
        details=report.details,
    )


def _labels(mesh: Sequence[str]) -> dict[str, int]:
    indexed = [heading for heading in mesh if heading not in NOT_INDEXED]
    return {LABEL: int(tuple(indexed) == NORMAL)} if indexed else {}


def _views(root: Path) -> dict[str, str]:
    """The view of an image by its id, where TorchXRayVision's table is in the root."""
    path = find_table(root, VIEWS)
    rows = read_csv(path, VIEW_COLUMNS) if path else []
    return {
        row.cells["imageid"]: _VIEW_NAMES[row.cells["tsne-view"]]
        for row in rows
        if row.cells["tsne-view"] in _VIEW_NAMES
    }
