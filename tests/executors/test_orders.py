"""A trial and the settings it runs under come out of a message as they went in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest

from medbench.errors import UsageError
from medbench.executors.base import Outcome
from medbench.executors.orders import (
    Answer,
    Order,
    answer_of,
    order_of,
    outcome_of,
    planned_of,
    settings_from_text,
    settings_to_text,
)
from medbench.plan import PlannedTrial, Request, build_plan
from medbench.registry import Registry
from medbench.settings import Settings
from medbench.trials import trial_key
from tests.core.record_maker import make_record

EVERYTHING = Request(methods="all,timm/resnet18.mine", tasks="all", fractions=(0.1, 1.0), seeds=(0, 3))


@pytest.fixture(scope="module")
def real() -> Registry:
    return Registry.load()


def _through_text(order: Order) -> Order:
    return msgspec.json.decode(msgspec.json.encode(order), type=Order)


def _key(planned: PlannedTrial) -> str:
    return trial_key(planned.trial, checkpoint="c" * 64, manifest="m" * 64, precision="fp32", texts="t" * 64)


def test_every_trial_of_every_first_party_plugin_comes_back_under_its_key(real: Registry, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, checkpoints=tmp_path, results=tmp_path, cache=tmp_path)
    plan = build_plan(EVERYTHING, real, settings)
    assert len(plan.trials) > 1000
    for planned in plan.trials[::7]:
        sent = replace(planned, state="ready", reason="", key=_key(planned), checkpoint="c" * 64, error=None)
        again = planned_of(_through_text(order_of(sent)), real, settings)
        assert again.trial.choice == planned.trial.choice
        assert _key(again) == sent.key == again.key
        assert again.trial.label == planned.trial.label
        assert again.checkpoint == sent.checkpoint


def test_changed_fields_of_a_recipe_travel(real: Registry, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, checkpoints=tmp_path, results=tmp_path, cache=tmp_path)
    request = Request(
        methods="random", tasks="kermany-finetune", seeds=(0,), overrides={"lr": "0.5", "betas": "0.8:0.9"}
    )
    (planned,) = build_plan(request, real, settings).trials
    again = planned_of(_through_text(order_of(planned)), real, settings).trial
    assert again.recipe == planned.trial.recipe
    assert again.overrides == {"lr": 0.5, "betas": (0.8, 0.9)}
    assert again.recipe_label == planned.trial.recipe_label


def test_an_order_that_this_process_cannot_carry_out_is_refused(real: Registry, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, checkpoints=tmp_path, results=tmp_path, cache=tmp_path)
    (planned,) = build_plan(Request(methods="random", tasks="kermany-knn", seeds=(0,)), real, settings).trials
    order = order_of(planned)
    with pytest.raises(UsageError, match="unknown task 'kermany-gone'"):
        planned_of(msgspec.structs.replace(order, task="kermany-gone"), real, settings)
    with pytest.raises(UsageError, match="no field surprise"):
        planned_of(msgspec.structs.replace(order, recipe_values={"surprise": 1}), real, settings)


def test_settings_come_back_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        results=Path("here"),
        precision="bf16",
        pixel_side=512,
        executor="slurm",
        executors=MappingProxyType({"slurm": MappingProxyType({"partition": "gpu", "time": 60})}),
        data_overrides=MappingProxyType({"rsna": Path("there")}),
        trackers=MappingProxyType({"mlflow": MappingProxyType({"uri": "http://x"})}),
    )
    again = settings_from_text(settings_to_text(settings))
    assert again.results == tmp_path / "here"
    assert again.data_overrides == {"rsna": tmp_path / "there"}
    assert again == replace(
        settings,
        **{name: getattr(again, name) for name in ("data", "checkpoints", "results", "cache", "data_overrides")},
    )


def test_an_answer_tells_all_of_an_outcome_but_its_trial() -> None:
    planned = PlannedTrial(trial=None, state="ready", key="k" * 32)  # type: ignore[arg-type]
    for outcome in (
        Outcome(planned, "finished", make_record(key="k" * 32), message="slow tracker"),
        Outcome(planned, "failed", message="no data", exit_code=3),
    ):
        answer = msgspec.json.decode(msgspec.json.encode(answer_of(outcome)), type=Answer)
        assert outcome_of(answer, planned) == outcome
