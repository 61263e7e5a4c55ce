"""A comparison as a JSON document, for other programs."""

from __future__ import annotations

import json
from typing import Any

from medbench.compare.outcome import outcome_of
from medbench.compare.verdicts import Comparison, Line

FORMAT = 1


def json_text(comparison: Comparison) -> str:
    """``lines`` with numbers as shares of 1, ``counts`` by verdict, and the ``outcome``. ASCII alone, whatever the names.

    GitHub's runner takes ``##[`` for the beginning of a command wherever it stands, so it is written otherwise.
    """
    rules, outcome = comparison.rules, outcome_of(comparison)
    document = {
        "format": FORMAT,
        "outcome": {"code": outcome.code, "reasons": list(outcome.reasons)},
        "rules": {
            "tolerance": rules.tolerance,
            "tolerances": dict(sorted(rules.tolerances.items())),
            "level": rules.level,
            "metrics": list(rules.metric_names),
            "allow": sorted(rules.allow),
            "methods": list(rules.methods or ()),
            "fail_on_regression": rules.fail_on_regression,
            "fail_on_missing": rules.fail_on_missing,
        },
        "counts": comparison.counts(),
        "problems": list(comparison.problems),
        "lines": [_line(line) for line in comparison.lines],
    }
    return json.dumps(document, indent=1).replace("##[", r"\u0023\u0023[") + "\n"


def _line(line: Line) -> dict[str, Any]:
    change = line.change
    return {
        "task": line.task,
        "method": line.method,
        "recipe": line.recipe,
        "fraction": line.fraction,
        "phantom": line.phantom,
        "metric": line.metric or None,
        "higher_is_better": line.higher_is_better,
        "gates": line.gates,
        "seeds": {"base": line.seeds[0], "new": line.seeds[1]},
        "base": line.base,
        "new": line.new,
        "change": change.difference if change else None,
        "low": change.low if change else None,
        "high": change.high if change else None,
        "p": change.p_value if change else None,
        "p_holm": line.holm,
        "verdict": line.verdict,
        "reason": line.reason,
        "notes": list(line.notes),
    }
