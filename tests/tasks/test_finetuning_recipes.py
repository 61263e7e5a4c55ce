"""The recipes of fine-tuning: published figures, per-method settings, rates over time, values that are refused."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from finetuning_toys import TinyImageEncoder
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from medbench.errors import UsageError
from medbench.trials import recipe_values, resolve_recipe
from medbench_tasks.catalogue.classification import TASKS
from medbench_tasks.classification.metrics_catalogue import DIAGNOSIS, MULTI_CLASS, MULTI_LABEL
from medbench_tasks.finetuning.benchx import BENCHX, METHODS, Dataset, benchx_recipe
from medbench_tasks.finetuning.recipe import (
    MEDSLIP_SIIM,
    MEDST_LINEAR_COVIDX,
    MGCA_LINEAR,
    MGCA_LINEAR_CHEXPERT,
    QUICK_FINE_TUNING,
    STANDARD_FINE_TUNING,
    FineTuningRecipe,
)
from medbench_tasks.training_optimiser import bare_optimiser, parameter_groups, schedule_of

DATASETS: tuple[Dataset, ...] = ("nih", "vindr", "covidx", "siim", "rsna")
NAMES = {
    **{"ConVIRT": "convirt", "GLoRIA": "gloria", "MedKLIP": "medklip", "M-FLAG": "m-flag", "MRM": "mrm"},
    **{"MedCLIP-R50": "medclip@resnet50", "MedCLIP-ViT": "medclip@vit", "REFERS": "refers"},
    **{"MGCA-R50": "mgca@resnet50", "MGCA-ViT": "mgca@vit-b16"},
}


def settled(dataset: Dataset, method: str) -> FineTuningRecipe:
    recipe = resolve_recipe(benchx_recipe(dataset), 1.0, {}, method)
    assert isinstance(recipe, FineTuningRecipe)
    assert recipe.published_settings
    return recipe


def test_every_published_choice_of_benchx_is_in_the_table(shared: Path) -> None:
    section = (shared / "protocols" / "benchx.md").read_text().split("## 3.")[1].split("## 4.")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    published = {row[0]: row[1:] for row in rows if row[0] in NAMES}
    assert published.keys() == NAMES.keys()
    for name, cells in published.items():
        for dataset, cell in zip(DATASETS, cells, strict=True):
            recipe = settled(dataset, NAMES[name])
            lr, batch_size, optimiser = (*cell.split("/"), "A")[:3]
            assert (recipe.lr, recipe.batch_size) == (float(lr), int(batch_size)), (name, dataset)
            assert recipe.optimiser == {"A": "adam", "S": "sgd"}[optimiser], (name, dataset)


def test_layer_norm_and_lower_rates_are_where_benchx_has_them(shared: Path) -> None:
    section = (shared / "protocols" / "benchx.md").read_text().split("LN and DLR:")[1].split("\n")[0]
    flags: dict[str, str] = {}
    for part in section.rstrip(".").split(";"):
        names, flag = re.fullmatch(r"(.*?) ([YN]/[YN])", part.strip()).groups()  # type: ignore[union-attr]
        flags |= dict.fromkeys(names.replace("MedCLIP ×2", "MedCLIP-R50, MedCLIP-ViT").split(", "), flag)
    assert flags.keys() == NAMES.keys()
    for name, flag in flags.items():
        recipe = settled("nih", NAMES[name])
        assert (recipe.head_norm, recipe.encoder_lr) == (flag[0] == "Y", 0.1 if flag[2] == "Y" else 1.0), name


def test_some_choices_of_benchx_figure_by_figure() -> None:
    vit, resnet = settled("nih", "mgca@vit-b16"), settled("siim", "mgca@resnet50")
    assert (vit.lr, vit.batch_size, vit.optimiser, vit.head_norm, vit.encoder_lr) == (1e-2, 64, "sgd", True, 0.1)
    assert (resnet.lr, resnet.batch_size, resnet.optimiser, resnet.encoder_lr) == (1e-5, 128, "adam", 1.0)
    assert settled("vindr", "refers@vit").batch_size == 128, "a variant finds its method's settings"
    assert len(METHODS) == 10


def test_the_common_procedure_of_benchx() -> None:
    assert BENCHX.seeds == (42, 0, 1)
    assert (BENCHX.epochs, BENCHX.validate_from, BENCHX.validate_every, BENCHX.patience) == (200, 10, 5, 10 * 5)
    assert (BENCHX.warmup_steps, BENCHX.schedule_steps, BENCHX.clip_grad) == (50, 3000, 1.0)
    assert (BENCHX.head_init, BENCHX.binary_head, BENCHX.thresholds) == ("truncated-normal", "softmax", "half")
    assert [benchx_recipe(dataset).select for dataset in DATASETS] == ["auroc", "auroc", "f1", "f1", "f1"]


def test_a_method_without_settings_gets_the_default() -> None:
    recipe = resolve_recipe(benchx_recipe("nih"), 1.0, {}, "medst@vit-b16")
    assert recipe == replace(benchx_recipe("nih"), method_settings=())
    assert recipe_values(recipe)["published_settings"] is False
    assert (recipe.lr, recipe.batch_size, recipe.optimiser) == (1e-4, 64, "adam")  # type: ignore[attr-defined]


def test_what_a_user_asks_for_goes_before_a_methods_settings() -> None:
    recipe = resolve_recipe(benchx_recipe("nih"), 1.0, {"lr": "0.5"}, "mgca@vit-b16")
    assert isinstance(recipe, FineTuningRecipe)
    assert (recipe.lr, recipe.batch_size, recipe.optimiser) == (0.5, 64, "sgd")


def test_the_published_linear_probes() -> None:
    mgca = MGCA_LINEAR
    assert (mgca.seeds, mgca.lr, mgca.weight_decay, mgca.betas) == ((42,), 5e-4, 1e-6, (0.9, 0.999))
    assert (mgca.batch_size, mgca.epochs, mgca.patience, mgca.select) == (48, 50, 10, "loss")
    assert (mgca.freeze_encoder, mgca.batchnorm, mgca.drop_last, mgca.schedule) == (True, "frozen", True, "constant")
    assert (mgca.augment, mgca.frame, mgca.normalise) == ("crop", "mgca", "half")
    assert (MGCA_LINEAR_CHEXPERT.augment, MGCA_LINEAR_CHEXPERT.blank) == ("moco2", "absent")
    assert (MEDST_LINEAR_COVIDX.epochs, MEDST_LINEAR_COVIDX.batch_size) == (200, 96)


def test_the_published_fine_tuning_of_medslip() -> None:
    siim = MEDSLIP_SIIM
    assert (siim.lr, siim.encoder_lr, siim.weight_decay, siim.decay) == (1e-5, 1.0, 0.02, "matrices")
    assert (siim.batch_size, siim.epochs, siim.drop_last, siim.schedule) == (64, 200, True, "constant")
    assert (siim.freeze_encoder, siim.clip_grad, siim.select, siim.patience) == (False, None, "auroc", 200)


@pytest.mark.parametrize("recipe", [STANDARD_FINE_TUNING, QUICK_FINE_TUNING])
def test_the_epoch_is_chosen_by_the_metric_that_ranks(recipe: FineTuningRecipe) -> None:
    assert recipe.score_for("multi-class") == MULTI_CLASS[0].name == "accuracy"
    assert recipe.score_for("multi-label") == MULTI_LABEL[0].name == "auroc"
    assert MGCA_LINEAR.score_for("multi-class") == "loss"


def test_every_recipe_of_diagnosis_chooses_by_the_macro_f1_that_ranks_it() -> None:
    tasks = [task for task in TASKS if task.metrics == DIAGNOSIS]
    assert {task.id for task in tasks} == {"mimic-cxr-diagnosis", "chestx-ray14-diagnosis"}
    for task in tasks:
        assert task.metrics[0].name == "f1"
        assert {name: recipe.select for name, recipe in task.recipes.items()} == dict.fromkeys(
            ("standard", "quick", "motor"), "f1"
        )


@pytest.mark.parametrize("recipe", [STANDARD_FINE_TUNING, QUICK_FINE_TUNING])
def test_a_sound_schedule_runs_to_its_end_at_every_fraction(recipe: FineTuningRecipe) -> None:
    for _, fields in ((1.0, ()), *recipe.fraction_overrides):
        changed = replace(recipe, **dict(fields))
        assert changed.patience >= changed.epochs
        assert changed.epochs % changed.validate_every == 0 or changed.validate_every < changed.epochs


@pytest.mark.parametrize("preset", [STANDARD_FINE_TUNING, MGCA_LINEAR_CHEXPERT, MEDSLIP_SIIM, benchx_recipe("siim")])
def test_recipes_enter_keys_as_plain_values(preset: FineTuningRecipe) -> None:
    values = recipe_values(preset)
    assert values["augment"] == preset.augment
    assert "method_settings" not in values
    assert "requires" not in values
    assert preset.requires == ("mmengine",)


def rates(recipe: FineTuningRecipe, steps: int) -> list[list[float]]:
    """Each group's rate before each optimiser step."""
    model = nn.ModuleDict({"encoder": TinyImageEncoder(), "head": nn.Linear(6, 1)})
    optimiser = bare_optimiser(parameter_groups(model, recipe), recipe)
    schedulers = [PARAM_SCHEDULERS.build(dict(part, optimizer=optimiser)) for part in schedule_of(recipe)]
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        for scheduler in schedulers:
            scheduler.step()
    return seen


def test_the_rate_warms_up_falls_as_a_cosine_and_stays() -> None:
    seen = rates(replace(BENCHX, lr=1.0, warmup_steps=5, schedule_steps=25), 40)
    head = [both[1] for both in seen]
    assert head[0] == pytest.approx(0.01)
    assert head[5] == pytest.approx(1.0)
    assert head[15] == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi * 10 / 20)) / 2)
    assert head[25:] == pytest.approx([0.01] * 15)
    assert head[:6] == sorted(head[:6])
    assert head[5:] == sorted(head[5:], reverse=True)
    assert [encoder / other for encoder, other in seen] == pytest.approx([0.1] * 40)


def test_rates_and_decay_by_kind_of_parameter() -> None:
    model = nn.ModuleDict({"encoder": TinyImageEncoder(), "head": nn.Linear(6, 1)})
    recipe = replace(MEDSLIP_SIIM, lr=1.0, encoder_lr=0.5)
    groups = {(group["lr"], group["weight_decay"]): len(group["params"]) for group in parameter_groups(model, recipe)}
    assert groups == {(0.5, 0.02): 1, (0.5, 0.0): 3, (1.0, 0.02): 1, (1.0, 0.0): 1}
    model["encoder"].requires_grad_(False)
    assert {group["lr"] for group in parameter_groups(model, recipe)} == {1.0}


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_the_optimiser_is_the_one_that_the_recipe_names(name: str, kind: type[torch.optim.Optimizer]) -> None:
    recipe = replace(BENCHX, optimiser=name, momentum=0.7)
    optimiser = bare_optimiser(parameter_groups(nn.Linear(2, 1), recipe), recipe)
    assert type(optimiser) is kind
    assert optimiser.defaults.get("momentum", 0.7) == 0.7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("augment", "cutout"), ("frame", "stretch"), ("normalise", "clip"), ("select", "precision")],
        *[
            ("head_init", "zero"),
            ("optimiser", "lion"),
            ("decay", "none"),
            ("blank", "present"),
            ("thresholds", "test"),
        ],
        *[("lr", 0.0), ("encoder_lr", -1.0), ("source_scale", math.inf), ("image_size", -1), ("epochs", 0)],
        *[("validate_from", 0), ("schedule_steps", -1)],
    ],
)
def test_a_field_out_of_its_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"recipe field {field} cannot be"):
        replace(STANDARD_FINE_TUNING, **{field: value})


def test_a_schedule_within_its_warm_up_and_a_label_read_both_ways_are_refused() -> None:
    with pytest.raises(UsageError, match="schedule_steps cannot be 50 - use more than the 50 warmup_steps"):
        replace(BENCHX, schedule_steps=50)
    with pytest.raises(UsageError, match="'Edema' stands in both"):
        replace(MGCA_LINEAR_CHEXPERT, uncertain_absent=("Edema",))
