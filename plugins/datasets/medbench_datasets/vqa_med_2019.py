"""VQA-Med 2019: questions of the ImageCLEF challenge on the modality, plane and organ of radiology images, and what is wrong.

The root holds the three official archives, unpacked: ``ImageClef-2019-VQA-Med-Training`` and ``-Validation`` with
``QAPairsByCategory/C<n>_<Category>_<part>.txt`` (lines ``image|question|answer``) and their image folders, and
``VQAMed2019Test`` with ``VQAMed2019_Test_Questions_w_Ref_Answers.txt`` (lines ``image|category|question|answer``).
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.questions import (
    ANSWER_TYPE,
    QUESTION_TYPE,
    Question,
    answer_type_of,
    count_listed,
    ids_by_part,
    parts_of,
    to_samples,
    unasked_images,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATEGORIES = ("modality", "plane", "organ", "abnormality")
BY_CATEGORY = "QAPairsByCategory"
TEST_QUESTIONS = "VQAMed2019Test/VQAMed2019_Test_Questions_w_Ref_Answers.txt"
OPTIONAL = re.compile(r"\(([^()]*)\)")


class _Archive(NamedTuple):
    """Where a part to learn from lies: its folder, that of its images, and the word that ends its files' names."""

    folder: str
    images: str
    word: str

    def questions(self, number: int, category: str) -> str:
        """The path of a category's questions, counted from 1."""
        return f"{self.folder}/{BY_CATEGORY}/C{number}_{category.capitalize()}_{self.word}.txt"


ARCHIVES = {
    "train": _Archive("ImageClef-2019-VQA-Med-Training", "ImageClef-2019-VQA-Med-Training/Train_images", word="train"),
    "valid": _Archive("ImageClef-2019-VQA-Med-Validation", "ImageClef-2019-VQA-Med-Validation/Val_images", word="val"),
}
TEST_IMAGES = "VQAMed2019Test/VQAMed2019_Test_Images"

SPEC = DatasetSpec(
    id="vqa-med-2019",
    title="VQA-Med 2019 (ImageCLEF)",
    modality="radiology",
    access="open",
    licence="not stated by the release; the images are MedPix's",
    url="https://github.com/abachaa/VQA-Med-2019",
    files=(
        *(
            ExpectedFile(path=archive.questions(number, category), purpose=f"{part}: questions on the {category}")
            for part, archive in ARCHIVES.items()
            for number, category in enumerate(CATEGORIES, start=1)
        ),
        *(
            ExpectedFile(path=archive.images, purpose=f"the images of the {part} part", kind="folder")
            for part, archive in ARCHIVES.items()
        ),
        ExpectedFile(path=TEST_QUESTIONS, purpose="the tested questions with reference answers"),
        ExpectedFile(path=TEST_IMAGES, purpose="the images of the test part, unpacked", kind="folder"),
    ),
    supervision=frozenset({"questions"}),
    label_names=(),
    splits=(
        SplitSpec(
            name="official",
            rule="the challenge's sets of 3,200, 500 and 500 images",
            source="Ben Abacha et al., CLEF 2019, and the release's README",
            sizes={"train": 12792, "valid": 2000, "test": 500},
        ),
    ),
    reader="medbench_datasets.vqa_med_2019:read",
    colour=True,
    images_from=("medpix",),
    phantom="medbench_datasets.vqa_med_2019_phantom:write_phantom",
    citation="Ben Abacha et al., VQA-Med: Overview of the Medical Visual Question Answering Task at ImageCLEF 2019",
    tags=("radiology", "vqa"),
)


def read(root: Path) -> RawDataset:
    """One sample a question; ids are ``<part>-<category>-<line>``, and an image stands for the patient.

    ``details`` are ``question_type`` (modality, plane, organ, abnormality) and ``answer_type``: CLOSED where the answer is yes
    or no, else OPEN. ``answers`` of a tested question are all that its reference allows: alternatives, which ``#`` parts, each
    as written, then without the marks of an optional part, then without that part. Raises `MissingDataError` where a file
    is absent.
    """
    problems: list[Problem] = []
    asked: dict[str, list[Question]] = {part: [] for part in ARCHIVES}
    for part, archive in ARCHIVES.items():
        for number, category in enumerate(CATEGORIES, start=1):
            for line in _lines(root, archive.questions(number, category), 3, problems):
                image, question, answer = line.cells
                asked[part].append(_question(part, category, line, archive.images, image, question, (answer,)))
    asked["test"] = []
    for line in _lines(root, TEST_QUESTIONS, 4, problems):
        image, category, question, answer = line.cells
        answers = allowed_answers(answer)
        asked["test"].append(_question("test", category.lower(), line, TEST_IMAGES, image, question, answers))
    part_of = parts_of(asked)
    samples = to_samples(chain.from_iterable(asked.values()), problems)
    for folder in (*(archive.images for archive in ARCHIVES.values()), TEST_IMAGES):
        problems += unasked_images(root, folder, samples)
    splits = {"official": ids_by_part(samples, part_of, asked)}
    listed = count_listed(samples, problems)
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=listed)


def allowed_answers(reference: str) -> tuple[str, ...]:
    """Every right answer that a reference stands for, the first as written: ``a#b`` is a or b, ``(a) b`` is a b or b."""
    allowed: dict[str, None] = {}
    for alternative in reference.split("#"):
        for wording in (alternative, OPTIONAL.sub(r"\1", alternative), OPTIONAL.sub("", alternative)):
            if wording.strip():
                allowed[" ".join(wording.split())] = None
    return tuple(allowed) or ("",)


class _Line(NamedTuple):
    """A line's cells, stripped, its number from 1, and where it stands."""

    cells: list[str]
    number: int
    where: str


def _lines(root: Path, name: str, width: int, problems: list[Problem]) -> Iterator[_Line]:
    """Lines of ``width`` cells; others are reported and passed over. A line that is no UTF-8 is read as Windows-1252."""
    path = root / name
    if not path.is_file():
        raise MissingDataError(f"{path} is missing", fix=f"get the dataset from {SPEC.url}")
    for number, data in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        where = f"{path.name}:{number}"
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
            problems.append(Problem("encoding", where, "the line is not UTF-8; read as Windows-1252"))
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.split("|", width - 1)]
        if len(cells) == width:
            yield _Line(cells, number, where)
        else:
            problems.append(Problem("bad-row", where, f"{len(cells)} cells, not {width}; passed over"))


def _question(
    part: str, category: str, line: _Line, folder: str, image: str, question: str, answers: tuple[str, ...]
) -> Question:
    return Question(
        where=line.where,
        sample_id=f"{part}-{category}-{line.number}",
        folder=folder,
        image=f"{image}.jpg" if image else "",
        group=image,
        question=question,
        answers=answers,
        details={QUESTION_TYPE: category, ANSWER_TYPE: answer_type_of(answers)},
    )
