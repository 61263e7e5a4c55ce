"""METEOR through its jar: corpus scores of any weighting as the jar aggregates them, odd texts, and a machine without Java."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from medbench.errors import TrialError, UsageError
from medbench_tasks.texts import meteor
from medbench_tasks.texts.measures import TextMeasures
from medbench_tasks.texts.meteor import MeteorStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCES = [
    ["the heart is normal in size ."],
    ["no acute cardiopulmonary process"],
    ["small left pleural effusion", "a small effusion on the left"],
    ["the lungs are clear"],
    [""],
    ["lungs clear\n|||  no effusion"],
    ["lungs clear no effusion"],
]
HYPOTHESES = [
    "heart size is normal .",
    "no acute cardiopulmonary process",
    "small effusion",
    "",
    "clear",
    "|||\r\n lungs ||| clear",
    "lungs clear",
]
DRAWS = [[0, 1, 2, 3, 4, 5, 6], [0, 0, 2, 5, 5, 3, 3], [1, 1, 1, 2, 2, 4, 6]]
TOLD = (0.3159277450035582, 0.25736997336579087, 0.44921481030424687)
"""What the jar's ``EVAL`` said of the draws (OpenJDK 17)."""


@pytest.fixture(scope="module")
def statistics() -> MeteorStatistics:
    """One run of the jar: its start takes seconds."""
    if reason := meteor.missing():
        pytest.skip(reason)
    return MeteorStatistics.of(REFERENCES, HYPOTHESES)


def test_a_corpus_scores_as_the_jar_scored_it(statistics: MeteorStatistics) -> None:
    assert statistics.scores(_weights()).tolist() == pytest.approx(TOLD, abs=1e-12)


@pytest.mark.slow
def test_a_corpus_scores_as_the_jar_scores_it(statistics: MeteorStatistics) -> None:
    counts = statistics.counts.copy()
    counts[1, 20] = 1  # the whole match: the jar tells its chunk of the sample and leaves it out of the sum
    lines = [f"EVAL ||| {' ||| '.join(' '.join(map(str, counts[row])) for row in draw)}" for draw in DRAWS]
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(meteor._command(), input=text, capture_output=True, text=True, timeout=300, check=True)
    told = [float(line) for line in done.stdout.split()]
    np.testing.assert_allclose(statistics.scores(np.eye(7)), told[:7], rtol=0, atol=1e-12)
    np.testing.assert_allclose(statistics.scores(_weights()), told[7::8], rtol=0, atol=1e-12)


def test_a_whole_match_scores_one_and_an_empty_text_none(statistics: MeteorStatistics) -> None:
    scores = statistics.scores(np.eye(7))
    assert scores[1] == pytest.approx(1)
    assert scores[3] == scores[4] == 0
    assert 0 < scores[0] < 1


def test_line_breaks_and_the_jars_own_separator_are_read_as_blanks(statistics: MeteorStatistics) -> None:
    np.testing.assert_array_equal(statistics.counts[5], statistics.counts[6])


def test_it_stands_among_the_measures_where_its_statistics_are_given(statistics: MeteorStatistics) -> None:
    measures = TextMeasures.of(REFERENCES, HYPOTHESES, statistics)
    assert "meteor" not in TextMeasures.of(REFERENCES, HYPOTHESES).values()
    assert measures.values()["meteor"] == pytest.approx(TOLD[0])


def test_no_samples_need_no_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor, "missing", lambda: "")
    assert np.isnan(TextMeasures.of([], [], MeteorStatistics.of([], [])).values()["meteor"])


def test_without_java_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor, "_java", lambda: None)
    assert "medbench[meteor]" in meteor.missing()
    with pytest.raises(UsageError, match=r"medbench\[meteor\]"):
        MeteorStatistics.of([["clear"]], ["clear"])


def test_without_the_jar_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor, "_jar", lambda: None)
    assert "pycocoevalcap" in meteor.missing()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; sys.exit('Could not reserve enough space')", "Could not reserve enough space"),
        ("import time; time.sleep(60)", "did not end"),
    ],
)
def test_a_jar_that_fails_or_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    monkeypatch.setattr(meteor, "_command", lambda: [sys.executable, "-c", script])
    monkeypatch.setattr(meteor, "_SECONDS", 2.0)
    with pytest.raises(TrialError, match=message):
        meteor.ask(["SCORE ||| clear ||| clear"])


def _weights() -> NDArray[np.int64]:
    return np.stack([np.bincount(draw, minlength=7) for draw in DRAWS])
