"""A planned trial as a message to another process, on this machine or on another: names and numbers, no code.

The process makes the trial again from its own plugins. Where those differ from the driver's, so does the trial's key, and
the trial is refused: a record's key hashes what was really used.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from medbench.beside import Beside
from medbench.executors.base import Outcome
from medbench.plan import PlannedTrial
from medbench.records import Record
from medbench.registry import Registry
from medbench.selection import select_methods
from medbench.settings import Settings
from medbench.trials import Trial, recipe_values, restore_recipe


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trial to be run; the fields are those of `Trial` and `PlannedTrial`.

    ``method`` is a selection text, ``overrides`` are the recipe's fields that the user changed.
    """

    method: str
    task: str
    recipe: str
    recipe_values: dict[str, Any]
    overrides: list[str]
    fraction: float
    seed: int
    key: str
    checkpoint: str | None
    texts: str | None
    phantom: bool
    beside: tuple[Beside, ...] = ()


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an order ended: an `Outcome` without its trial."""

    key: str
    state: str
    record: Record | None = None
    message: str = ""
    exit_code: int = 0


def order_of(planned: PlannedTrial) -> Order:
    """The order for a trial that is ready."""
    trial = planned.trial
    variant = trial.choice.variant
    family = trial.choice.spec.open_variants is not None and variant.name
    return Order(
        method=f"{trial.choice.spec.id}/{variant.name}" if family else trial.choice.id,
        task=trial.task.id,
        recipe=trial.recipe_name,
        recipe_values=recipe_values(trial.recipe),
        overrides=list(trial.overrides),
        fraction=trial.fraction,
        seed=trial.seed,
        key=str(planned.key),
        checkpoint=planned.checkpoint,
        texts=planned.texts,
        phantom=planned.phantom,
        beside=planned.beside,
    )


def planned_of(order: Order, registry: Registry, settings: Settings) -> PlannedTrial:
    """The trial that an order asks for. Raises `UsageError` where this process's plugins know no such thing."""
    (choice,) = select_methods(order.method, registry, settings.checkpoints)
    task = registry.task(order.task)
    preset = task.recipe(order.recipe)
    recipe = dataclasses.replace(restore_recipe(preset, order.recipe_values), method_settings=())
    overrides = {name: getattr(recipe, name) for name in order.overrides}
    trial = Trial(choice, task, order.recipe, recipe, overrides, order.fraction, order.seed)
    return PlannedTrial(
        trial=trial,
        state="ready",
        key=order.key,
        checkpoint=order.checkpoint,
        texts=order.texts,
        phantom=order.phantom,
        beside=order.beside,
    )


def answer_of(outcome: Outcome) -> Answer:
    """An outcome as a message."""
    return Answer(
        key=str(outcome.planned.key),
        state=outcome.state,
        record=outcome.record,
        message=outcome.message,
        exit_code=outcome.exit_code,
    )


def outcome_of(answer: Answer, planned: PlannedTrial) -> Outcome:
    """The outcome that a message tells of ``planned``."""
    state: Any = answer.state
    return Outcome(planned, state, answer.record, answer.message, answer.exit_code)


def settings_to_text(settings: Settings) -> str:
    """Settings as JSON, with absolute paths: what another process on a shared file system needs."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        values[field.name] = _absolute(value)
    return msgspec.json.encode(values).decode()


def settings_from_text(text: str) -> Settings:
    """What `settings_to_text` wrote."""
    values: dict[str, Any] = msgspec.json.decode(text)
    hints = {field.name: str(field.type) for field in dataclasses.fields(Settings)}
    for name, value in values.items():
        if hints[name].startswith("Path") and value is not None:
            values[name] = Path(value)
        elif hints[name] == "Mapping[str, Path]":
            values[name] = MappingProxyType({key: Path(one) for key, one in value.items()})
        elif isinstance(value, dict):
            values[name] = MappingProxyType(
                {key: MappingProxyType(one) if isinstance(one, dict) else one for key, one in value.items()}
            )
    return Settings(**values)


def _absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.absolute())
    if hasattr(value, "items"):
        return {key: _absolute(one) for key, one in value.items()}
    return value
