"""What is searched by class: rows of one class each, every text a place of its own in one pool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from medbench.errors import MissingDataError, UnknownNameError, UsageError
from medbench_tasks.retrieval.class_ranking import Classes
from medbench_tasks.retrieval.pool import Pool, trial_pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext
    from medbench.specs import TaskSpec


class ClassPool(NamedTuple):
    """A pool and the classes of its R rows, which ask, and of its P stated texts; ``names`` are those of the classes.

    ``without_class`` counts the rows that were left out.
    """

    pool: Pool
    classes: Classes
    names: tuple[str, ...]
    without_class: int

    @property
    def of_rows(self) -> list[str]:
        """(R,) by name."""
        return [self.names[one] for one in self.classes.queries]


def class_pool_of(context: TrialContext, sections: Sequence[str]) -> ClassPool:
    """The test part's rows that have an image, a text and one single class: the one label of the target that is present.

    Rows stay apart even where images or texts are equal, since each is a pair of its own; what is equal (texts: but for white
    space and case) is embedded once, and ties. A row's text is the first of ``sections`` that it has among its details, else
    what the dataset has as its texts: of MIMIC-CXR the findings, else the impression, of the report's own file, else R2Gen's
    wording of the report. Raises `UsageError` where the task names no labels or the dataset has not these, and
    `MissingDataError` where no row is left.
    """
    names = _names_of(context.task, context.test)
    class_of = _classes(context.test, names)
    kept = np.flatnonzero(class_of >= 0)
    if not len(kept):
        raise MissingDataError(f"no sample of {context.test.dataset}'s test part has exactly one of {', '.join(names)}")
    test = _with_sections(context.test.take(kept), sections)
    pool = trial_pool(context, test)
    places = {sample_id: place for place, sample_id in enumerate(test.sample_ids)}
    of_rows = class_of[kept][[places[sample_id] for sample_id in pool.rows.sample_ids]]
    return ClassPool(pool, Classes(of_rows, of_rows[pool.row_of]), names, len(context.test) - len(kept))


def _with_sections(test: Manifest, sections: Sequence[str]) -> Manifest:
    """With the first of these details that a row has as its one text; with its own texts where it has none of them."""
    details = [test.detail(name) for name in sections]
    texts = [next(([one[row]] for one in details if one[row].strip()), own) for row, own in enumerate(test.texts)]
    column = test.table.schema.get_field_index("texts")
    kind = test.table.schema.field(column)
    return replace(test, table=test.table.set_column(column, kind, pa.array(texts, kind.type)))


def _names_of(task: TaskSpec, test: Manifest) -> tuple[str, ...]:
    names = task.target.labels if task.target else ()
    if not names:
        raise UsageError(f"task '{task.id}' names no labels whose texts are sought")
    for name in names:
        if name not in test.label_names:
            raise UnknownNameError(f"label of {test.dataset}", name, test.label_names)
    return names


def _classes(test: Manifest, names: tuple[str, ...]) -> NDArray[np.int64]:
    """(N,) the number of the one label that is present; -1 where none is, or several are."""
    present = test.labels[:, [test.label_names.index(name) for name in names]] == 1
    return np.where(present.sum(axis=1) == 1, present.argmax(axis=1), -1)
