"""Figures of brain case reports in PubMed Central with their captions, in the form of the MedVL pre-training pipeline.

The root holds ``train.json``, ``val.json`` and ``test.json``, lists of ``{image, caption, image_id}`` (a caption is a text, or
as in BLIP's COCO lists several), or the collector's undivided ``caption2.json``, ``{caption, img_file, img_url}``; and
``images/``. Its panels are `medbench_datasets.brain_pubmed_panels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.samples import RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.brain_pubmed_rows import (
    AS_RELEASED,
    BY_FIGURE,
    FILES,
    IMAGES,
    PLAIN,
    groups_of,
    plain,
    read_captions,
    splits_of,
)
from medbench_datasets.questions import count_listed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.samples import Problem

WHOLE_LIST = "caption2.json"
CITATION = "Medical Vision-Language Pre-Training for Brain Abnormalities, LREC-COLING 2024 (arXiv 2404.17779)"
LICENCE = "of each article of PubMed Central's open-access subset; the captions carry none of their own"


def list_files(whole_list: str, columns: str) -> tuple[ExpectedFile, ...]:
    """The caption lists and the images, as the figures and the panels have them."""
    return (
        *(
            ExpectedFile(path=name, purpose=f"the rows of the {part} part: {columns}", required=False)
            for part, name in FILES.items()
        ),
        ExpectedFile(path=whole_list, purpose="all rows, where they are not divided", required=False),
        ExpectedFile(path=IMAGES, purpose="the figures, <n>.png", kind="folder"),
    )


def list_splits(sizes: Mapping[str, int]) -> tuple[SplitSpec, ...]:
    """The released split, of ``sizes``, and the one that keeps figures apart."""
    return (
        SplitSpec(
            name=AS_RELEASED,
            rule="train.json, val.json, test.json: 75/12.5/12.5 % of the rows, so that one figure may lie in several parts",
            source="MedVL_pretraining_pipeline, the sizes its logs tell",
            sizes=sizes,
            shares_patients=True,
        ),
        SplitSpec(
            name=BY_FIGURE,
            rule=(
                "all rows; 12.5 % test and 12.5 % valid of the articles, or of the figures where a row names no article, "
                "sorted, by train_test_split with random_state 0"
            ),
            source="medbench",
        ),
    )


SPEC = DatasetSpec(
    id="brain-pubmed",
    title="Brain figures of PubMed Central",
    modality="figures of case reports",
    access="open",
    licence=LICENCE,
    url="https://github.com/masoud-monajati/MedVL_pretraining_pipeline",
    files=list_files(WHOLE_LIST, "image, caption, image_id"),
    supervision=frozenset({"captions"}),
    label_names=(),
    splits=list_splits({"train": 17096, "valid": 2849, "test": 2850}),
    reader="medbench_datasets.brain_pubmed:read",
    colour=True,
    images_from=("pmc",),
    phantom="medbench_datasets.brain_pubmed_phantom:write_figures",
    citation=CITATION,
    tags=("brain", "retrieval"),
)


def read(root: Path) -> RawDataset:
    """One sample a row, in the order of the lists; ids are ``<part>-<row>``, counted from 0.

    ``texts`` are the captions as the file has them, markup and all, since released checkpoints were trained so; ``details``
    are ``caption_plain``, without tags and entities, and ``image_id``. The article stands for the patient, or the figure where
    no row of it names one. Raises `MissingDataError` where the lists are absent or no JSON lists.
    """
    problems: list[Problem] = []
    captions = read_captions(root, WHOLE_LIST, problems)
    group_of = groups_of(captions)
    samples = tuple(
        Sample(
            sample_id=one.row_id,
            patient_id=group_of[one.figure],
            image=one.image,
            texts=one.texts,
            details={PLAIN: "\n".join(plain(text) for text in one.texts)}
            | ({"image_id": one.image_id} if one.image_id else {}),
        )
        for one in captions
    )
    listed = count_listed(samples, problems)
    return RawDataset(samples=samples, splits=splits_of(captions, samples), problems=tuple(problems), listed=listed)
