"""Keys hash all that determines a result; recipes resolve in a stated order; subsets are nested."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench import subsets
from medbench.errors import UsageError
from medbench.registry import Registry
from medbench.selection import select_methods
from medbench.trials import Trial, recipe_values, resolve_recipe, restore_recipe, trial_key

NOWHERE = Path("nowhere")


@pytest.fixture
def trial(registry: Registry) -> Trial:
    task = registry.task("toy-bright")
    return Trial(select_methods("toy", registry, NOWHERE)[0], task, "standard", task.recipe("standard"), {}, 1.0, 0)


def key(
    trial: Trial,
    checkpoint: str | None = None,
    manifest: str = "m",
    precision: str = "fp32",
    texts: str | None = None,
) -> str:
    return trial_key(trial, checkpoint=checkpoint, manifest=manifest, precision=precision, texts=texts)


def test_the_key_is_stable(trial: Trial) -> None:
    assert key(trial) == "7b1ccef4a0243b16590b7c649f17ad8a"


def test_everything_that_determines_a_result_changes_the_key(trial: Trial, registry: Registry) -> None:
    task = trial.task
    variants = [
        key(trial),
        key(trial, checkpoint="x"),
        key(trial, manifest="n"),
        key(trial, precision="bf16"),
        key(dataclasses.replace(trial, seed=1)),
        key(dataclasses.replace(trial, recipe_name="published")),
        key(dataclasses.replace(trial, fraction=0.1)),
        key(dataclasses.replace(trial, recipe=resolve_recipe(task.recipe("standard"), 1.0, {"weight": "0.3"}))),
        key(dataclasses.replace(trial, task=dataclasses.replace(task, version=2))),
        key(dataclasses.replace(trial, task=dataclasses.replace(task, split="other"))),
        key(dataclasses.replace(trial, choice=select_methods("toy@weighted", registry, NOWHERE)[0])),
    ]
    assert len(set(variants)) == len(variants)


def test_text_files_count_where_the_task_reads_texts(trial: Trial) -> None:
    assert key(trial, texts="vocabulary") == key(trial)
    needs = frozenset({"TextEncoder"})
    variant = dataclasses.replace(trial.choice.variant, capabilities=trial.choice.variant.capabilities | needs)
    reading = dataclasses.replace(
        trial,
        choice=dataclasses.replace(trial.choice, variant=variant),
        task=dataclasses.replace(trial.task, capabilities=needs),
    )
    assert key(reading, texts="vocabulary") != key(reading)


def test_a_methods_settings_stand_between_the_preset_and_the_fraction(registry: Registry) -> None:
    settings = (("toy@weighted", (("weight", 0.2), ("steps", 8))), ("toy", (("weight", 0.1),)))
    preset = dataclasses.replace(registry.task("toy-bright").recipe("standard"), method_settings=settings)
    assert resolve_recipe(preset, 1.0, {}, "toy@weighted").weight == 0.2
    assert resolve_recipe(preset, 1.0, {}, "toy@plain").weight == 0.1
    assert resolve_recipe(preset, 1.0, {}, "other@plain").weight == preset.weight
    assert resolve_recipe(preset, 0.5, {}, "toy@weighted").steps == 1, "the fraction's"
    assert resolve_recipe(preset, 0.5, {"weight": "0.7"}, "toy@weighted").weight == 0.7, "the user's"
    assert "method_settings" not in recipe_values(preset)


def test_which_seeds_a_preset_suggests_does_not_change_the_key(trial: Trial) -> None:
    other = dataclasses.replace(trial.recipe, seeds=(1, 2), fraction_overrides=())
    assert key(dataclasses.replace(trial, recipe=other)) == key(trial)


def test_the_users_change_beats_the_fractions(registry: Registry) -> None:
    preset = registry.task("toy-bright").recipe("standard")
    assert resolve_recipe(preset, 0.5, {}).steps == 1
    assert resolve_recipe(preset, 0.5, {}).seeds == (7,)
    changed = resolve_recipe(preset, 0.5, {"steps": "9", "flip": "true", "betas": "0.5:0.6"})
    assert (changed.steps, changed.flip, changed.betas) == (9, True, (0.5, 0.6))
    assert resolve_recipe(preset, 1.0, {"clip": "2.5", "colour": "green"}).clip == 2.5
    assert restore_recipe(preset, recipe_values(changed)).betas == (0.5, 0.6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stpes", "1"),
        ("steps", "many"),
        ("flip", "maybe"),
        ("seeds", "3"),
        ("weight", "nan"),
        ("colour", "grene"),
        ("betas", "0.5"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(registry: Registry, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        resolve_recipe(registry.task("toy-bright").recipe("standard"), 1.0, {name: value})


@given(
    st.lists(st.text(min_size=1, max_size=5), unique=True, min_size=1, max_size=60),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    st.integers(0, 5),
)
def test_subsets_are_nested_and_of_the_stated_size(ids: list[str], one: float, other: float, seed: int) -> None:
    small, large = sorted((one, other))
    chosen = {fraction: {ids[index] for index in subsets.draw(ids, fraction, seed)} for fraction in (small, large)}
    assert chosen[small] <= chosen[large]
    assert len(chosen[small]) == max(1, int(small * len(ids)))
    shuffled = sorted(ids, reverse=True)
    assert {shuffled[index] for index in subsets.draw(shuffled, small, seed)} == chosen[small]


def test_seeds_draw_different_subsets_and_bad_fractions_are_refused() -> None:
    ids = [f"s{number}" for number in range(100)]
    assert subsets.draw(ids, 0.1, 0) != subsets.draw(ids, 0.1, 1)
    with pytest.raises(UsageError):
        subsets.draw(ids, 0, 0)


def test_a_whole_part_keeps_its_digest_alone() -> None:
    assert subsets.describe(["b", "a"], whole=True).sample_ids is None
    assert subsets.describe(["b", "a"], whole=False).sample_ids == ["a", "b"]
