"""How a dataset's labels are read: the part that every classification recipe shares; importable without numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medbench.errors import UsageError
from medbench.specs import Recipe
from medbench_tasks.recipe_checks import check_choices


@dataclass(frozen=True, kw_only=True)
class LabelRecipe(Recipe):
    """What an unknown or uncertain label counts as.

    ``blank`` is for labels that the dataset does not give, ``uncertain`` for those that it gives as uncertain: ``mask``
    leaves the label of that sample out of training and scoring. Labels named in ``uncertain_present`` (or
    ``uncertain_absent``) read uncertain as present (absent) whatever ``uncertain`` says: the U-Ones and U-Zeros of the
    CheXpert paper (Irvin et al. 2019, section 4.1), label by label. A field out of its choices raises `UsageError`.
    """

    blank: Literal["mask", "absent"] = "mask"
    uncertain: Literal["mask", "absent", "present"] = "mask"
    uncertain_present: tuple[str, ...] = ()
    uncertain_absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choices(self)
        check_label_reading(self)


def check_label_reading(recipe: LabelRecipe) -> None:
    """No label is to be read as present and absent at once. Raises `UsageError`."""
    both = sorted(set(recipe.uncertain_present) & set(recipe.uncertain_absent))
    if both:
        raise UsageError(
            f"label '{both[0]}' stands in both uncertain_present and uncertain_absent", fix="name it in one"
        )
