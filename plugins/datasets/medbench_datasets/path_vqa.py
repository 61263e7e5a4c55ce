"""PathVQA: questions that were made of the captions of pathology images in two textbooks and a digital library.

The root is the authors' folder ``pvqa``: ``images/{train,val,test}/<name>.jpg`` and ``qas/<part>/<part>_qa.pkl``, pickled
lists of ``{image, question, answer}``. Of each list a copy as JSON, ``<part>_qa.json``, is read where there is one. The pickles
are read only if they hold lists, dicts, texts and numbers alone.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from medbench.samples import RawDataset
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.json_rows import JsonRow, json_rows, read_json, text_of, words_of
from medbench_datasets.plain_pickle import read_plain_pickle
from medbench_datasets.questions import (
    ANSWER_TYPE,
    Question,
    answer_type_of,
    count_listed,
    ids_by_part,
    parts_of,
    to_samples,
    unasked_images,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from medbench.samples import Problem, Sample

IMAGES, QUESTIONS = "images", "qas"
FOLDERS = {"train": "train", "valid": "val", "test": "test"}

SPEC = DatasetSpec(
    id="path-vqa",
    title="PathVQA",
    modality="pathology",
    access="open",
    licence="MIT for the release; images and captions belong to the books' publishers and the library",
    url="https://github.com/UCSD-AI4H/PathVQA",
    files=tuple(
        file
        for part, folder in FOLDERS.items()
        for file in (
            ExpectedFile(
                path=f"{QUESTIONS}/{folder}/{folder}_qa.*",
                purpose=f"the questions of the {part} part: {folder}_qa.pkl, or a copy of it as {folder}_qa.json",
            ),
            ExpectedFile(path=f"{IMAGES}/{folder}", purpose=f"the images of the {part} part", kind="folder"),
        )
    ),
    supervision=frozenset({"questions"}),
    label_names=(),
    splits=(
        SplitSpec(
            name="official",
            rule="the authors' folders, 32,795 questions in all, some of them more than once",
            source="He et al., 2020; the authors' release of 2022",
        ),
        SplitSpec(
            name="distinct",
            rule="official with the first alone of rows of one part that agree in image, question and answer",
            source="the dataset's card on the Hugging Face hub (flaviagiammarino/path-vqa)",
            sizes={"train": 19654, "valid": 6259, "test": 6719},
        ),
    ),
    reader="medbench_datasets.path_vqa:read",
    colour=True,
    phantom="medbench_datasets.path_vqa_phantom:write_phantom",
    citation="He et al., PathVQA: 30000+ Questions for Medical Visual Question Answering, 2020",
    tags=("pathology", "vqa"),
)


def read(root: Path) -> RawDataset:
    """One sample a question, in the order of the files; ids are ``<part>-<number>``, counted from 1.

    ``details`` are ``answer_type``: CLOSED where the answer is yes or no, else OPEN. An image stands for the patient. Images
    without a question are reported (the release has 715). Raises `MissingDataError` where a file is absent or not a list, or a
    pickle holds more than plain data.
    """
    problems: list[Problem] = []
    asked: dict[str, list[Question]] = {}
    for part, folder in FOLDERS.items():
        rows = _rows(root / QUESTIONS / folder, f"{folder}_qa", problems)
        asked[part] = [_question(row, part, folder, number) for number, row in enumerate(rows, start=1)]
    part_of = parts_of(asked)
    samples = to_samples(chain.from_iterable(asked.values()), problems)
    problems += unasked_images(root, IMAGES, samples)
    splits = {
        "official": ids_by_part(samples, part_of, FOLDERS),
        "distinct": ids_by_part(_distinct(samples), part_of, FOLDERS),
    }
    listed = count_listed(samples, problems)
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=listed)


def _rows(folder: Path, stem: str, problems: list[Problem]) -> list[JsonRow]:
    copy = folder / f"{stem}.json"
    if copy.is_file():
        return json_rows(copy, read_json(copy), problems)
    path = folder / f"{stem}.pkl"
    return json_rows(path, read_plain_pickle(path), problems)


def _question(row: JsonRow, part: str, folder: str, number: int) -> Question:
    name, answer = text_of(row.cells.get("image")), text_of(row.cells.get("answer"))
    return Question(
        where=row.where,
        sample_id=f"{part}-{number}",
        folder=f"{IMAGES}/{folder}",
        image=f"{name}.jpg" if name else name,
        group=f"{folder}/{name}",
        question=words_of(row.cells.get("question")),
        answers=(answer,),
        details={ANSWER_TYPE: answer_type_of((answer,))},
    )


def _distinct(samples: Iterable[Sample]) -> list[Sample]:
    """The first of those that agree in image, which lies in its part's folder, question and answer."""
    first: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Sample] = {}
    for one in samples:
        first.setdefault((one.image, one.texts, one.answers), one)
    return list(first.values())
