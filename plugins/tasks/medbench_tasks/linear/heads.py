"""Logistic heads on frozen features at every strength of a recipe, from the labels of a classification task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench_tasks.linear.solver import LARGEST, SolverOptions, solve

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_tasks.linear.recipe import LinearRecipe
    from medbench_tasks.linear.solver import Solution


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of K labels at S strengths, and the standardisation that they were trained under.

    ``solution`` holds strength s of target t as problem ``t * S + s``. Each label asked on its own is a target;
    several classes are one target, and two classes are one that asks for the second.
    """

    centre: Tensor
    scale: Tensor
    solution: Solution
    strengths: tuple[float, ...]
    labels: int

    @property
    def unconverged(self) -> int:
        """How many of the problems were left before they were solved."""
        return int((~self.solution.converged).sum())

    @property
    def targets(self) -> int:
        return len(self.solution.converged) // len(self.strengths)

    def sweep(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, D) features -> (S, N, K) probabilities at every strength."""
        found = self._answers(self.solution, features)  # (T * S, columns, N)
        by_strength = found.view(self.targets, len(self.strengths), *found.shape[1:]).permute(1, 3, 0, 2).flatten(2)
        return self._as_labels(by_strength.cpu().numpy())

    def probabilities(self, features: NDArray[np.float32], choice: NDArray[np.int64]) -> NDArray[np.float64]:
        """(N, D) features -> (N, K) probabilities of each label at the strength ``choice`` (K,) says."""
        import torch

        places = torch.arange(self.targets) * len(self.strengths) + torch.from_numpy(choice[-self.targets :].copy())
        found = self._answers(self.solution.take(places.to(self.centre.device)), features)
        return self._as_labels(found.permute(2, 0, 1).flatten(1).cpu().numpy())

    def _answers(self, solution: Solution, features: NDArray[np.float32]) -> Tensor:
        import torch

        rows = torch.from_numpy(features).to(self.centre.device)
        return solution.probabilities((rows - self.centre) / self.scale)

    def _as_labels(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Two classes were asked as one question: give both."""
        if answers.shape[-1] == self.labels:
            return answers
        return np.concatenate([1 - answers, answers], axis=-1)


def fit_heads(
    features: NDArray[np.float32],
    truth: NDArray[np.int8],
    recipe: LinearRecipe,
    *,
    multi_class: bool = False,
    device: str = "cpu",
) -> Heads:
    """Heads for ``truth`` (N, K: 1, 0, -1 masked; one-hot rows or all -1 where ``multi_class``) on ``features`` (N, D).

    A class that no sample has gets probability 0, a label with one answer that answer. Raises `TrialError` where features
    are not finite.
    """
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(features)).to(device)
    centre, scale = _standard(rows) if recipe.standardise else (torch.zeros_like(rows[0]), torch.ones_like(rows[0]))
    answers, weights = _targets(torch.from_numpy(np.ascontiguousarray(truth)).to(device), multi_class)
    strengths = torch.tensor(recipe.c_values, dtype=torch.float64, device=device)
    solution = solve(
        (rows - centre) / scale,
        answers,
        weights,
        strengths.repeat(len(answers)),
        torch.arange(len(answers), device=device).repeat_interleave(len(strengths)),
        SolverOptions(max_iterations=recipe.max_iterations, tolerance=recipe.tolerance),
    )
    return Heads(centre, scale, solution, recipe.c_values, truth.shape[1])


def _standard(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (D,) of each feature; a deviation of 1 for one that does not vary. Raises `TrialError`."""
    import torch

    centre = rows.mean(0, dtype=torch.float64)
    centred = rows - centre.float()
    if not bool(centred.isfinite().all()) or bool((centred.abs() > LARGEST).any()):
        raise TrialError("the features are not finite, or too large for single precision")
    scale = centred.square_().mean(0, dtype=torch.float64).sqrt()
    constant = scale <= 1e-6 * centre.abs().clamp_min(1e-30)
    return centre.float(), torch.where(constant, torch.ones_like(scale), scale).float()


def _targets(truth: Tensor, multi_class: bool) -> tuple[Tensor, Tensor]:
    """(T, columns, N) answers of 0 and 1 and (T, N) weights for the solver."""
    if multi_class and truth.shape[1] > 2:
        return (truth == 1).T.float()[None], (truth >= 0).all(1).float()[None]
    asked = truth[:, 1:] if multi_class else truth
    return (asked == 1).T.float()[:, None], (asked >= 0).T.float()
