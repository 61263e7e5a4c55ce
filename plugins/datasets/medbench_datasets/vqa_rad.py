"""VQA-RAD: questions that clinicians asked of radiographs, CT and MR images of the head, the chest and the abdomen.

Two layouts are read. That of MEVF, which the published protocols use: ``trainset.json`` (with the questions that fill a frame),
``testset.json`` and ``images/``. And the official one: ``VQA_RAD Dataset Public.json``, whose ``phrase_type`` says which
rows are tested, and ``VQA_RAD Image Folder/``. Where both are there the first is read.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.json_rows import JsonRow, json_rows, read_json, text_of, words_of
from medbench_datasets.questions import (
    ANSWER_TYPE,
    QUESTION_TYPE,
    Question,
    count_listed,
    ids_by_part,
    parts_of,
    read_answer_type,
    to_samples,
    unasked_images,
)
from medbench_datasets.splits import draw_valid, members_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Sample

TRAIN_FILE, TEST_FILE, IMAGES = "trainset.json", "testset.json", "images"
PUBLIC_FILE, PUBLIC_IMAGES = "VQA_RAD Dataset Public.json", "VQA_RAD Image Folder"
AS_RELEASED = "answer_type_as_released"
TEST_PHRASES = frozenset({"test_freeform", "test_para"})
PHRASE_TYPE, FRAME = "phrase_type", "frame"
VALID_SHARE = 0.15

_ABSENT = (
    f"there is split public alone: official and official-disjoint need {TRAIN_FILE} and {TEST_FILE}, which hold the questions "
    "that fill a frame too"
)

SPEC = DatasetSpec(
    id="vqa-rad",
    title="VQA-RAD",
    modality="radiology",
    access="open",
    licence="CC0 1.0",
    url="https://osf.io/89kps/",
    files=(
        ExpectedFile(
            path=TRAIN_FILE,
            purpose="the questions to train on as MEVF and its followers ship them; either the three, or the two below",
            required=False,
        ),
        ExpectedFile(path=TEST_FILE, purpose="the tested questions in the same form", required=False),
        ExpectedFile(path=IMAGES, purpose="the images, <name>.jpg", kind="folder", required=False),
        ExpectedFile(path=PUBLIC_FILE, purpose="all questions in the official form", required=False),
        ExpectedFile(path=PUBLIC_IMAGES, purpose="the images in the official form", kind="folder", required=False),
    ),
    supervision=frozenset({"questions"}),
    label_names=(),
    splits=(
        SplitSpec(
            name="official",
            rule=(
                "trainset.json and testset.json; no validation part. The split is of questions, not of images: every one of "
                "the 203 tested images is also trained on, with other questions"
            ),
            source="med-vqa (MEVF) release; the protocol of MOTOR, section VQA",
            sizes={"train": 3064, "test": 451},
            shares_patients=True,
        ),
        SplitSpec(
            name="official-disjoint",
            rule=(
                "the tested questions as in official; train and valid are the questions on images that are not tested, "
                "15 % of those images, drawn with seed 0, for valid"
            ),
            source="medbench",
            sizes={"test": 451},
        ),
        SplitSpec(
            name="public",
            rule=(
                "official without the questions that fill a frame; test by phrase_type (test_freeform, test_para), and tested "
                "images are also trained on"
            ),
            source="Lau et al., Scientific Data 2018; VQA_RAD Dataset Public.json",
            sizes={"train": 1797, "test": 451},
            shares_patients=True,
        ),
    ),
    reader="medbench_datasets.vqa_rad:read",
    colour=True,
    images_from=("medpix",),
    phantom="medbench_datasets.vqa_rad_phantom:write_phantom",
    citation="Lau et al., A dataset of clinically generated visual questions and answers about radiology images, 2018",
    tags=("radiology", "vqa"),
)


def read(root: Path) -> RawDataset:
    """One sample a question, in the order of the files, training first; ids are the dataset's ``qid``.

    ``details`` are ``answer_type`` (CLOSED or OPEN), ``answer_type_as_released`` (two rows read 'CLOSED ', which released
    code, comparing strings, takes for open), ``question_type``, ``phrase_type`` and ``image_organ``. An image stands for the
    patient, of whom nothing is known. Images without a question are reported. The official layout alone gives split
    ``public`` only, which is reported. Raises `MissingDataError` where neither layout is there, or a file is not a JSON list.
    """
    problems: list[Problem] = []
    mevf = (root / TRAIN_FILE).is_file() or (root / TEST_FILE).is_file()
    rows = _mevf_rows(root, problems) if mevf else _public_rows(root, problems)
    folder = next((name for name in (IMAGES, PUBLIC_IMAGES) if (root / name).is_dir()), IMAGES)
    asked = {part: [_question(row, folder) for row in members] for part, members in rows.items()}
    part_of = parts_of(asked)
    samples = to_samples(chain.from_iterable(asked.values()), problems)
    problems += unasked_images(root, folder, samples)
    unframed = [one for one in samples if part_of[one.sample_id] == "test" or one.details.get(PHRASE_TYPE) != FRAME]
    splits = {"public": ids_by_part(unframed, part_of, rows)}
    if mevf:
        official = ids_by_part(samples, part_of, rows)
        splits |= {"official": official, "official-disjoint": _disjoint(samples, official)}
    else:
        problems.append(Problem("missing-list", PUBLIC_FILE, _ABSENT))
    listed = count_listed(samples, problems)
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=listed)


def _mevf_rows(root: Path, problems: list[Problem]) -> dict[str, list[JsonRow]]:
    files = {"train": root / TRAIN_FILE, "test": root / TEST_FILE}
    return {part: json_rows(path, read_json(path), problems) for part, path in files.items()}


def _public_rows(root: Path, problems: list[Problem]) -> dict[str, list[JsonRow]]:
    path = root / PUBLIC_FILE
    if not path.is_file():
        raise MissingDataError(
            f"{root} has neither {TRAIN_FILE} and {TEST_FILE} nor {PUBLIC_FILE}", fix=f"get the dataset from {SPEC.url}"
        )
    rows: dict[str, list[JsonRow]] = {"train": [], "test": []}
    for row in json_rows(path, read_json(path), problems):
        rows["test" if text_of(row.cells.get(PHRASE_TYPE)) in TEST_PHRASES else "train"].append(row)
    return rows


def _question(row: JsonRow, folder: str) -> Question:
    cells = row.cells
    released = cells.get(ANSWER_TYPE)
    image = text_of(cells.get("image_name"))
    return Question(
        where=row.where,
        sample_id=text_of(cells.get("qid")) or row.where,
        folder=folder,
        image=image,
        group=image or "",
        question=words_of(cells.get("question")),
        answers=(text_of(cells.get("answer")),),
        details={
            ANSWER_TYPE: read_answer_type(released),
            AS_RELEASED: released if isinstance(released, str) else None,
            QUESTION_TYPE: text_of(cells.get(QUESTION_TYPE)),
            PHRASE_TYPE: text_of(cells.get(PHRASE_TYPE)),
            "image_organ": text_of(cells.get("image_organ")),
        },
    )


def _disjoint(samples: Sequence[Sample], official: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    image_of = {one.sample_id: one.patient_id for one in samples}
    tested = {image_of[one] for one in official["test"]}
    apart = {one: image_of[one] for one in official["train"] if image_of[one] not in tested}
    drawn = draw_valid(sorted(set(apart.values())), VALID_SHARE)
    return {**members_of(drawn, apart), "test": list(official["test"])}
