"""What is told of a trial to any tracker: its name, parameters and scores, under names that every library takes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medbench.records import MetricValue, Record
    from medbench.trials import Trial

Plain = str | int | float | bool
LONGEST_NAME = 200
GROUPS = ("ci_low", "ci_high", "floor", "ceiling")
"""What stands before a ``/`` in the names of scores; no metric may have such a name."""


def trial_name(record: Record) -> str:
    """As `medbench.trials.Trial.label`: ``mgca@resnet50 on rsna-det, 10 %, seed 0``."""
    return f"{record.method_id} on {record.task}, {record.fraction * 100:g} %, seed {record.seed}"


def started_parameters(trial: Trial) -> dict[str, Plain]:
    """The parameters of a trial that is about to run; the same as its record's."""
    from medbench.trials import recipe_values

    facts = (trial.choice.id, trial.task.id, trial.fraction, trial.seed, trial.recipe_name)
    return _parameters(*facts, recipe_values(trial.recipe))


def parameters(record: Record) -> dict[str, Plain]:
    """What was chosen: method, task, fraction, seed, recipe, and each hyper-parameter as ``recipe.<field>``.

    Only what the trial's key determines: a second run of the trial has the same.
    """
    facts = (record.method_id, record.task, record.fraction, record.seed, record.recipe)
    return _parameters(*facts, record.recipe_values)


def scores(record: Record) -> dict[str, float]:
    """Every number that is defined, by name.

    ``auroc``, ``ci_low/auroc``, ``ci_high/auroc``, ``floor/<the trivial answer>/auroc`` and ``ceiling/<...>/auroc``.
    """
    found: dict[tuple[str, ...], float] = {}
    for name, metric in record.metrics.items():
        for path, value in (((name,), metric.value), (("ci_low", name), metric.low), (("ci_high", name), metric.high)):
            if value is not None:
                found[path] = value
    for group, answers in (("floor", record.floors), ("ceiling", record.ceilings)):
        found.update(_answers(group, answers))
    names = safe_names(found)
    return {names[path]: float(value) for path, value in found.items()}


def digest(values: Mapping[str, float]) -> str:
    """A digest of scores; it changes when metrics are scored again with another result."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def times(record: Record) -> tuple[float, float]:
    """When the trial began and ended, in seconds since 1970."""
    began = datetime.fromisoformat(record.provenance.started).timestamp()
    return began, began + record.provenance.duration_s


def safe_names(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A name for each path, its parts joined by ``/``, of ASCII letters, digits, ``_``, ``-``, ``.`` and blanks.

    ``@`` becomes ``_at_`` and any other character ``_``. Where that makes two names one, or a name of over 200 characters,
    a digest of the path is put behind it.
    """
    names: dict[tuple[str, ...], str] = {}
    taken = set(GROUPS)
    for path in sorted(paths, key=lambda path: (safe_name(*path) != "/".join(path), path)):
        name = safe_name(*path)
        if name in taken or len(name) > LONGEST_NAME:
            name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(repr(path).encode()).hexdigest()[:8]}"
        taken.add(name)
        names[path] = name
    return names


def safe_name(*parts: str) -> str:
    """The parts with what some library refuses replaced, joined by ``/``; no part is empty or made of dots."""
    cleaned = (re.sub(r"[^A-Za-z0-9_.\- ]", "_", part.replace("@", "_at_")).strip(" .") for part in parts)
    return "/".join(part or "_" for part in cleaned)


def _parameters(
    method: str, task: str, fraction: float, seed: int, recipe: str, values: Mapping[str, object]
) -> dict[str, Plain]:
    chosen: dict[tuple[str, ...], Plain] = {
        ("method",): method,
        ("task",): task,
        ("fraction",): float(fraction),
        ("seed",): seed,
        ("recipe",): recipe,
    }
    chosen |= {(f"recipe.{name}",): value for name, value in _flat(values).items()}
    names = safe_names(chosen)
    return {names[path]: value for path, value in chosen.items()}


def _flat(values: Mapping[str, object], before: str = "") -> dict[str, Plain]:
    flat: dict[str, Plain] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{before}{name}."))
        elif isinstance(value, str | int | float | bool):
            flat[f"{before}{name}"] = value
        else:
            flat[f"{before}{name}"] = json.dumps(value)
    return flat


def _answers(group: str, answers: Mapping[str, Mapping[str, MetricValue]]) -> dict[tuple[str, ...], float]:
    return {
        (group, answer, name): metric.value
        for answer, metrics in answers.items()
        for name, metric in metrics.items()
        if metric.value is not None
    }
