"""A variant that stands for a model of an open family: one name, one set of records and one declaration, however typed."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from medbench.checkpoints import mark_phantom
from medbench.cli import catalogue
from medbench.contamination import contamination_of
from medbench.errors import CheckpointError, PluginError
from medbench.executors.local import LocalExecutor
from medbench.executors.orders import order_of, planned_of
from medbench.plan import Plan, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.selection import choice_of, select_methods
from tests.core import standing_toys
from tests.core.conftest import TOY

if TYPE_CHECKING:
    from medbench.settings import Settings

STANDING = importlib.metadata.EntryPoint("standing", "tests.core.standing_toys", "medbench")
TYPED = f"family/{standing_toys.MODEL}"
EITHER = pytest.mark.parametrize("typed", ["starling", TYPED])


@pytest.fixture
def both(toy_path: Path) -> Registry:
    return Registry([TOY, STANDING])


@pytest.fixture
def weights(settings: Settings) -> Path:
    path = settings.checkpoints / standing_toys.FILE
    path.parent.mkdir(parents=True)
    save_file({"weight": torch.tensor(2.0)}, path)
    return path


def planned(typed: str, registry: Registry, settings: Settings) -> Plan:
    request = Request(methods=typed, tasks="toy-bright")
    for files in build_plan(request, registry, settings).unprepared:
        prepare(files, Reporter())
    return build_plan(request, registry, settings)


@EITHER
def test_the_family_says_where_and_what_the_method_says_who(typed: str, both: Registry, tmp_path: Path) -> None:
    (choice,) = select_methods(typed, both, tmp_path)
    assert (choice.id, choice.error, choice.variant.name) == ("starling@base", None, "owner/Bird")
    source = choice.variant.checkpoint
    assert source is not None and source.companions == ("family/owner/Bird/config.json",)
    assert choice.variant.capabilities == {"ImageEncoder"}  # the method knows that the model reads no texts
    assert choice.spec.loader == "medbench_toy:load"


def test_both_ways_name_one_method(both: Registry, tmp_path: Path) -> None:
    chosen = select_methods(f"starling,{TYPED},toy", both, tmp_path)
    assert [one.id for one in chosen] == ["starling@base", "toy@plain"]
    assert [one.id for one in select_methods(f"all,-{TYPED}", both, tmp_path)] == ["toy@plain"]
    assert [one.id for one in select_methods("family/owner/other", both, tmp_path)] == ["family@owner--other"]


@EITHER
def test_what_it_has_seen_does_not_depend_on_how_it_is_typed(typed: str, both: Registry, tmp_path: Path) -> None:
    (choice,) = select_methods(typed, both, tmp_path)
    method = both.methods[choice.spec.id]
    assert contamination_of(method, choice.variant.id, "toy", "main", both.datasets) == "overlaps"
    (other,) = select_methods("family/owner/other", both, tmp_path)
    family = both.methods[other.spec.id]
    assert contamination_of(family, other.variant.id, "toy", "main", both.datasets) == "undeclared"


@EITHER
def test_without_files_the_plan_says_how_to_get_them(
    typed: str, both: Registry, settings: Settings, toy_data: Path
) -> None:
    (one,) = planned(typed, both, settings).trials
    assert (one.state, one.error and one.error.exit_code) == ("blocked", 3)
    assert "no checkpoint for starling@base" in one.reason and "(fetch bird)" in one.reason


def test_a_trial_done_under_one_name_is_done_under_the_other(
    both: Registry, settings: Settings, toy_data: Path, weights: Path
) -> None:
    mark_phantom(weights)
    plan = planned(TYPED, both, settings)
    assert planned_of(order_of(plan.trials[0]), both, settings).trial.choice == plan.trials[0].trial.choice
    (outcome,) = LocalExecutor(both, settings).run(plan.of_state("ready"), Reporter())
    record = outcome.record
    assert record is not None
    assert (record.method_id, record.phantom, len(record.checkpoint_sha256 or "")) == ("starling@base", True, 64)
    assert [one.state for one in planned("starling", both, settings).trials] == ["done"]
    (weights.parent / "config.json").write_text("{}")  # what the family counts to the weights
    assert [one.state for one in planned("starling", both, settings).trials] == ["ready"]


def test_a_model_that_cannot_be_had_blocks_its_own_trials_alone(
    both: Registry, settings: Settings, toy_data: Path, weights: Path
) -> None:
    weights.with_suffix(".broken").touch()
    states = {one.trial.choice.id: one for one in planned("all", both, settings).trials}
    assert states["toy@plain"].state == "ready"
    assert isinstance(states["starling@base"].error, CheckpointError)
    assert "is broken" in states["starling@base"].reason
    with pytest.raises(CheckpointError, match="is broken"):
        select_methods(TYPED, both, settings.checkpoints)


def test_a_family_that_is_not_installed_is_named(both: Registry, tmp_path: Path) -> None:
    variant = replace(standing_toys.METHOD.variants[0], stands_for="elsewhere/bird")
    choice = choice_of(standing_toys.METHOD, variant, both, tmp_path)
    assert "unknown method 'elsewhere'" in str(choice.error)


@pytest.mark.parametrize("stands_for", ["family", "family/", "/bird"])
def test_what_is_no_model_of_a_family_is_refused(stands_for: str) -> None:
    with pytest.raises(PluginError, match="not <family>/<model>"):
        replace(standing_toys.METHOD.variants[0], stands_for=stands_for)


@EITHER
def test_show_tells_of_the_method(typed: str, both: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "load_registry", lambda: both)
    shown = CliRunner().invoke(catalogue.show_command, [typed], catch_exceptions=False).output
    assert shown.startswith("method starling\n")
    assert "stands_for: family/owner/Bird" in shown and "pretrained_on: toy" in shown


def test_a_model_has_one_name_of_its_own(toy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rival.py").write_text(
        "from dataclasses import replace\nfrom medbench.hookspecs import hookimpl\n"
        "from tests.core.standing_toys import METHOD\n"
        "@hookimpl\ndef medbench_methods():\n"
        "    twin = replace(METHOD.variants[0], id='twin', stands_for='family/owner/new')\n"
        "    return [replace(METHOD, id='wren'),\n"
        "            replace(METHOD, id='owl', variants=(twin, replace(twin, id='again')))]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry([STANDING, importlib.metadata.EntryPoint("z-rival", "rival", "medbench")])
    assert list(registry.methods) == ["family", "starling"]
    assert registry.plugins[1].problems == (
        "method 'wren': 'base' stands for family/owner/Bird, as starling@base does",
        "method 'owl': 'again' stands for family/owner/new, as owl@twin does",
    )
    assert [one.id for one in select_methods(TYPED, registry, tmp_path)] == ["starling@base"]
    assert registry.standing_for(TYPED) is not None and registry.standing_for("family/owner/new") is None
