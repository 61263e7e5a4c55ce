"""The unit of work, one method on one task at one data fraction with one seed, and the key that identifies its result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medbench.errors import UnknownNameError, UsageError
from medbench.records import recipe_label
from medbench.selection import MethodChoice
from medbench.specs import READS_TEXTS, Recipe, TaskSpec

SUGGESTIONS = frozenset(field.name for field in dataclasses.fields(Recipe))
"""Fields of the base class: they say how a preset is used, and are resolved before a trial is made."""

KEY_VERSION = 3
"""Rises when the composition of a key changes; a stability test holds the present one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What will be run. ``recipe`` is resolved: fraction overrides and the user's overrides are in it."""

    choice: MethodChoice
    task: TaskSpec
    recipe_name: str
    recipe: Recipe
    overrides: Mapping[str, Any]
    fraction: float
    seed: int

    @property
    def recipe_label(self) -> str:
        """As `medbench.records.Record.recipe_label`."""
        return recipe_label(self.recipe_name, self.overrides)

    @property
    def label(self) -> str:
        """``mgca@resnet50 on rsna-det, 10 %, seed 0``."""
        return f"{self.choice.id} on {self.task.id}, {self.fraction * 100:g} %, seed {self.seed}"


def trial_key(trial: Trial, *, checkpoint: str | None, manifest: str, precision: str, texts: str | None = None) -> str:
    """A hash (32 hex digits) of all that determines the result.

    ``checkpoint`` is the weights' SHA-256, ``hub:<id>`` for weights a library fetches, or None; ``manifest`` the content
    hash of the dataset; ``texts`` the digest of the method's text files, which counts where the task reads texts.
    """
    parts = {
        "key": KEY_VERSION,
        "task": [trial.task.id, trial.task.version, trial.task.dataset, trial.task.split],
        "method": [trial.choice.spec.id, trial.choice.variant.id, trial.choice.spec.version],
        "recipe": [trial.recipe_name, recipe_values(trial.recipe)],
        "fraction": trial.fraction,
        "seed": trial.seed,
        "checkpoint": checkpoint,
        "manifest": manifest,
        "precision": precision,
        "texts": texts if reads_texts(trial) else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def reads_texts(trial: Trial) -> bool:
    """Whether the method's text files may move the result."""
    return trial.task.reads_texts or bool(
        (trial.task.needs(trial.choice.variant.capabilities) or frozenset()) & READS_TEXTS
    )


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """The resolved hyper-parameters as plain JSON values; what a preset suggests beside them is no part of them."""
    import msgspec

    values = {name: value for name, value in msgspec.to_builtins(recipe).items() if name not in SUGGESTIONS}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def resolve_recipe(preset: Recipe, fraction: float, overrides: Mapping[str, Any], method: str = "") -> Recipe:
    """The preset with its published changes for ``method`` (``mgca@resnet50``) and at ``fraction``, then the user's.

    Raises `UsageError` for a field it lacks.
    """
    by_method = dict(preset.method_settings)
    changes: dict[str, Any] = dict(by_method.get(method) or by_method.get(method.partition("@")[0]) or ())
    for at, fields in preset.fraction_overrides:
        if abs(at - fraction) < 1e-9:
            changes.update(fields)
    known = {field.name for field in dataclasses.fields(preset)} - SUGGESTIONS
    for name, value in overrides.items():
        if name not in known:
            raise UnknownNameError("recipe field", name, known)
        changes[name] = coerce(preset, name, value)
    return dataclasses.replace(preset, **changes, method_settings=())


def restore_recipe(preset: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_values` described, on a preset of its class. Raises `UsageError` for a field it lacks."""
    known = {field.name for field in dataclasses.fields(preset)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(f"the recipe has no field {', '.join(unknown)}; the record is of another version")
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return dataclasses.replace(preset, **changes)


def coerce(preset: Recipe, name: str, value: Any) -> Any:
    """``value`` (often text from the command line) as the field's declared type; ``:`` separates the items of a tuple.

    Raises `UsageError` where it is none of that type, or no finite number.
    """
    import msgspec

    hint = typing.get_type_hints(type(preset))[name]
    if isinstance(value, str) and typing.get_origin(hint) is tuple:
        value = value.split(":")
    try:
        converted = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"recipe field '{name}' cannot be {value!r}: {error}") from None
    for number in converted if isinstance(converted, tuple) else (converted,):
        if isinstance(number, float) and not math.isfinite(number):
            raise UsageError(f"recipe field '{name}' cannot be {value!r}: a finite number is needed")
    return converted
