"""SLAKE: questions in English and in Chinese on radiographs, CT and MR images, some of which ask for medical knowledge.

The root holds the official ``train.json``, ``validate.json``, ``test.json`` (or each packed as ``.json.gz``) and
``imgs/<case>/source.jpg``.
"""

from __future__ import annotations

from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import RawDataset
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.json_rows import JsonRow, find_json, json_rows, read_json, text_of, words_of
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

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import Problem

IMAGES, IMAGE_NAME = "imgs", "source.jpg"
FILES = {"train": "train", "valid": "validate", "test": "test"}
LANGUAGE, ENGLISH = "language", "en"
DETAILS = {
    QUESTION_TYPE: "content_type",
    LANGUAGE: "q_lang",
    "modality": "modality",
    "location": "location",
    "base_type": "base_type",
}

SPEC = DatasetSpec(
    id="slake",
    title="SLAKE",
    modality="radiology",
    access="open",
    licence="CC BY 4.0",
    url="https://www.med-vqa.com/slake/",
    files=(
        *(
            ExpectedFile(
                path=f"{stem}.json*", purpose=f"the questions of the {part} part, {stem}.json or {stem}.json.gz"
            )
            for part, stem in FILES.items()
        ),
        ExpectedFile(path=IMAGES, purpose=f"the images, <case>/{IMAGE_NAME}", kind="folder"),
    ),
    supervision=frozenset({"questions"}),
    label_names=(),
    splits=(
        SplitSpec(
            name="english",
            rule="the English questions of the official files; images are apart",
            source="Liu et al., ISBI 2021; the official JSON",
            sizes={"train": 4919, "valid": 1053, "test": 1061},
        ),
        SplitSpec(
            name="all",
            rule="all questions of the official files; images are not apart, since the Chinese questions divide them otherwise",
            source="Liu et al., ISBI 2021; the official JSON",
            sizes={"train": 9835, "valid": 2099, "test": 2094},
            shares_patients=True,
        ),
    ),
    reader="medbench_datasets.slake:read",
    colour=True,
    images_from=("medical-segmentation-decathlon", "chestx-ray14", "chaos"),
    phantom="medbench_datasets.slake_phantom:write_phantom",
    citation="Liu et al., SLAKE: A Semantically-Labeled Knowledge-Enhanced Dataset for Medical VQA, ISBI 2021",
    tags=("radiology", "vqa"),
)


def read(root: Path) -> RawDataset:
    """One sample a question, in the order of the files (train, validate, test); ids are the dataset's ``qid``.

    ``details`` are ``answer_type`` (CLOSED or OPEN), ``question_type`` (``content_type`` of the file), ``language`` (en, zh),
    ``modality``, ``location`` and ``base_type`` (vqa, kvqa). A case stands for the patient. One official question has an
    empty answer: it is kept. Raises `MissingDataError` where a file is absent or not a JSON list.
    """
    problems: list[Problem] = []
    asked: dict[str, list[Question]] = {}
    for part, stem in FILES.items():
        path = find_json(root, stem)
        if path is None:
            raise MissingDataError(f"{root} has no {stem}.json", fix=f"get the dataset from {SPEC.url}")
        asked[part] = [_question(row) for row in json_rows(path, read_json(path), problems)]
    part_of = parts_of(asked)
    samples = to_samples(chain.from_iterable(asked.values()), problems)
    problems += unasked_images(root, IMAGES, samples, lambda path: path.name == IMAGE_NAME)
    english = [one for one in samples if one.details.get(LANGUAGE) == ENGLISH]
    splits = {name: ids_by_part(members, part_of, FILES) for name, members in (("english", english), ("all", samples))}
    return RawDataset(
        samples=tuple(samples), splits=splits, problems=tuple(problems), listed=count_listed(samples, problems)
    )


def _question(row: JsonRow) -> Question:
    cells = row.cells
    image = text_of(cells.get("img_name"))
    return Question(
        where=row.where,
        sample_id=text_of(cells.get("qid")) or row.where,
        folder=IMAGES,
        image=image,
        group=PurePosixPath(image or "").parent.name or image or "",
        question=words_of(cells.get("question")),
        answers=(text_of(cells.get("answer")),),
        details={
            ANSWER_TYPE: read_answer_type(cells.get(ANSWER_TYPE)),
            **{name: text_of(cells.get(column)) for name, column in DETAILS.items()},
        },
    )
