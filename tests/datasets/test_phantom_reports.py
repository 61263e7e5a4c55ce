"""Phantom texts: what they say is what the drawing shows, and they say it in several ways."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.samples import Box, PhantomSize
from medbench_datasets import drawing, iu_xray_phantom, phantom_reports
from medbench_datasets.phantom_reports import AIR, OPACITY, Drawn

CASES = list(iu_xray_phantom.draw_cases(PhantomSize(images=120, side=48, seed=5)))


@pytest.mark.parametrize(
    ("box", "told"),
    [
        (Box(0, 10, 10, 20, 20), Drawn(OPACITY, "right", "upper", False)),
        (Box(0, 70, 40, 20, 20), Drawn(OPACITY, "left", "middle", False)),
        (Box(0, 70, 60, 20, 40), Drawn(OPACITY, "left", "lower", True)),
        (Box(0, 20, 60, 60, 20), Drawn(OPACITY, "both", "lower", True)),
    ],
)
def test_a_box_tells_side_zone_and_size(box: Box, told: Drawn) -> None:
    assert phantom_reports.locate(OPACITY, box, 100) == told


def test_a_lone_finding_is_drawn_in_the_lung_that_the_text_names() -> None:
    leaning: dict[tuple[str, str], list[float]] = {}
    for case in CASES:
        if len(case.drawn) == 1 and case.findings:
            (one,) = case.drawn
            assert f"of the {one.side} lung" in case.findings and one.what in case.findings
            frontal = case.views[0].astype(float)
            leaning.setdefault((one.what, one.side), []).append(frontal[:, :24].mean() - frontal[:, 24:].mean())
    means = {key: np.mean(values) for key, values in leaning.items()}
    assert means[OPACITY, "right"] > means[OPACITY, "left"] + 5
    assert means[AIR, "right"] < means[AIR, "left"] - 5


def test_normal_reports_repeat_and_others_vary() -> None:
    normal = [case.findings for case in CASES if not case.drawn and case.findings]
    others = [case.findings for case in CASES if case.drawn and case.findings]
    assert 1 < len(set(normal)) < len(normal)
    assert len(set(others)) > 0.6 * len(others)


def test_a_text_never_denies_what_it_tells() -> None:
    rng = np.random.default_rng(0)
    for what in (OPACITY, AIR, "cardiomegaly"):
        text = phantom_reports.findings_text([Drawn(what, "both", "lower", True)], rng)
        assert f"No {what}" not in text
        assert ("No opacity." in text) is (what == AIR)
        assert "normal in size" not in text or "cardio" not in what


def test_a_zone_of_a_lung_holds_its_rows_alone_and_the_whole_lung_where_it_is_empty() -> None:
    lung = drawing.draw_thorax(50, np.random.default_rng(0)).left_lung
    upper = phantom_reports.zone_of(lung, "upper")
    assert upper.any()
    assert not upper[21:].any()
    assert (upper[:21] == lung[:21]).all()
    low = lung.copy()
    low[:40] = False
    low[45] = True
    assert (phantom_reports.zone_of(low, "upper") == low).all()
