"""The table of written reports beside the true ones: enough to score again without a model or a labeller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.manifest import ATTRIBUTES
from medbench_tasks.generation.studies import cleaned

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
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""``reference`` and ``hypothesis`` are the dataset's ``report`` and what was ``written`` as they are compared, cleaned.

``truth`` and ``predicted`` are the findings that the ``labeller`` of that version read off ``report`` and ``written``, whole
and with their stops, in the order of `medbench_tasks.texts.finding_phrases.OBSERVATIONS`: values of
`medbench_tasks.texts.assertion.State`. They are empty, like ``labeller``, where the recipe asks for none; likewise null is
``radgraph``, the F1 of ``report`` and ``written`` by the ``grapher`` of that version."""


def prediction_table(
    studies: Studies,
    truth: NDArray[np.int8],
    written: Sequence[str],
    recipe: GenerationRecipe,
    readers: Readers,
    *,
    hypotheses: Sequence[str] | None = None,
) -> pa.Table:
    """A table of `SCHEMA` for the studies in order; ``truth`` (N, findings) is what ``readers`` found in their reports.

    ``hypotheses`` are what is compared where it is not what was written as the recipe cleans it: floors give references of
    training, the form in which a trained writer would have learnt them. Raises `TrialError` where a reader lacks its weights.
    """
    manifest = studies.manifest
    labeller, grapher = readers.versions
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "report": studies.reports,
            "reference": studies.references,
            "written": list(written),
            "hypothesis": [cleaned(text, recipe) for text in written] if hypotheses is None else list(hypotheses),
            "truth": list(truth),
            "predicted": list(readers.findings(written)),
            "labeller": [labeller] * len(studies),
            "radgraph": readers.graph_scores(studies.reports, written),
            "grapher": [grapher] * len(studies),
            **{name: manifest.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )
    return table


@dataclass(frozen=True, slots=True)
class WrittenReports:
    """A table of `SCHEMA` as lists and arrays.

    ``truth`` and ``predicted`` are (N, findings), (N, 0) without a labeller; ``radgraph`` is (N,), NaN where it was not asked.
    """

    patient_ids: list[str]
    references: list[str]
    hypotheses: list[str]
    truth: NDArray[np.int8]
    predicted: NDArray[np.int8]
    radgraph: NDArray[np.float64]
    attributes: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.references)


def read_predictions(table: pa.Table) -> WrittenReports:
    """The lists and arrays of a table of `SCHEMA`. Raises `TrialError` where it has no row."""
    if not table.num_rows:
        raise TrialError("there is no prediction to score")
    return WrittenReports(
        patient_ids=table.column("patient_id").to_pylist(),
        references=table.column("reference").to_pylist(),
        hypotheses=table.column("hypothesis").to_pylist(),
        truth=np.array(table.column("truth").to_pylist(), np.int8),
        predicted=np.array(table.column("predicted").to_pylist(), np.int8),
        radgraph=np.array(table.column("radgraph").to_pylist(), np.float64),
        attributes={name: [value or "" for value in table.column(name).to_pylist()] for name in ATTRIBUTES},
    )
