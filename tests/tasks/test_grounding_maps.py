"""Which of a method's maps grounding asks for, and what its cache hangs on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_grounding_protocol import TASK, TOY, parts_of, run, values_of
from torch import Tensor
from zeroshot_toys import Asked, context_of

from medbench.errors import UsageError
from medbench_tasks.grounding.protocol import PROTOCOL
from medbench_tasks.grounding.recipe import (
    AS_RELEASED_GROUNDING_RSNA,
    AS_RELEASED_PRODUCT_RSNA,
    STANDARD_GROUNDING_RSNA,
    GroundingRecipe,
)


class Placed(Asked):
    """One that also sees places, and whose released form is another."""

    def ground(self, images: Tensor, findings: list[str], *, as_released: bool = False) -> Tensor:
        maps = super().ground(images, findings)
        return maps.flip(3) if as_released else maps

    def ground_product(self, images: Tensor, findings: list[str], *, as_released: bool = False) -> Tensor:
        return self.ground(images, findings, as_released=as_released) ** 2


def test_a_method_is_asked_for_the_map_that_the_recipe_names(tmp_path: Path) -> None:
    model, parts = Placed(), parts_of(tmp_path)

    def maps(recipe: GroundingRecipe) -> np.ndarray:
        table = run(tmp_path, model, recipe, parts=parts).predictions
        return np.array(table.column("map").to_pylist()).reshape(-1, 4, 4)

    plain = maps(TOY)
    np.testing.assert_allclose(maps(replace(TOY, map="product")), plain**2, rtol=1e-5)
    np.testing.assert_array_equal(maps(replace(TOY, released_stream=True)), plain[..., ::-1])
    assert AS_RELEASED_GROUNDING_RSNA.released_stream
    released = maps(AS_RELEASED_PRODUCT_RSNA)
    np.testing.assert_allclose(released, maps(replace(STANDARD_GROUNDING_RSNA, map="product"))[..., ::-1], rtol=1e-5)


def test_the_released_product_answers_above_a_hundredth_of_the_batchs_maximum(tmp_path: Path) -> None:
    recipe = AS_RELEASED_PRODUCT_RSNA
    assert (recipe.threshold, recipe.divide_by, recipe.batch_size) == (0.01, "batch-maximum", 64)
    parts = parts_of(tmp_path)
    values = values_of(run(tmp_path, Placed(), replace(recipe, released_stream=False, equalise=False), parts=parts))
    assert values["recall"] == values["precision"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"map": "product"}, "the method has no product maps - set map=attention"),
        ({"released_stream": True}, "no released form of their own - set released_stream=false"),
    ],
)
def test_a_map_that_the_method_has_not_is_said(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(tmp_path, Asked(), replace(TOY, **change))


def test_maps_in_the_cache_need_no_model_and_follow_the_texts_that_it_reads(tmp_path: Path) -> None:
    context = context_of(tmp_path, Asked(), TASK, TOY, parts_of(tmp_path))
    first = PROTOCOL.run(context)

    def load() -> None:
        raise LookupError("the model was loaded")

    assert (
        PROTOCOL.run(replace(context, features=replace(context.features, load=load))).predictions == first.predictions
    )
    with pytest.raises(LookupError):
        PROTOCOL.run(replace(context, features=replace(context.features, load=load, text_files="another book")))
