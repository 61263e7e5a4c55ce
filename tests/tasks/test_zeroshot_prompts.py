"""Prompt sets and recipes: what a label is told by, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from medbench.errors import UsageError
from medbench.trials import recipe_values, resolve_recipe, restore_recipe
from medbench_tasks.zeroshot.names import finding_of, readable
from medbench_tasks.zeroshot.prompts import (
    BIOVIL_RSNA,
    CHEXPERT_5X200,
    PROMPT_SETS,
    PromptSet,
    chosen_prompts,
    read_prompts,
)
from medbench_tasks.zeroshot.recipe import STANDARD_ZEROSHOT, ZeroShotRecipe

OWN = {"Bright": {"positive": ["A bright spot"], "negative": ["Nothing shines"]}}


def write(folder: Path, content: object) -> Path:
    path = folder / "own.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_template_words_any_label() -> None:
    prompts = chosen_prompts("template", (), ["Pleural_Thickening"])
    assert prompts.positive == {"pleural thickening": ("Findings consistent with pleural thickening",)}
    assert prompts.negative == {"pleural thickening": ("There is no pleural thickening",)}


def test_the_template_does_not_look_for_findings_of_the_normal() -> None:
    prompts = chosen_prompts("template", (), ["Normal", "Pneumonia"])
    assert prompts.positive["normal"] == ("There is no acute abnormality",)


def test_sets_are_found_whatever_the_spelling_of_the_label() -> None:
    prompts = chosen_prompts("chexpert-5x200", (), ["Pleural Effusion", "EDEMA"])
    assert list(prompts.positive) == ["pleural effusion", "edema"]
    assert prompts.negative is None


def test_a_named_label_is_asked_by_a_plain_finding() -> None:
    assert readable(" Pleural_Thickening ") == "pleural thickening"
    assert finding_of("chexpert", "Lung Opacity") == "opacity"
    assert finding_of("siim", "Lung Opacity") == "lung opacity"


def test_the_shipped_sets_have_several_prompts_for_each_label() -> None:
    assert {len(prompts) for prompts in CHEXPERT_5X200.positive.values()} == {5}
    assert BIOVIL_RSNA.negative is not None
    assert len(BIOVIL_RSNA.positive["pneumonia"]) == len(BIOVIL_RSNA.negative["pneumonia"]) == 4


@pytest.mark.parametrize("name", sorted(PROMPT_SETS))
def test_every_prompt_of_a_set_names_or_describes_one_label_only(name: str) -> None:
    prompts = [prompt for group in PROMPT_SETS[name].positive.values() for prompt in group]
    assert len({prompt.lower() for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize(
    ("positive", "negative", "said"),
    [
        ((), ("No spot",), "label 'spot' has no positive prompt"),
        (("A spot", "a  SPOT"), (), "has the prompt 'a  SPOT' twice"),
        (("A spot",), ("A spot",), "has the prompt 'A spot' twice"),
        (("A spot", " "), (), "has an empty prompt"),
    ],
)
def test_useless_prompts_are_refused(positive: tuple[str, ...], negative: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PromptSet({"spot": positive}, {"spot": negative})


def test_a_label_without_a_prompt_is_named() -> None:
    with pytest.raises(UsageError, match=r"the prompts 'biovil-rsna' have none for 'hernia' - they have: pneumonia"):
        chosen_prompts("biovil-rsna", (), ["Pneumonia", "Hernia"])


def test_labels_that_read_alike_are_refused() -> None:
    with pytest.raises(UsageError, match="two labels read alike: Mass, mass"):
        chosen_prompts("template", (), ["Mass", "mass"])


def test_a_recipe_of_an_unknown_set_is_refused_when_it_is_made() -> None:
    with pytest.raises(UsageError, match="unknown prompt set 'mine' - known: biovil-rsna, chexpert-5x200, template"):
        resolve_recipe(STANDARD_ZEROSHOT, 1.0, {"prompts": "mine"})


def test_an_unknown_set_gets_a_hint() -> None:
    with pytest.raises(UsageError, match=r"unknown prompt set 'biovil' - did you mean 'biovil-rsna'\?"):
        chosen_prompts("biovil", (), ["Pneumonia"])


def test_a_file_of_prompts_moves_into_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, OWN)
    recipe = resolve_recipe(STANDARD_ZEROSHOT, 1.0, {"prompts": str(path)})
    assert isinstance(recipe, ZeroShotRecipe)
    assert re.fullmatch("own-[0-9a-f]{8}", recipe.prompts), "no folder of the user's is kept"
    assert recipe.texts == (("Bright", ("A bright spot",), ("Nothing shines",)),)

    path.write_text(json.dumps({"Bright": {"positive": ["It glows"], "negative": ["Nothing shines"]}}))
    other = resolve_recipe(STANDARD_ZEROSHOT, 1.0, {"prompts": str(path)})
    assert recipe_values(other) != recipe_values(recipe), "the key follows the content"
    assert isinstance(other, ZeroShotRecipe)
    assert other.prompts != recipe.prompts, "and so does the name that tables show"
    assert resolve_recipe(other, 1.0, {"prompts": str(write(tmp_path, OWN))}) == recipe


def test_a_record_is_rescored_without_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, OWN)
    recipe = replace(STANDARD_ZEROSHOT, prompts=str(path))
    path.unlink()
    assert restore_recipe(STANDARD_ZEROSHOT, recipe_values(recipe)) == recipe


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "own.json is not JSON"),
        ([], "own.json has another form"),
        ({}, "own.json has another form"),
        ({"Bright": ["A spot"]}, "own.json has another form"),
        ({"Bright": {"negative": ["A spot"]}}, "own.json has another form"),
        ({"Bright": {"positive": [1]}}, "own.json has another form"),
        ({"Bright": {"positive": ["A spot"], "neg": []}}, "own.json has another form"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_prompts(write(tmp_path, content))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the prompts file none\.json cannot be read: No such file"):
        ZeroShotRecipe(prompts=str(tmp_path / "none.json"))


def test_a_file_with_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(b'{"\xff": 1}')
    with pytest.raises(UsageError, match=r"own\.json is not JSON"):
        read_prompts(path)


def test_a_label_given_twice_is_refused(tmp_path: Path) -> None:
    entry = OWN["Bright"]
    with pytest.raises(UsageError, match="the prompts give 'bright' twice"):
        ZeroShotRecipe(prompts=str(write(tmp_path, {"Bright": entry, "bright": entry})))


@pytest.mark.parametrize(
    ("field", "value"), [("by", "guess"), ("ensemble", "mean"), ("thresholds", "test"), ("temperature", 0.0)]
)
def test_fields_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"recipe field {field} cannot be"):
        replace(STANDARD_ZEROSHOT, **{field: value})
