"""The linear probe's sweep of regularisation strengths beside the same sweep with scikit-learn's LogisticRegression.

scikit-learn is run at its defaults (lbfgs, tol 1e-4, at most 100 iterations) for every strength of some labels, and its time
extrapolated to all of them, since labels cost it about the same. Features are drawn with the falling spectrum that
encoders' features have; labels are of unequal prevalence and not separable.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medbench_tasks.linear.heads import fit_heads
from medbench_tasks.linear.recipe import LinearRecipe

TARGET = 10.0
THREADS = 2
_TEST = 4000


class Sweep(NamedTuple):
    """Seconds for all strengths and labels; ``sklearn_s`` is extrapolated from ``fits`` of ``problems``.

    ``auroc_difference`` is the largest between the two solutions of a problem, on fresh samples.
    """

    name: str
    sweep_s: float
    sklearn_s: float
    fits: int
    problems: int
    auroc_difference: float

    @property
    def ratio(self) -> float:
        return self.sklearn_s / self.sweep_s


class Comparison(NamedTuple):
    """Both sweeps."""

    sweeps: list[Sweep]

    @property
    def met(self) -> bool:
        return all(sweep.ratio >= TARGET for sweep in self.sweeps)

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, ratio, target."""
        return [row for sweep in self.sweeps for row in _rows(sweep)]


def _rows(one: Sweep) -> list[list[str]]:
    fits = f"from {one.fits} of {one.problems} fits"
    return [
        [f"{one.name}: scikit-learn ({fits})", f"{one.sklearn_s:.1f}", "1.0", ""],
        [f"{one.name}: medbench", f"{one.sweep_s:.2f}", f"{one.ratio:.1f}", f"at least {TARGET:g}"],
    ]


def compare(samples: int = 25_000, width: int = 768, labels: int = 14, measured_labels: int = 2) -> Comparison:
    """Run either sweep on ``THREADS`` threads; scikit-learn's over ``measured_labels`` of the ``labels``."""
    features, truth = _drawn(samples + _TEST, width, labels)
    train, test = features[:samples], features[samples:]
    recipe = LinearRecipe()
    with _threads(THREADS):
        fit_heads(train[:500], truth[:500], recipe)  # what the first call alone pays for
        start = time.perf_counter()
        heads = fit_heads(train, truth[:samples], recipe)
        ours = time.perf_counter() - start
        scores = heads.sweep(test)
        chosen = np.linspace(0, labels - 1, measured_labels).astype(int)
        theirs, difference = 0.0, 0.0
        for label in chosen:
            seconds, gap = _sklearn(train, truth[:samples, label], test, truth[samples:, label], scores[:, :, label])
            theirs, difference = theirs + seconds, max(difference, gap)
    fits = len(chosen) * len(recipe.c_values)
    problems = labels * len(recipe.c_values)
    name = f"sweep over {samples} x {width} x {labels} labels x {len(recipe.c_values)} strengths"
    return Comparison([Sweep(name, ours, theirs * problems / fits, fits, problems, difference)])


def _sklearn(
    train: NDArray[np.float32],
    truth: NDArray[np.int8],
    test: NDArray[np.float32],
    test_truth: NDArray[np.int8],
    ours: NDArray[np.float64],
) -> tuple[float, float]:
    """Seconds for standardising once and every strength, and the largest difference of AUROC to ``ours`` (S, M)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    standard, others = scaler.transform(train), scaler.transform(test)
    seconds, gap = 0.0, 0.0
    for strength, scores in zip(LinearRecipe().c_values, ours, strict=True):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is timed as users run it
            model = LogisticRegression(C=strength).fit(standard, truth)
        seconds += time.perf_counter() - start
        theirs = roc_auc_score(test_truth, model.predict_proba(others)[:, 1])
        gap = max(gap, abs(theirs - roc_auc_score(test_truth, scores)))
    return seconds, gap


def _drawn(rows: int, width: int, labels: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    generator = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(generator.normal(size=(width, width)))
    features = (generator.normal(size=(rows, width)) * np.arange(1, width + 1) ** -0.5) @ rotation
    logits = features @ generator.normal(size=(width, labels))
    logits = 1.5 * logits / logits.std(0) + np.linspace(-4, -1, labels)
    present = generator.logistic(size=logits.shape) < logits
    return features.astype(np.float32), present.astype(np.int8)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Both sides on as many threads."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
