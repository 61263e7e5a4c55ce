"""The text that chooses methods or tasks on the command line.

    selection = term {"," term}
    term      = ["-"] (id | id "@" variant | family "/" name | glob | "all" | "tag:" word)

A bare method id, a glob, a tag or ``all`` means first variants; ``@*`` after it means all of them. ``timm/<model>`` is a
variant of an open family, which globs, tags and ``all`` pass over. Where a method has a variant that stands for that model,
it is that variant: a model has one name in plans, records and caches, and one declaration of what it has seen.
``-`` leaves out what the term names, wherever it stands; a selection of exclusions alone starts from ``all``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from medbench.errors import MedbenchError, UnknownNameError, UsageError
from medbench.loading import resolve
from medbench.registry import Registry
from medbench.specs import MethodSpec, MethodVariant, TaskSpec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """A method with one of its variants; ``error`` says why the model that the variant stands for cannot be had."""

    spec: MethodSpec
    variant: MethodVariant
    error: MedbenchError | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """``mgca@resnet50``."""
        return f"{self.spec.id}@{self.variant.id}"


@dataclass(frozen=True, slots=True)
class _Terms:
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def select_methods(text: str, registry: Registry, checkpoints: Path) -> tuple[MethodChoice, ...]:
    """The methods a selection names, each once, in the order named. Raises `UsageError` where a term names nothing.

    ``checkpoints`` is where an open family looks for weights by name.
    """
    terms = _parse(text, "methods")
    left_out = {
        choice.id for term in terms.unwanted for choice in _method_term(term, registry, checkpoints, exclude=True)
    }
    chosen = {choice.id: choice for term in terms.wanted for choice in _method_term(term, registry, checkpoints)}
    return _not_empty([choice for key, choice in chosen.items() if key not in left_out], text, "method")


def choice_of(spec: MethodSpec, variant: MethodVariant, registry: Registry, checkpoints: Path) -> MethodChoice:
    """The choice of a variant, with what the family says of the model where it stands for one."""
    if not variant.stands_for:
        return MethodChoice(spec, variant)
    family, _, name = variant.stands_for.partition("/")
    try:
        opened = _opened(registry.method(family), name, checkpoints)
    except MedbenchError as error:
        return MethodChoice(spec, variant, error)
    return MethodChoice(spec, _standing(variant, opened))


def select_tasks(text: str, registry: Registry) -> tuple[TaskSpec, ...]:
    """The tasks a selection names, each once, in the order named. Raises `UsageError` where a term names nothing."""
    terms = _parse(text, "tasks")
    left_out = {name for term in terms.unwanted for name in _ids(term, registry.tasks, registry, "task")}
    chosen = dict.fromkeys(name for term in terms.wanted for name in _ids(term, registry.tasks, registry, "task"))
    return _not_empty([registry.tasks[name] for name in chosen if name not in left_out], text, "task")


def select_datasets(text: str, registry: Registry) -> tuple[str, ...]:
    """The dataset ids a selection names. Raises `UsageError` where a term names nothing."""
    terms = _parse(text, "datasets")
    left_out = {name for term in terms.unwanted for name in _ids(term, registry.datasets, registry, "dataset")}
    chosen = dict.fromkeys(name for term in terms.wanted for name in _ids(term, registry.datasets, registry, "dataset"))
    return _not_empty([name for name in chosen if name not in left_out], text, "dataset")


def _parse(text: str, what: str) -> _Terms:
    terms = [term.strip() for term in text.split(",") if term.strip()]
    if not terms:
        raise UsageError(f"no {what} named", fix=f"medbench list {what}")
    wanted = tuple(term for term in terms if not term.startswith("-"))
    return _Terms(wanted or ("all",), tuple(term[1:].strip() for term in terms if term.startswith("-")))


def _method_term(term: str, registry: Registry, checkpoints: Path, *, exclude: bool = False) -> list[MethodChoice]:
    family, slash, rest = term.partition("/")
    if slash:
        return [_open_choice(registry.method(family), rest, registry, checkpoints)]
    name, at, pattern = term.partition("@")
    chosen = []
    for method_id in _ids(name, registry.methods, registry, "method"):
        spec = registry.methods[method_id]
        if not spec.variants:
            if name == method_id:
                raise UsageError(f"{method_id} is a family: name one of its models, {method_id}/<model>")
            continue
        if not at:
            variants = spec.variants if exclude else spec.variants[:1]
        elif name == method_id and not _is_glob(pattern):
            variants = (spec.variant(pattern),)
        else:
            variants = tuple(variant for variant in spec.variants if fnmatch.fnmatchcase(variant.id, pattern))
        chosen += [choice_of(spec, variant, registry, checkpoints) for variant in variants]
    if not chosen:
        raise UsageError(f"no method has a variant that matches '{term}'", fix="medbench list methods")
    return chosen


def _open_choice(family: MethodSpec, name: str, registry: Registry, checkpoints: Path) -> MethodChoice:
    opened = _opened(family, name, checkpoints)
    named = registry.standing_for(f"{family.id}/{opened.name}")
    return MethodChoice(family, opened) if named is None else MethodChoice(named[0], _standing(named[1], opened))


def _standing(variant: MethodVariant, opened: MethodVariant) -> MethodVariant:
    """``variant`` with the facts of the model that it stands for."""
    able = variant.capabilities & opened.capabilities
    return replace(variant, checkpoint=opened.checkpoint, capabilities=able, name=opened.name)


def _opened(spec: MethodSpec, name: str, checkpoints: Path) -> MethodVariant:
    if spec.open_variants is None:
        raise UsageError(
            f"{spec.id} is no family of models", fix=f"choose a variant, {spec.id}@..., medbench show {spec.id}"
        )
    if not name or _is_glob(name):
        raise UsageError(f"'{spec.id}/{name}' names no model of the family {spec.id}", fix=f"medbench show {spec.id}")
    opened: MethodVariant = resolve(spec.open_variants, f"method '{spec.id}'")(name, checkpoints)
    return opened


def _ids(term: str, known: Mapping[str, MethodSpec | TaskSpec | object], registry: Registry, kind: str) -> list[str]:
    if term == "all":
        return list(known)
    if term.startswith("tag:"):
        tag = term.removeprefix("tag:")
        tags = {one for spec in known.values() for one in getattr(spec, "tags", ())}
        if tag not in tags:
            raise UnknownNameError(f"{kind} tag", tag, tags)
        return [name for name, spec in known.items() if tag in getattr(spec, "tags", ())]
    if _is_glob(term):
        found = [name for name in known if fnmatch.fnmatchcase(name, term)]
        if not found:
            raise UsageError(f"no {kind} matches '{term}'", fix=f"medbench list {kind}s")
        return found
    if term not in known:
        {"method": registry.method, "task": registry.task, "dataset": registry.dataset}[kind](term)
    return [term]


def _is_glob(text: str) -> bool:
    return any(character in text for character in "*?[")


def _not_empty(chosen: list[T], text: str, kind: str) -> tuple[T, ...]:
    if not chosen:
        raise UsageError(f"'{text}' leaves no {kind} over")
    return tuple(chosen)
