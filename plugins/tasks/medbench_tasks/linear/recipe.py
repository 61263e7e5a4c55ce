"""The recipes of the linear probe and of nearest neighbours, as plain data; importable without torch or numpy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from medbench.errors import UsageError
from medbench_tasks.classification.recipe import LabelRecipe
from medbench_tasks.recipe_checks import check_positive, check_whole_numbers


@dataclass(frozen=True, kw_only=True)
class LinearRecipe(LabelRecipe):
    """Logistic regression on frozen features, its strength chosen on the validation part.

    ``c_values``, ascending, are scikit-learn's C: the weight of the summed losses against half the squared norm of the
    coefficients; by default they are densest where the best one is found for standardised features, and end where the
    penalty no longer tells. ``standardise`` brings each feature to mean 0 and deviation 1 over the training samples.
    ``tolerance`` is `medbench_tasks.linear.solver.SolverOptions.tolerance`. The whole training part gives one answer
    whatever the seed, hence a single one; other seeds draw other samples at smaller fractions.
    Raises `UsageError` for values that make no sense.
    """

    c_values: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0, 1e1, 1e2)
    standardise: bool = True
    max_iterations: int = 500
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ascending("c_values", self.c_values)
        check_whole_numbers(self, {"max_iterations": 1})
        check_positive(self, "tolerance")


@dataclass(frozen=True, kw_only=True)
class KnnRecipe(LabelRecipe):
    """A vote of the nearest training samples by cosine, weighted by exp(cosine / ``temperature``).

    The number of ``neighbours``, ascending, is chosen on the validation part. The vote is that of DINO (Caron et al., ICCV
    2021), whose setting is 20 neighbours at 0.07. Raises `UsageError` for values that make no sense.
    """

    neighbours: tuple[int, ...] = (1, 5, 10, 20, 50, 200)
    temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ascending("neighbours", self.neighbours)
        check_positive(self, "temperature")


def _check_ascending(name: str, values: tuple[float, ...]) -> None:
    sound = bool(values) and values[0] > 0 and values[-1] < float("inf")
    if not sound or not all(before < after for before, after in pairwise(values)):
        raise UsageError(f"recipe field {name} cannot be {values!r}", fix="use finite numbers above 0, ascending")


STANDARD_LINEAR = LinearRecipe()
STANDARD_KNN = KnnRecipe()
