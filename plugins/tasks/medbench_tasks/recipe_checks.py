"""Refusing a recipe whose fields make no sense, in one line that names the field and what it may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Literal, get_args, get_origin, get_type_hints

from medbench.errors import UsageError
from medbench.specs import Recipe


def check_choices(recipe: Recipe) -> None:
    """Every field that is annotated as a ``Literal`` holds one of its values. Raises `UsageError`."""
    for name, choices in _choices(type(recipe)).items():
        if getattr(recipe, name) not in choices:
            raise _refused(recipe, name, " or ".join(map(str, choices)))


@cache
def _choices(kind: type[Recipe]) -> Mapping[str, tuple[object, ...]]:
    """The fields of a class of recipes that are literals, with their values; reading annotations takes a millisecond."""
    hints = get_type_hints(kind)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


def check_whole_numbers(recipe: Recipe, least: Mapping[str, int]) -> None:
    """The fields in ``least`` hold whole numbers of at least that. Raises `UsageError`."""
    for name, low in least.items():
        value = getattr(recipe, name)
        if not isinstance(value, int) or value < low:
            raise _refused(recipe, name, f"a whole number from {low} up")


def check_positive(recipe: Recipe, name: str) -> None:
    """The field ``name`` holds a finite number above 0. Raises `UsageError`."""
    value = getattr(recipe, name)
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _refused(recipe, name, "a finite number above 0")


def _refused(recipe: Recipe, name: str, allowed: str) -> UsageError:
    return UsageError(f"recipe field {name} cannot be {getattr(recipe, name)!r}", fix=f"use {allowed}")
