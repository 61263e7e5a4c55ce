"""Which trials of a plan ask the same encoder about the same dataset, so that one pass may serve them."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medbench.plan import PlannedTrial


@dataclass(frozen=True, slots=True)
class Beside:
    """A trial on the same method, weights and dataset as another one, by what it takes to make it again."""

    task: str
    recipe: str
    overrides: Mapping[str, Any]
    fraction: float
    seed: int


def with_neighbours(trials: Sequence[PlannedTrial]) -> tuple[PlannedTrial, ...]:
    """The trials, in order, each ready one with those that share its features, itself among them; alone it has none.

    One trial stands for its task and recipe where it has all the training samples, since the others' are among them.
    """
    groups: dict[tuple[object, ...], list[PlannedTrial]] = defaultdict(list)
    for planned in trials:
        if planned.state == "ready":
            groups[_shared(planned)].append(planned)
    neighbours = {shared: _standing_for(group) for shared, group in groups.items() if len(group) > 1}
    return tuple(
        dataclasses.replace(planned, beside=neighbours[_shared(planned)])
        if planned.state == "ready" and _shared(planned) in neighbours
        else planned
        for planned in trials
    )


def _shared(planned: PlannedTrial) -> tuple[object, ...]:
    trial = planned.trial
    drawn = trial.seed if trial.choice.variant.checkpoint is None else None
    return trial.choice.id, trial.choice.variant.name, planned.checkpoint, planned.texts, drawn, trial.task.dataset


def _standing_for(group: Sequence[PlannedTrial]) -> tuple[Beside, ...]:
    kinds: dict[tuple[str, str], list[Beside]] = defaultdict(list)
    for planned in group:
        trial = planned.trial
        one = Beside(trial.task.id, trial.recipe_name, dict(trial.overrides), trial.fraction, trial.seed)
        kinds[(one.task, one.recipe)].append(one)
    found: list[Beside] = []
    for kind in kinds.values():
        whole = [one for one in kind if one.fraction == 1]
        found += whole[:1] or kind
    return tuple(found)
