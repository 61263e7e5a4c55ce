"""MS-CXR-T, temporal sentence similarity: pairs of sentences that say the same of a change, or the contrary.

Two subsets: ``RadGraph``, mined from reports, and ``Swaps``, made by exchanging words. There are no images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.tables import SURPLUS, TableRow, read_csv

if TYPE_CHECKING:
    from pathlib import Path

LABELS_FILE = "MS_CXR_T_temporal_sentence_similarity_v1.0.0.csv"
COLUMNS = ("subset_name", "sentence_1", "sentence_2", "category")
SUBSETS = ("radgraph", "swaps")
CATEGORIES = {"contradiction": 0, "paraphrase": 1}
LABEL = "Paraphrase"

SPEC = DatasetSpec(
    id="ms-cxr-t-sentences",
    title="MS-CXR-T, temporal sentence similarity",
    modality="text",
    access="credentialed",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    url="https://physionet.org/content/ms-cxr-t/1.0.0/",
    files=(ExpectedFile(path=LABELS_FILE, purpose=f"a row a pair of sentences; columns {', '.join(COLUMNS)}"),),
    supervision=frozenset({"labels", "pairs"}),
    label_names=(LABEL,),
    splits=(
        SplitSpec(
            name="radgraph",
            rule="the pairs of subset RadGraph, all of the test part",
            source="MS-CXR-T; what Med-ST's released script scores",
            sizes={"test": 117},
        ),
        SplitSpec(
            name="swaps",
            rule="the pairs of subset Swaps, all of the test part",
            source="MS-CXR-T",
            sizes={"test": 244},
        ),
        SplitSpec(name="all", rule="every pair is of the test part", source="MS-CXR-T", sizes={"test": 361}),
    ),
    reader="medbench_datasets.ms_cxr_t_sentences:read",
    images_from=("mimic-cxr",),  # no images, but sentences of its reports
    phantom="medbench_datasets.ms_cxr_t_sentences_phantom:write_phantom",
    citation="Bannur et al., Learning to Exploit Temporal Structure for Biomedical Vision-Language Processing, CVPR 2023",
    tags=("chest-xray", "temporal", "text"),
)


def read(root: Path) -> RawDataset:
    """One sample a row, in the order of the file; its id is ``<subset>-<row>``, counted from 1, and stands for the patient.

    ``texts`` are the two sentences, label `LABEL` is 1 for a paraphrase and 0 for a contradiction. Rows of an unknown subset
    or category, or without a sentence, are reported and passed over. Raises `MissingDataError` where the CSV is absent or
    lacks a column.
    """
    problems: list[Problem] = []
    samples: list[Sample] = []
    members: dict[str, list[str]] = {name: [] for name in SUBSETS}
    rows = read_csv(root / LABELS_FILE, COLUMNS)
    for number, row in enumerate(rows, start=1):
        complaint = _complaint(row)
        if complaint is not None:
            problems.append(Problem("bad-row", f"{LABELS_FILE}:{row.line}", f"{complaint}; passed over"))
            continue
        subset = row.cells["subset_name"].lower()
        sample_id = f"{subset}-{number:03d}"
        members[subset].append(sample_id)
        samples.append(
            Sample(
                sample_id=sample_id,
                patient_id=sample_id,
                labels={LABEL: CATEGORIES[row.cells["category"].lower()]},
                texts=(row.cells["sentence_1"], row.cells["sentence_2"]),
            )
        )
    parts = {**members, "all": [sample.sample_id for sample in samples]}
    splits = {name: {"test": ids} for name, ids in parts.items()}
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=len(rows))


def _complaint(row: TableRow) -> str | None:
    if row.surplus:
        return SURPLUS
    subset, category = row.cells["subset_name"], row.cells["category"]
    if subset.lower() not in SUBSETS:
        return f"subset_name {subset[:30]!r} is not one of {', '.join(SUBSETS)}"
    if category.lower() not in CATEGORIES:
        return f"category {category[:30]!r} is not one of {', '.join(CATEGORIES)}"
    if not row.cells["sentence_1"] or not row.cells["sentence_2"]:
        return "a sentence is empty"
    return None
