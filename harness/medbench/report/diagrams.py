"""Critical-difference diagrams (Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006).

Over the tasks of a recipe: mean ranks, Friedman's test of no difference at all, and Nemenyi's critical difference, by which
two methods are told apart. Only methods that have every task can be set side by side.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.report.payload import DiagramView
from medbench.report.texts import shown_name
from medbench.tables.overview import Overview, build_overviews

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench.tables.comparisons import Comparison

LEVEL = 0.05
_METHODS = 3
_TASKS = 2
_FEW_TASKS = 10


@dataclass(frozen=True, slots=True)
class RankTest:
    """Mean ranks in the order of the columns given, Nemenyi's critical difference, and Friedman's p-value."""

    mean_ranks: tuple[float, ...]
    critical: float
    friedman_p: float


def build_diagrams(comparisons: Sequence[Comparison]) -> tuple[DiagramView, ...]:
    """One for each recipe, real and phantom apart; one that cannot be drawn says why."""
    return tuple(_diagram(one) for one in build_overviews(comparisons))


def rank_test(places: NDArray[np.float64]) -> RankTest:
    """(tasks, methods) places, lower is better -> the test; ties share the mean of their ranks.

    Friedman's statistic is corrected for ties; where all places of every task are tied, its p-value is 1.
    """
    import numpy as np
    from scipy import stats

    tasks, methods = places.shape
    ranks = stats.rankdata(places, axis=1)
    differs = bool(np.any(ranks != ranks[:, :1]))
    p_value = float(stats.friedmanchisquare(*ranks.T).pvalue) if differs else 1.0
    return RankTest(tuple(map(float, ranks.mean(axis=0))), critical_difference(methods, tasks), p_value)


def critical_difference(methods: int, tasks: int) -> float:
    """Nemenyi's difference of mean ranks at `LEVEL`: the Studentised range over the square root of 2, of infinite freedom."""
    from scipy import stats

    quantile = float(stats.studentized_range.ppf(1 - LEVEL, methods, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def cliques(mean_ranks: Sequence[float], critical: float) -> tuple[tuple[int, int], ...]:
    """Of ascending mean ranks the longest runs, as (first, last), whose ends differ by no more than ``critical``."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(index for index, other in enumerate(mean_ranks) if other - rank <= critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)


def _diagram(overview: Overview) -> DiagramView:
    complete = [one for one in overview.standings if one.tasks == len(overview.columns)]
    tasks = [shown_name(column.comparison.heading.task) for column in overview.columns]
    if len(complete) < _METHODS or len(tasks) < _TASKS:
        return _absent(overview, tasks, len(complete))
    import numpy as np

    places = np.array([one.places for one in complete], np.float64).T
    test = rank_test(places)
    order = sorted(range(len(complete)), key=lambda index: (test.mean_ranks[index], complete[index].title))
    mean_ranks = tuple(test.mean_ranks[index] for index in order)
    return DiagramView(
        recipe=shown_name(overview.group.recipe),
        phantom=overview.group.phantom,
        methods=tuple(shown_name(complete[index].title) for index in order),
        mean_ranks=mean_ranks,
        tasks=tuple(tasks),
        critical=test.critical,
        friedman_p=test.friedman_p,
        cliques=cliques(mean_ranks, test.critical),
        note=_caution(overview, len(overview.standings) - len(complete)),
    )


def _absent(overview: Overview, tasks: Sequence[str], complete: int) -> DiagramView:
    of_tasks = "1 task" if len(tasks) == 1 else f"all {len(tasks)} tasks"
    have = "1 method has" if complete == 1 else f"{complete} methods have"
    return DiagramView(
        recipe=shown_name(overview.group.recipe),
        phantom=overview.group.phantom,
        methods=(),
        mean_ranks=(),
        tasks=tuple(tasks),
        critical=0.0,
        friedman_p=1.0,
        cliques=(),
        note=f"No diagram: it needs {_METHODS} methods that have every one of at least {_TASKS} tasks; "
        f"{have} {of_tasks}.",
    )


def _caution(overview: Overview, left_out: int) -> str:
    """What a reader must know before reading anything into it."""
    datasets = Counter(column.comparison.task.dataset for column in overview.columns)
    found = []
    if left_out:
        found.append(f"Left out: {left_out} {'method' if left_out == 1 else 'methods'} without all of the tasks.")
    if max(datasets.values()) > 1:
        found.append("Tasks that share a dataset are not independent: differences look surer than they are.")
    if len(overview.columns) < _FEW_TASKS:
        found.append(f"With {len(overview.columns)} tasks only large differences can be told.")
    return " ".join(found)
