"""Written reports to look at, beside the true ones.

The score of a report is how far the findings read off it agree with those of the true one: F1, 1 where both tell of none.
Where no findings were read it is RadGraph F1, and without that the F1 of words. No report is right or wrong: right are those
of the better half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import better_half, spread
from medbench_tasks.generation.predictions import WrittenReports, read_predictions
from medbench_tasks.texts.answers import token_f1
from medbench_tasks.texts.efficacy import Efficacy

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench_tasks.generation.recipe import GenerationRecipe


def show_reports(table: pa.Table, recipe: GenerationRecipe, count: int) -> list[Example]:
    """Up to ``count`` reports of the better half and ``count`` of the others, spread over their scores."""
    scores, measure = _scores(read_predictions(table, recipe), present=recipe.uncertain == "present")
    better = better_half(scores)
    columns = {name: table.column(name).to_pylist() for name in ("sample_id", "report", "written")}
    return [
        Example(
            sample_id=columns["sample_id"][row],
            right=bool(better[row]),
            truth=Shown(text=columns["report"][row]),
            answer=Shown(text=columns["written"][row]),
            score=float(scores[row]),
            measure=measure,
            by_half=True,
        )
        for row in spread(columns["sample_id"], better, scores, count)
    ]


def _scores(reports: WrittenReports, *, present: bool) -> tuple[NDArray[np.float64], str]:
    """(N,) scores and what they are; ``present`` says that an uncertain finding counts as present."""
    if reports.truth.shape[1]:
        return Efficacy.of(reports.truth, reports.predicted, uncertain_is_present=present).each(), "F1 of findings"
    if not np.isnan(reports.radgraph).any():
        return reports.radgraph, "RadGraph F1"
    return token_f1(reports.hypotheses, reports.references), "F1 of words"
