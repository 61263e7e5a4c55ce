"""The table of written reports beside the true ones: enough to score again without a model or a labeller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.manifest import ATTRIBUTES
from medbench_tasks.generation.studies import as_compared, as_read, hypothesis_of
from medbench_tasks.texts.findings import FindingLabeller
from medbench_tasks.texts.meteor import VERSION, MeteorStatistics

if TYPE_CHECKING:
    from medbench_tasks.generation.readers import Readers
    from medbench_tasks.generation.recipe import GenerationRecipe
    from medbench_tasks.generation.studies import Studies

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("report", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("written", pa.string(), nullable=False),
        pa.field("hypothesis", pa.string(), nullable=False),
        pa.field("truth", pa.list_(pa.int8()), nullable=False),
        pa.field("predicted", pa.list_(pa.int8()), nullable=False),
        pa.field("labeller", pa.string(), nullable=False),
        pa.field("radgraph", pa.float64()),
        pa.field("grapher", pa.string(), nullable=False),
        pa.field("meteor", pa.list_(pa.float64())),
        pa.field("meteor_version", pa.string(), nullable=False),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""``reference`` and ``hypothesis`` are the dataset's ``report`` and what was ``written`` as their n-grams are counted.

``truth`` and ``predicted`` are the findings that the ``labeller`` of that version read off ``report`` and ``written``, both
`medbench_tasks.generation.studies.as_read`, in the order of `medbench_tasks.texts.finding_phrases.OBSERVATIONS`: values of
`medbench_tasks.texts.assertion.State`. They are empty, like ``labeller``, where the recipe asks for none; likewise null is
``radgraph``, the F1 of the same two by the ``grapher`` of that version. ``meteor`` are METEOR's statistics of ``hypothesis``
(`medbench_tasks.texts.meteor.MeteorStatistics`) by ``meteor_version``; null where there was no Java to make them."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A report for each of N studies: as ``written``, as its n-grams are counted, and as findings are ``read`` off it."""

    written: list[str]
    hypotheses: list[str]
    read: list[str]

    @classmethod
    def of_method(cls, written: Sequence[str], recipe: GenerationRecipe) -> Writing:
        """What a method or a decoder wrote."""
        hypotheses = [hypothesis_of(report, recipe) for report in written]
        return cls(list(written), hypotheses, [as_read(report, recipe) for report in written])

    @classmethod
    def of_floor(cls, written: Sequence[str], recipe: GenerationRecipe) -> Writing:
        """Reports as they stand in a dataset, compared in the form in which a trained writer would have learnt them."""
        read = [as_read(report, recipe) for report in written]
        return cls(list(written), [as_compared(report, recipe) for report in read], read)


def prediction_tables(
    studies: Studies,
    writings: Mapping[str, Writing],
    recipe: GenerationRecipe,
    readers: Readers,
    done: Callable[[], object] = lambda: None,
) -> dict[str, pa.Table]:
    """By name, a table of `SCHEMA` for the studies in order; ``done`` is called after each.

    METEOR's jar runs once for all. Raises `TrialError` where a reader lacks its weights or the jar fails.
    """
    references = [as_compared(reference, recipe) for reference in studies.references]
    truth = readers.findings(studies.references)
    meteor = readers.meteor_statistics(references, [writing.hypotheses for writing in writings.values()])
    tables = {}
    for (name, writing), statistics in zip(writings.items(), meteor, strict=True):
        tables[name] = _table(studies, references, truth, writing, readers, statistics)
        done()
    return tables


def _table(
    studies: Studies,
    references: list[str],
    truth: NDArray[np.int8],
    writing: Writing,
    readers: Readers,
    meteor: MeteorStatistics | None,
) -> pa.Table:
    manifest, number = studies.manifest, len(studies)
    labeller, grapher = readers.versions
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "report": studies.reports,
            "reference": references,
            "written": writing.written,
            "hypothesis": writing.hypotheses,
            "truth": list(truth),
            "predicted": list(readers.findings(writing.read)),
            "labeller": [labeller] * number,
            "radgraph": readers.graph_scores(studies.references, writing.read),
            "grapher": [grapher] * number,
            "meteor": [None] * number if meteor is None else meteor.counts.tolist(),
            "meteor_version": ["" if meteor is None else VERSION] * number,
            **{name: manifest.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )
    return table


@dataclass(frozen=True, slots=True)
class WrittenReports:
    """A table of `SCHEMA` as lists and arrays.

    ``truth`` and ``predicted`` are (N, findings), (N, 0) without a labeller; ``radgraph`` is (N,), NaN where it was not asked;
    ``meteor`` is None where it was not made. The versions are '' likewise.
    """

    patient_ids: list[str]
    references: list[str]
    hypotheses: list[str]
    truth: NDArray[np.int8]
    predicted: NDArray[np.int8]
    labeller: str
    radgraph: NDArray[np.float64]
    grapher: str
    meteor: MeteorStatistics | None
    meteor_version: str
    attributes: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.references)


def read_predictions(table: pa.Table, recipe: GenerationRecipe) -> WrittenReports:
    """The lists and arrays of a table of `SCHEMA`.

    Findings that other rules than today's read off the reports are read again, so that no two versions stand side by side;
    those of a model are what they were. Raises `TrialError` where the table has no row.
    """
    if not table.num_rows:
        raise TrialError("there is no prediction to score")
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    truth, predicted, labeller = _findings(columns, recipe)
    return WrittenReports(
        patient_ids=columns["patient_id"],
        references=columns["reference"],
        hypotheses=columns["hypothesis"],
        truth=truth,
        predicted=predicted,
        labeller=labeller,
        radgraph=np.array(columns["radgraph"], np.float64),
        grapher=columns["grapher"][0],
        meteor=None if None in columns["meteor"] else MeteorStatistics(np.array(columns["meteor"], np.float64)),
        meteor_version=columns["meteor_version"][0],
        attributes={name: [value or "" for value in columns[name]] for name in ATTRIBUTES},
    )


def _findings(
    columns: Mapping[str, list[Any]], recipe: GenerationRecipe
) -> tuple[NDArray[np.int8], NDArray[np.int8], str]:
    """(truth, predicted, the labeller's version)."""
    stored, rules = columns["labeller"][0], FindingLabeller()
    if recipe.labeller == "rules" and stored != rules.version:
        true, given = ([as_read(text, recipe) for text in columns[name]] for name in ("report", "written"))
        return rules.label(true), rules.label(given), rules.version
    return np.array(columns["truth"], np.int8), np.array(columns["predicted"], np.int8), stored
