"""What a comparison says: a line for each unit and metric, with its verdict in words."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from medbench.compare.changes import Change, change_of
from medbench.compare.matching import Match, match
from medbench.compare.rules import Rules
from medbench.errors import UnknownNameError
from medbench.records import Record
from medbench.replicates import holm
from medbench.specs import MetricSpec, TaskSpec

Verdict = Literal[
    "regressed",
    "refused",
    "missing",
    "not tested",
    "improved",
    "within tolerance",
    "within noise",
    "same",
    "not gated",
    "new",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""What wants a look first, first."""
COMPARED: frozenset[Verdict] = frozenset({"regressed", "improved", "within tolerance", "within noise", "same"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One metric of one unit, or a unit that was not compared or lost seeds (then ``metric`` is empty).

    Numbers are as records hold them; ``change`` is NEW minus BASE. ``gates`` says that the gate wants to see it compared, and
    of a task that no plugin explains it may. Text is as plugins wrote it, not escaped.
    """

    task: str
    method: str
    recipe: str
    fraction: float
    phantom: bool
    metric: str = ""
    title: str = ""
    unit: Literal["percent", "plain"] = "percent"
    higher_is_better: bool | None = None
    gates: bool = False
    base: float | None = None
    new: float | None = None
    change: Change | None = None
    holm: float | None = None
    seeds: tuple[int, int] = (0, 0)
    verdict: Verdict = "not gated"
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every line, sorted by unit, and what could not be read (one line each)."""

    lines: tuple[Line, ...]
    problems: tuple[str, ...]
    rules: Rules

    def counts(self) -> dict[Verdict, int]:
        """How many lines have each verdict, in the order of `VERDICTS`."""
        found = Counter(line.verdict for line in self.lines)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def judge(
    base: Iterable[Record],
    new: Iterable[Record],
    tasks: Mapping[str, TaskSpec],
    rules: Rules,
    problems: Sequence[str] = (),
) -> Comparison:
    """Compare two sets of records. Raises `UnknownNameError` where ``rules`` name a metric that no record has."""
    matches = match(base, new, rules)
    _check_metrics(matches, rules)
    lines = [line for one in matches for line in _lines(one, tasks.get(one.subject.task), rules)]
    p_values = [_p_value(line) for line in lines]
    corrected = iter(holm([p_value for p_value in p_values if p_value is not None]))
    judged = (
        line if p_value is None else _judged(dataclasses.replace(line, holm=next(corrected)), rules)
        for line, p_value in zip(lines, p_values, strict=True)
    )
    return Comparison(tuple(judged), tuple(problems), rules)


def _p_value(line: Line) -> float | None:
    """Of the tests that are corrected for their number: what gates, and has a better side."""
    return line.change.p_value if line.gates and line.change and line.higher_is_better is not None else None


def _check_metrics(matches: Sequence[Match], rules: Rules) -> None:
    known = {name for one in matches for record in (*one.base, *one.new) for name in record.metrics}
    for name in (*rules.metric_names, *rules.tolerances) if known else ():
        if name not in {"ranking", "all", *known}:
            raise UnknownNameError("metric", name, known)


def _lines(unit: Match, task: TaskSpec | None, rules: Rules) -> list[Line]:
    whole = _whole(unit)
    refused = [one for one in unit.differences if one.kind not in rules.allow]
    if unit.problem:
        return [dataclasses.replace(whole, verdict="refused", reason=unit.problem)]
    if not unit.base or not unit.new:
        if unit.base:
            return [dataclasses.replace(whole, verdict="missing", reason="in BASE only")]
        return [dataclasses.replace(whole, verdict="new", reason="in NEW only")]
    if refused:
        told = "; ".join(map(str, refused))
        kinds = ",".join(sorted({one.kind for one in refused}))
        return [dataclasses.replace(whole, verdict="refused", reason=f"{told} (--allow {kinds} accepts it)")]
    specs = {spec.name: spec for spec in task.metrics} if task else {}
    present = {name for record in (*unit.base, *unit.new) for name in record.metrics}
    chosen = _chosen(task, present, rules)
    names = [*(name for name in specs if name in present | chosen), *sorted(present - specs.keys())]
    noted = dataclasses.replace(whole, notes=_notes(unit))
    lines = [_line(unit, noted, name, specs.get(name), name in chosen) for name in names]
    return [*lines, *_lost_seeds(unit, whole)]


def _chosen(task: TaskSpec | None, present: set[str], rules: Rules) -> set[str]:
    """The metrics of a unit that gate, whether its records have them or not; of an unknown task any might rank."""
    names = set(rules.metric_names)
    known = present if task is None else {spec.name for spec in task.metrics}
    chosen = present if "all" in names or (task is None and "ranking" in names) else names & (present | known)
    return chosen | {task.ranking_metric.name} if task and names & {"ranking", "all"} else chosen


def _lost_seeds(unit: Match, whole: Line) -> list[Line]:
    """A line where NEW lacks some of BASE's seeds; where it has none of them, it is seeded otherwise."""
    base, new = ({one.seed for one in side} for side in (unit.base, unit.new))
    lost = sorted(base - new)
    if not lost or not base & new:
        return []
    reason = f"seed{'s' if len(lost) > 1 else ''} {', '.join(map(str, lost))} in BASE only"
    return [dataclasses.replace(whole, verdict="missing", reason=reason)]


def _whole(unit: Match) -> Line:
    """What all lines of a unit share."""
    sides = [side[0] for side in (unit.base, unit.new) if side]

    def both(texts: list[str]) -> str:
        return " → ".join(dict.fromkeys(texts))

    return Line(
        task=unit.subject.task,
        method=both([one.method_id for one in sides]),
        recipe=both([one.recipe_label for one in sides]),
        fraction=unit.subject.fraction,
        phantom=unit.subject.phantom,
        seeds=(len(unit.base), len(unit.new)),
    )


def _line(unit: Match, whole: Line, name: str, spec: MetricSpec | None, chosen: bool) -> Line:
    """A metric before Holm: all but the verdict of what is tested."""
    base, new = ([one.metrics.get(name) for one in side] for side in (unit.base, unit.new))
    means = [_mean([one.value if one else None for one in side]) for side in (base, new)]
    line = dataclasses.replace(
        whole,
        metric=name,
        title=spec.title if spec else name,
        unit=spec.unit if spec else "percent",
        higher_is_better=spec.higher_is_better if spec else None,
        gates=chosen,
        base=means[0],
        new=means[1],
        change=change_of(unit.base, unit.new, name),
    )
    if spec is None:
        unknown: Verdict = "not tested" if chosen else "not gated"
        return dataclasses.replace(line, verdict=unknown, reason="no installed plugin says which way it is better")
    if _identical(unit, name):
        return dataclasses.replace(line, verdict="same", change=Change(0.0))
    if not chosen:
        return line
    if line.change is None:
        lacking = " and of ".join(name for name, mean in zip(("BASE", "NEW"), means, strict=True) if mean is None)
        verdict: Verdict = "missing" if means[0] is not None else "not tested"
        return dataclasses.replace(line, verdict=verdict, reason=f"undefined or absent in some seed of {lacking}")
    return dataclasses.replace(line, verdict="not tested", reason=line.change.reason)


def _judged(line: Line, rules: Rules) -> Line:
    """A tested, gating line with its verdict; what is not significant is noise, however large."""
    if line.verdict == "same" or line.change is None or line.holm is None:
        return line
    gain = line.change.difference if line.higher_is_better else -line.change.difference
    if line.holm > rules.level:
        return dataclasses.replace(line, verdict="within noise")
    if abs(gain) <= rules.borne(line.metric, line.unit):
        return dataclasses.replace(line, verdict="within tolerance")
    return dataclasses.replace(line, verdict="improved" if gain > 0 else "regressed")


def _identical(unit: Match, name: str) -> bool:
    """The same seeds, with the same number of replicates and the same numbers, none undefined, in all of them."""
    sides = [
        {one.seed: (one.metrics.get(name), one.replicates.get(name), one.samples_sha256) for one in side}
        for side in (unit.base, unit.new)
    ]
    defined = all(value is not None and value.value is not None for value, *_ in sides[0].values())
    return defined and sides[0] == sides[1]


def _notes(unit: Match) -> tuple[str, ...]:
    notes = [f"accepted: {difference}" for difference in unit.differences]
    seeds = sorted((len(unit.base), len(unit.new)))
    if seeds == [1, 1]:
        notes.append("one seed a side: the interval holds no training noise, and the level does not hold for it")
    elif seeds[0] == 1:
        notes.append("one seed on a side: its training noise is taken to be that of the other side")
    if {one.seed for one in unit.base} != {one.seed for one in unit.new}:
        notes.append("other seeds on the two sides: they are not paired")
    keys = [{one.key: one.metrics for one in side} for side in (unit.base, unit.new)]
    if any(keys[1].get(key, metrics) != metrics for key, metrics in keys[0].items()):
        notes.append(
            "the same trial gave other numbers: something that its key does not hold has changed (code, library)"
        )
    return tuple(notes)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
