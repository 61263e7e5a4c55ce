"""Nearest neighbours on frozen features: a probe without training, by cosine with a weighted vote."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from medbench.errors import TrialError, UsageError
from medbench.protocols import TrialOutcome
from medbench_tasks.classification.scoring import ClassificationScoring
from medbench_tasks.linear.recipe import KnnRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.protocols import FeatureNeed, TrialContext

_BLOCK = 1 << 25
"""Similarities, or half the votes, held at a time: 128 MiB, whatever the number of samples."""


class NearestNeighbours(ClassificationScoring):
    """`medbench.protocols.TaskProtocol` for labels; a method needs the `ImageEncoder` capability."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Vote over the training samples, one number of neighbours for all labels chosen on validation.

        `medbench_tasks.linear.selection` says how; of equally good numbers it is the highest.

        Raises `MissingDataError` where a part has no label.
        """
        import numpy as np

        from medbench_tasks.linear.parts import FrozenParts
        from medbench_tasks.linear.selection import choose_for_classes, choose_together

        recipe = _recipe_of(context)
        parts = FrozenParts.of(context, recipe)
        started = time.perf_counter()
        context.progress.phase("evaluate")
        vote = Voters(parts.train.features, parts.train.truth, recipe, context.compute.device)
        counts = recipe.neighbours[::-1]
        valid = vote.scores(parts.valid.features, counts)
        choose = choose_for_classes if parts.target.kind == "multi-class" else choose_together
        choice = choose(parts.valid.truth, valid)
        best = int(choice.index[0])
        test = vote.scores(parts.test.features, counts[best : best + 1])[0]
        predictions, floors = parts.tables(valid[best], test)
        notes = {
            "neighbours": min(counts[best], int(np.count_nonzero(parts.train.truth >= 0, axis=0).max())),
            "labels_chosen_by_loss": choice.by_loss,
            "labels_absent_from_validation": choice.blind,
            "unlabelled_in_train": int(np.all(parts.train.truth < 0, axis=0).sum()),
            "vote_seconds": round(time.perf_counter() - started, 3),
        }
        return TrialOutcome(predictions=predictions, floors=floors, notes=parts.sizes() | notes)

    def foreseen(self, context: TrialContext) -> Iterable[FeatureNeed]:
        """The images of the three parts that have a label."""
        from medbench_tasks.linear.parts import FrozenParts

        return FrozenParts.foreseen(context, _recipe_of(context))


PROTOCOL = NearestNeighbours()


class Voters:
    """Training samples that vote on the labels of others.

    ``features`` (N, D) and ``truth`` (N, K: 1, 0, -1 masked). For each label only samples that have it vote, and the
    nearest are counted among those.
    """

    def __init__(
        self, features: NDArray[np.float32], truth: NDArray[np.int8], recipe: KnnRecipe, device: str = "cpu"
    ) -> None:
        import torch

        self._temperature = recipe.temperature
        self._features = _normalised(features, device)
        self._truth = torch.from_numpy(truth).to(device)
        patterns, of_label = torch.unique((self._truth >= 0).to(torch.int8), dim=1, return_inverse=True)
        self._groups = [
            (patterns[:, index].nonzero()[:, 0], (of_label == index).nonzero()[:, 0])
            for index in range(patterns.shape[1])
        ]

    def scores(self, features: NDArray[np.float32], counts: tuple[int, ...]) -> NDArray[np.float64]:
        """(M, D) features -> (len(counts), M, K) shares of the vote, 0 to 1, for each number of neighbours.

        Where fewer samples have a label, all of them vote; without any the share is 0.5. Raises `TrialError` for features
        that are not finite.
        """
        import torch

        queries = _normalised(features, str(self._features.device))
        found = torch.full((len(counts), len(queries), self._truth.shape[1]), 0.5, dtype=torch.float64)
        width = max(len(self._features), 2 * min(max(counts), len(self._features)) * self._truth.shape[1])
        size = max(1, _BLOCK // width)
        for begin in range(0, len(queries), size):
            similar = queries[begin : begin + size] @ self._features.T
            for rows, labels in self._groups:
                if len(rows):
                    votes = self._votes(similar, rows, labels, counts)
                    found[:, begin : begin + size, labels.cpu()] = votes.cpu()
        return found.numpy()

    def _votes(self, similar: Tensor, rows: Tensor, labels: Tensor, counts: tuple[int, ...]) -> Tensor:
        """(len(counts), B, len(labels)) shares from similarities (B, N), for labels that exactly ``rows`` have."""
        import torch

        among = similar if len(rows) == similar.shape[1] else similar[:, rows]
        nearest = among.topk(min(max(counts), len(rows)), dim=1)
        weights = ((nearest.values - nearest.values[:, :1]).double() / self._temperature).exp()
        present = self._truth[rows][:, labels][nearest.indices].double()  # (B, k, labels)
        every = weights.cumsum(1)
        told = (weights[..., None] * present).cumsum(1)
        last = [min(count, len(rows)) - 1 for count in counts]
        return torch.stack([(told[:, end] / every[:, end, None]).clamp_max(1.0) for end in last])


def _recipe_of(context: TrialContext) -> KnnRecipe:
    if not isinstance(context.recipe, KnnRecipe):
        raise UsageError(f"task '{context.task.id}' gives {type(context.recipe).__name__}, not a KnnRecipe")
    return context.recipe


def _normalised(features: NDArray[np.float32], device: str) -> Tensor:
    """Rows of length 1; a row of zeros stays."""
    import torch

    rows = torch.from_numpy(features).to(device)
    if not bool(rows.isfinite().all()):
        raise TrialError("the features for nearest neighbours are not finite")
    return torch.nn.functional.normalize(rows)
