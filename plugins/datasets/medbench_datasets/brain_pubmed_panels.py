"""Panels of brain figures with the piece of the caption that is about each, cut out by their letters.

The root holds ``train.json``, ``val.json`` and ``test.json``, lists of ``{Img_id, Sub_ID, text}``, or the undivided
``med_captions_processed.json``; ``images/``; and ``boxes/<Img_id>.json`` (or the release's ``bound/bounding_boxes_new`` or
``bounding_boxes_20k``): for each figure the boxes of its panels, ``{x, y, w, h, OCR}``.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile
from medbench_datasets.brain_pubmed import CITATION, LICENCE, list_files, list_splits
from medbench_datasets.brain_pubmed import SPEC as FIGURES
from medbench_datasets.brain_pubmed_boxes import FOLDERS, Choice, Panel, boxes_folder, by_letter, first_box, read_panels
from medbench_datasets.brain_pubmed_rows import PLAIN, groups_of, plain, read_captions, splits_of
from medbench_datasets.questions import count_listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medbench_datasets.brain_pubmed_rows import Caption

WHOLE_LIST = "med_captions_processed.json"

SPEC = DatasetSpec(
    id="brain-pubmed-panels",
    title="Brain panels of PubMed Central, cut by letter",
    modality=FIGURES.modality,
    access="open",
    licence=LICENCE,
    url=FIGURES.url,
    files=(
        *list_files(WHOLE_LIST, "Img_id, Sub_ID, text"),
        *(
            ExpectedFile(
                path=name, purpose="boxes of the panels, <Img_id>.json; any one", kind="folder", required=False
            )
            for name in FOLDERS
        ),
    ),
    supervision=frozenset({"captions"}),
    label_names=(),
    splits=list_splits({"train": 29651, "valid": 4942, "test": 4942}),
    reader="medbench_datasets.brain_pubmed_panels:read",
    colour=True,
    images_from=(FIGURES.id,),
    phantom="medbench_datasets.brain_pubmed_phantom:write_panels",
    citation=CITATION,
    tags=("brain", "retrieval"),
)


def read(root: Path) -> RawDataset:
    """One sample a row; ``region`` is the panel whose letter the row names, by the rule of the pre-training code.

    The whole figure where a row names no letter, the figure has one box, no box holds exactly that letter, or there are
    no boxes (each such figure is reported); ``details["crop"]`` says which: letter, whole, single, unmatched, no-boxes. Else
    as `medbench_datasets.brain_pubmed.read`; ``details["panel"]`` is the letter.
    """
    return _read(root, first=False)


def read_first(root: Path) -> RawDataset:
    """As `read`, but ``region`` is the figure's first box whatever the letter, as the released retrieval code cuts."""
    return _read(root, first=True)


def _read(root: Path, *, first: bool) -> RawDataset:
    problems: list[Problem] = []
    captions = read_captions(root, WHOLE_LIST, problems)
    panels = _panels_by_image(root, captions, problems)
    group_of = groups_of(captions)
    samples = []
    for one in captions:
        found = panels[one.image]
        choice = first_box(found) if first else by_letter(found, one.panel)
        samples.append(_sample(one, group_of[one.figure], choice))
    listed = count_listed(samples, problems)
    splits = splits_of(captions, samples)
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=listed)


def _panels_by_image(
    root: Path, captions: Sequence[Caption], problems: list[Problem]
) -> dict[str, tuple[Panel, ...] | None]:
    """The panels of each figure, whose file is read once."""
    images = dict.fromkeys(one.image for one in captions)
    folder = boxes_folder(root)
    if folder is None:
        detail = (
            f"none of {', '.join(FOLDERS)} is there; captions of all {len(images):,} figures are of the whole figure"
        )
        problems.append(Problem("missing-boxes", str(root.name), detail))
        return dict.fromkeys(images)
    return {image: read_panels(folder / f"{PurePosixPath(image).name}.json", problems) for image in images}


def _sample(caption: Caption, group: str, choice: Choice) -> Sample:
    details = {
        PLAIN: "\n".join(map(plain, caption.texts)),
        "panel": caption.panel,
        "crop": choice.rule,
        "image_id": caption.image_id,
    }
    return Sample(
        sample_id=caption.row_id,
        patient_id=group,
        image=caption.image,
        region=choice.region,
        texts=caption.texts,
        details={name: value for name, value in details.items() if value},
    )
