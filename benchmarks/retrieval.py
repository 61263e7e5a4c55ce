"""Recalls of N x N random embeddings of 256 dimensions, beside a sort of the whole matrix as published scripts do it.

The scripts of BLIP, MOTOR and the brain BLIP hold the matrix of all scores and sort it row by row, both ways, for exact pairs.
medbench ranks in blocks, both ways, for any right candidate and, as nothing repeats here, for exact pairs in the same pass.
Each side runs in a process of its own, so that its peak memory is its own; ``python -m benchmarks.retrieval whole`` runs the
100,000 x 100,000 to its end, where the default extrapolates its time from some of the queries: a query costs as much as
another, and memory does not grow with them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TARGET = 2.0
"""Times as fast as the sort of the whole matrix."""
PEAK_MB = 2000.0
WIDTH = 256
THREADS = 1
SIZE, LARGE, SAMPLE = 10_000, 100_000, 2_000
_CUTS = (1, 5, 10)


class Cost(NamedTuple):
    """Seconds, the process's peak of memory in MB (libraries and embeddings included), and the mean recall."""

    seconds: float
    peak_mb: float
    mean_recall: float


class Comparison(NamedTuple):
    """Both sides at a size that both can hold, and medbench at the large one, extrapolated unless ``whole``."""

    blocks: Cost
    matrix: Cost
    large: Cost
    whole: bool

    @property
    def ratio(self) -> float:
        return self.matrix.seconds / self.blocks.seconds

    @property
    def met(self) -> bool:
        return self.ratio >= TARGET and self.large.peak_mb <= PEAK_MB

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds and MB, ratio, target."""
        large = "run whole" if self.whole else f"time from {SAMPLE:,} queries each way"
        return [
            [f"sort of the whole matrix, {SIZE:,} x {SIZE:,}", _cell(self.matrix), "1.0", ""],
            [f"medbench, {SIZE:,} x {SIZE:,}", _cell(self.blocks), f"{self.ratio:.1f}", f"at least {TARGET:g}"],
            [f"medbench, {LARGE:,} x {LARGE:,} ({large})", _cell(self.large), "", f"at most {PEAK_MB:,.0f} MB"],
        ]


def compare(*, whole: bool = False) -> Comparison:
    """Measure. Raises `ValueError` where the two sides find different recalls."""
    blocks, matrix = _measured("blocks", SIZE, SIZE), _measured("matrix", SIZE, SIZE)
    if abs(blocks.mean_recall - matrix.mean_recall) > 2 / SIZE:  # two queries may differ by the last bit of a score
        raise ValueError("the two sides find different recalls: their time means nothing")
    return Comparison(blocks, matrix, _measured("blocks", LARGE, LARGE if whole else SAMPLE), whole)


def _cell(cost: Cost) -> str:
    return f"{cost.seconds:.1f} s, {cost.peak_mb:,.0f} MB"


def _measured(side: str, size: int, queries: int) -> Cost:
    """One side in a fresh process; the time is for all ``size`` queries, extrapolated from ``queries`` of them."""
    command = [sys.executable, "-m", "benchmarks.retrieval", side, str(size), str(queries)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout))


class _Found(NamedTuple):
    """The mean recall of exact pairs, and the seconds that it took."""

    mean_recall: float
    seconds: float


def _by_blocks(images: NDArray[np.float32], texts: NDArray[np.float32], queries: int) -> _Found:
    """What the protocol does: both readings, both ways."""
    from medbench_tasks.retrieval.ranking import Search, rank, untied
    from medbench_tasks.retrieval.relevance import Relevance

    own = Relevance(np.arange(queries + 1), np.arange(queries))
    recalls: list[float] = []
    start = time.perf_counter()
    for asking, asked in ((images, texts), (texts, images)):
        exact = untied(rank(asking[:queries], asked, own, Search()).before)
        recalls += [float(exact.hits(cut).mean()) for cut in _CUTS]
    return _Found(float(np.mean(recalls)), time.perf_counter() - start)


def _by_matrix(images: NDArray[np.float32], texts: NDArray[np.float32], queries: int) -> _Found:
    """The whole matrix, every row of it and of its transpose sorted, and the own place looked up.

    The transpose is laid out row by row outside the timing: the scripts fill a matrix of its own for either direction.
    """
    import torch

    start = time.perf_counter()
    scores = (torch.from_numpy(images) @ torch.from_numpy(texts).T).numpy()
    seconds = time.perf_counter() - start
    recalls: list[float] = []
    for matrix in (scores, np.ascontiguousarray(scores.T)):
        start = time.perf_counter()
        places = np.array([np.flatnonzero(np.argsort(matrix[own])[::-1] == own)[0] for own in range(queries)])
        recalls += [float((places < cut).mean()) for cut in _CUTS]
        seconds += time.perf_counter() - start
    return _Found(float(np.mean(recalls)), seconds)


def _run(side: str, size: int, queries: int) -> Cost:
    import torch

    torch.set_num_threads(THREADS)
    generator = np.random.default_rng(0)
    images, texts = (generator.standard_normal((size, WIDTH), np.float32) for _ in range(2))
    texts += 0.2 * images  # so that there is something to find
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    torch.from_numpy(images[:64]) @ torch.from_numpy(texts[:64]).T  # what the first product alone pays for
    found = (_by_blocks if side == "blocks" else _by_matrix)(images, texts, queries)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return Cost(found.seconds * size / queries, peak, found.mean_recall)


def _main(arguments: list[str]) -> None:
    if arguments == ["whole"]:
        for what, cost, ratio, target in compare(whole=True).rows:
            print(f"{what}: {cost} {ratio} {target}".rstrip())
        return
    side, size, queries = arguments
    print(json.dumps(_run(side, int(size), int(queries))._asdict()))


if __name__ == "__main__":
    _main(sys.argv[1:])
