"""A trial of the toy that trackers can be told of, and its record."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import msgspec
import pytest

from medbench.plan import Request, build_plan
from medbench.records import Record
from medbench.registry import Registry
from medbench.settings import Settings
from medbench.trials import Trial, recipe_values
from tests.core.record_maker import make_record

KEY = "0123456789abcdef" * 2


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """The toy on its task, with a tenth of the data."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "toy"))
    registry = Registry([importlib.metadata.EntryPoint("toy", "medbench_toy", "medbench")])
    request = Request(methods="toy", tasks="toy-bright", fractions=(0.1,), seeds=(0,))
    return build_plan(request, registry, Settings(data=tmp_path, cache=tmp_path)).trials[0].trial


@pytest.fixture
def record(trial: Trial) -> Record:
    """What came out of the trial: a metric with an interval, an undefined one, a floor, and names that libraries refuse."""
    record = make_record(
        "toy",
        variant="plain",
        task=trial.task.id,
        key=KEY,
        fraction=trial.fraction,
        recipe_values=recipe_values(trial.recipe),
        metrics={"recall@1": 0.25, "recall_at_1": 0.75, "undefined": None, "a|<b>/../c": 0.125},
        floors={"always bright": {"map": 0.1}},
        phantom=True,
    )
    return msgspec.structs.replace(record, replicates={"map": b"12345678"})
