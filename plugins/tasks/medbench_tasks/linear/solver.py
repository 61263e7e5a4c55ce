"""L2-regularised logistic regression, binary and multinomial, for many strengths and classes at once.

The objective is scikit-learn's: the sum of the (weighted) losses times C plus half the squared norm of the coefficients,
the intercept free. All problems share the features, so that one iteration of all is two matrix products: the logits
along the new directions, and the gradients. Line searches need none, since logits are linear in the step.

Subsets of the samples (fractions, seeds) are solved apart, a call each: every one has its own standardisation and axes, so
that 1 % of the samples costs 1 % of the work, in fewer dimensions besides, where a mask over all rows would cost the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.errors import TrialError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_tasks.linear.basis import Basis

LARGEST = 1e15
"""Features beyond this overflow when squared and summed in single precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverOptions:
    """When to stop and how much to hold.

    ``tolerance``: a problem is solved when the next Newton step, as estimated, would move its probabilities by less than
    that, root mean square, in units of their standard deviation sqrt(p (1 - p)). ``memory_mib`` bounds the logits in work.
    """

    max_iterations: int = 500
    tolerance: float = 1e-5
    memory_mib: int = 1024


@dataclass(frozen=True, slots=True)
class Solution:
    """``coefficients`` (P, K, D) and ``intercepts`` (P, K) float64; per problem ``converged`` and its ``iterations`` (P,).

    K is 1 for binary problems. An intercept is infinite where the training samples have only one answer.
    """

    coefficients: Tensor
    intercepts: Tensor
    converged: Tensor
    iterations: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """(N, D) float32 -> (P, K, N) float32."""
        problems, columns, _ = self.coefficients.shape
        flat = self.coefficients.float().flatten(0, 1) @ features.T
        flat += self.intercepts.float().flatten()[:, None]
        return flat.view(problems, columns, len(features))

    def probabilities(self, features: Tensor) -> Tensor:
        """(N, D) float32 -> (P, K, N) float64; over K they sum to 1 unless K is 1."""
        import torch

        logits = self.logits(features).double()
        return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)

    def take(self, problems: Tensor) -> Solution:
        """The solutions of ``problems``, in that order."""
        return Solution(*(values[problems] for values in _fields(self)))


def solve(
    features: Tensor,
    truth: Tensor,
    weights: Tensor,
    strengths: Tensor,
    targets: Tensor,
    options: SolverOptions = SolverOptions(),
) -> Solution:
    """Solve problem p on target ``targets[p]`` at C = ``strengths[p]``, for every p.

    ``features`` (N, D) float32; ``truth`` (T, K, N) of 0 and 1: K = 1 asks whether a label is there, K > 2 which class is
    (one-hot); ``weights`` (T, N) >= 0, 0 leaves a sample out; ``strengths`` and ``targets`` (P,). All on one device.
    Where all samples of weight have one answer the solution is that answer, and without any, it is undecided (0.5, or 1 / K).
    Raises `TrialError` for features that are not finite and `UsageError` for strengths or weights that cannot be.
    """
    import torch

    from medbench_tasks.linear.basis import Basis

    _check(features, weights, strengths)
    with _full_precision():
        pooled = weights.sum(0)
        basis = Basis.of(features, pooled if pooled.sum() > 0 else torch.ones_like(pooled))
        problem_bytes = 4 * truth.shape[1] * len(features) * 7
        block = max(1, options.memory_mib * 2**20 // problem_bytes)
        parts = [
            _solve_block(
                basis, truth, weights, strengths[begin : begin + block], targets[begin : begin + block], options
            )
            for begin in range(0, len(strengths), block)
        ]
    return Solution(*(torch.cat(values) for values in zip(*(_fields(part) for part in parts), strict=True)))


def _fields(part: Solution) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return part.coefficients, part.intercepts, part.converged, part.iterations


def _check(features: Tensor, weights: Tensor, strengths: Tensor) -> None:
    if not len(features) or not bool((features.abs() < LARGEST).all()):  # NaN is not below it either
        raise TrialError("the features for logistic regression are empty, not finite or too large for single precision")
    if not bool((weights >= 0).all()) or not bool(weights.isfinite().all()):
        raise UsageError("sample weights must be finite and not negative")
    if not len(strengths) or not bool(((strengths > 0) & strengths.isfinite()).all()):
        raise UsageError("regularisation strengths C must be finite and above 0")


@contextmanager
def _full_precision() -> Iterator[None]:
    """float32 products in float32: TF32 keeps too few digits for a gradient near its zero."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _solve_block(
    basis: Basis, truth: Tensor, weights: Tensor, strengths: Tensor, targets: Tensor, options: SolverOptions
) -> Solution:
    import torch

    from medbench_tasks.linear.descent import Descent
    from medbench_tasks.linear.objective import Logits

    shares, totals = _shares(weights)
    offsets = _offsets(truth, shares)[targets]
    count, columns = offsets.shape
    points = torch.zeros((count, columns, len(basis.spectrum) + 1), dtype=torch.float64, device=truth.device)
    converged = torch.zeros(count, dtype=torch.bool, device=truth.device)
    iterations = torch.full((count,), options.max_iterations, device=truth.device)
    logits = Logits.at(
        offsets.float()[..., None].expand(-1, -1, truth.shape[2]).contiguous(), truth[targets], shares[targets]
    )
    work = Descent(basis, logits, points.clone(), 1 / (strengths.double() * totals[targets]))
    for iteration in range(options.max_iterations):
        solved = work.look(options.tolerance)
        place = work.place[solved]
        points[place], converged[place] = work.point[solved], True
        iterations[place] = iterations[place].clamp_max(iteration)
        if len(place) == len(work.place):
            break
        work.go()
    else:
        points[work.place] = work.point
    coefficients = points[..., :-1] @ basis.axes.double().T
    return Solution(coefficients, points[..., -1] + offsets - coefficients @ basis.centre, converged, iterations)


def _shares(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (T, N) that sum to 1 or are all 0, float32, and what they summed to (T,), 1 in place of 0."""
    import torch

    totals = weights.double().sum(1)
    totals = torch.where(totals > 0, totals, torch.ones_like(totals))
    return (weights.double() / totals[:, None]).float(), totals


def _offsets(truth: Tensor, shares: Tensor) -> Tensor:
    """(T, K) float64: the intercepts that are best without features, infinite where there is one answer only."""
    present = (truth.double() * shares.double()[:, None]).sum(2)
    every = shares.double().sum(1, keepdim=True)
    if present.shape[1] > 1:
        return present.log().masked_fill(every == 0, 0.0)
    absent = ((1 - truth.double()) * shares.double()[:, None]).sum(2)
    return (present.log() - absent.log()).masked_fill(every == 0, 0.0)
