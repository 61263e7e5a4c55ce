"""What a trial and those planned beside it will ask of the encoder, told when the first of them needs a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError
from medbench.loading import resolve
from medbench.protocols import FeatureNeed, Foreseeing, TrialContext
from medbench.trials import Trial, resolve_recipe

if TYPE_CHECKING:
    from medbench.beside import Beside
    from medbench.plan import PlannedTrial
    from medbench.registry import Registry
    from medbench.runner import Parts


def foreseen_needs(
    planned: PlannedTrial, context: TrialContext, registry: Registry, parts_of: Callable[[Trial], Parts]
) -> Iterator[FeatureNeed]:
    """What the trial of ``context`` will ask for, then what those beside it will; of a protocol that does not say, nothing.

    A trial that cannot say so for want of data is passed over: it tells when its turn comes. Of a protocol that breaks
    ``context.progress`` is told.
    """
    own = planned.trial
    yield from _needs(context)
    for one in planned.beside:
        if (one.task, one.recipe, one.fraction, one.seed) != (own.task.id, own.recipe_name, own.fraction, own.seed):
            yield from _needs_beside(one, own, context, registry, parts_of)


def _needs_beside(
    one: Beside, own: Trial, context: TrialContext, registry: Registry, parts_of: Callable[[Trial], Parts]
) -> list[FeatureNeed]:
    try:
        task = registry.task(one.task)
        recipe = resolve_recipe(task.recipe(one.recipe), one.fraction, one.overrides, own.choice.id)
        parts = parts_of(Trial(own.choice, task, one.recipe, recipe, one.overrides, one.fraction, one.seed))
    except MedbenchError:
        return []
    return _needs(
        replace(
            context,
            task=task,
            recipe=recipe,
            dataset=parts.dataset,
            train=parts.train,
            valid=parts.valid,
            test=parts.test,
            seed=one.seed,
        )
    )


def _needs(context: TrialContext) -> list[FeatureNeed]:
    try:
        protocol = resolve(context.task.loader, f"task '{context.task.id}'")
        return list(protocol.foreseen(context)) if isinstance(protocol, Foreseeing) else []
    except MedbenchError:
        return []
    except Exception as error:  # a defect of one task must not cost another one's trial
        context.progress.phase(f"task '{context.task.id}' does not foresee its features ({type(error).__name__})")
        return []
