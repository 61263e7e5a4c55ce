"""The room that pixels would take is told from a few headers, without decoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.pixels import estimate
from medbench.pixels.decoding import Wanted
from medbench.samples import Region
from tests.core.pixel_toys import study


def test_the_estimate_is_the_size_of_what_is_then_kept(tmp_path: Path) -> None:
    toy = study(tmp_path)
    wanted = [Wanted(f"{name}", (None,)) for name in ("a.png", "b.png")]
    found = estimate.estimate(toy.root, wanted, colour=True)
    assert (found.pictures, found.bytes_at(0)) == (2, (20 + 21) * 31 * 3)
    assert found.bytes_at(10) == (10 * 16 + 10 * 15) * 3
    regions = estimate.estimate(toy.root, [Wanted("b.png", (Region(2, 3, 10, 7),))], colour=False)
    assert regions.bytes_at(0) == 70
    assert estimate.estimate(toy.root, [Wanted("gone.png", (None,))], colour=False).bytes_at(0) == 0


def test_of_a_large_dataset_files_are_drawn_by_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    by_turns = [(10, 10), (100, 100)]
    monkeypatch.setattr(estimate, "header_size", lambda path: looked.append(path.name) or by_turns[int(path.name) % 2])
    wanted = [Wanted(f"{number:04}", (None,)) for number in range(1000)]
    found = estimate.estimate(tmp_path, wanted, colour=False)
    assert len(set(looked)) == 300
    assert found == estimate.estimate(tmp_path, wanted, colour=False)
    assert found.bytes_at(0) == pytest.approx(500 * 10_100, rel=0.1), "also where the files' order is regular"


def test_a_smaller_side_is_offered_where_it_would_help() -> None:
    found = estimate.Estimate(1000, ((2048, 2048),), colour=False)
    assert "--side 1024 would take about 1,000.0 MiB" in estimate.say_declined("mimic", found, 0)
    assert "--side 512 would take about 250.0 MiB" in estimate.say_declined("mimic", found, 1024)
