"""Everything in the cache is listed and cleared alike: features, frames and pixels."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from medbench import cache_entries as listing
from medbench.cache_entries import CacheEntry, cache_entries
from medbench.cli.cache import cache_command
from medbench.frame_store import FORMAT, kept_frames
from medbench.segments import Segments


def keep(cache: Path, dataset: str = "toy", *, age: float = 0, **key: Any) -> Path:
    """Four frames of ``dataset``, last used ``age`` days ago."""
    known = {"format": FORMAT, "dataset": dataset, "manifest": "m", "name": "squashed 8"} | key
    kept_frames([cache / "frames"], known, list("abcd"), lambda ids: (np.zeros((8, 8), np.uint8) for _ in ids))
    entry = max((cache / "frames").glob("*/entry.json"), key=lambda path: path.stat().st_mtime_ns)
    os.utime(entry, (time.time() - age * 86_400,) * 2)
    return entry.parent


@pytest.fixture
def medbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """``medbench cache`` over ``tmp_path/cache``; gives what it prints."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(cache_command, [*arguments, "--cache", str(tmp_path / "cache")])
        assert result.exit_code == code, result.output or result.exception
        return result.output + str(result.exception or "")

    return call


def test_frames_are_listed_with_what_they_are_of(tmp_path: Path, medbench: Callable[..., str]) -> None:
    folder = keep(tmp_path / "cache")
    (entry,) = cache_entries(tmp_path / "cache")
    assert (entry.kind, entry.dataset, entry.name, entry.method, entry.rows) == ("frames", "toy", "squashed 8", "-", 4)
    assert entry.size == sum(path.stat().st_size for path in folder.glob("*.safetensors")) > 4 * 64
    (told,) = json.loads(medbench("ls", "--json"))
    assert (told["kind"], told["dataset"], told["rows"], told["bytes"]) == ("frames", "toy", 4, entry.size)
    assert "squashed 8" in medbench("ls")


def test_an_empty_cache_has_nothing(tmp_path: Path) -> None:
    assert cache_entries(tmp_path / "nowhere") == []


def test_what_cannot_be_read_or_is_of_another_format_is_collected(tmp_path: Path, medbench: Callable[..., str]) -> None:
    keep(tmp_path / "cache")
    old = keep(tmp_path / "cache", format=FORMAT - 1)
    damaged = keep(tmp_path / "cache", name="squashed 9")
    (damaged / "entry.json").write_text("{")
    assert "2 of 3 entries" in medbench("gc", "--dry-run")
    assert old.is_dir()
    assert "2 of 3 entries" in medbench("gc")
    assert not old.exists()
    assert not damaged.exists()
    assert "0 of 1 entries" in medbench("gc")


def test_frames_go_by_dataset_age_size_and_kind(tmp_path: Path, medbench: Callable[..., str]) -> None:
    cache = tmp_path / "cache"
    keep(cache, "one", age=30)
    keep(cache, "two", age=20)
    keep(cache, "three", age=0)
    assert "0 of 0 entries" in medbench("gc", "--kind", "features", "--all")
    assert "frames - two" in medbench("gc", "--dataset", "two", "--dry-run")
    assert "nothing of that name is kept" in medbench("gc", "--method", "mgca", code=1)
    assert "1 of 3 entries" in medbench("gc", "--older-than", "25")
    size = cache_entries(cache)[0].size
    left = medbench("gc", "--max-gb", f"{1.5 * size / 1e9:.9f}")
    assert "1 of 2 entries" in left
    assert "frames - two" in left
    assert "1 of 1 entries" in medbench("gc", "--all")
    assert cache_entries(cache) == []


def test_pixels_are_listed_and_removed_through_their_own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medbench import pixels

    removed: list[Path] = []
    kept = [
        pixels.KeptStore(tmp_path / "toy-1234-full", "toy", 5_000_000, 7.0),
        pixels.KeptStore(tmp_path / "odd-1234-64", "", 10, 9.0),
    ]
    monkeypatch.setattr(pixels, "stores", lambda cache: kept)
    monkeypatch.setattr(pixels, "remove", removed.append)
    odd, toy = listing.cache_entries(tmp_path)
    assert (toy.kind, toy.dataset, toy.name, toy.rows, toy.is_readable) == ("pixels", "toy", "full", None, True)
    assert (odd.name, odd.is_readable) == ("damaged", False)
    toy.remove()
    assert removed == [toy.folder]


def test_an_entry_of_features_is_named_by_its_method(tmp_path: Path) -> None:
    key = {"name": "image", "dataset": "toy", "model": {"method": "mgca", "variant": "resnet50"}}
    entry = CacheEntry("features", tmp_path, key, 3, 10, 1.0, lambda: None)
    assert entry.method == "mgca@resnet50"
    assert entry.as_dict() == key | {"kind": "features", "rows": 3, "bytes": 10, "used": 1.0}


def test_an_entry_in_use_is_passed_over_with_a_line(tmp_path: Path, medbench: Callable[..., str]) -> None:
    folder = keep(tmp_path / "cache")
    with Segments(folder, {}, lambda path: None).locked():
        told = medbench("gc", "--all")
    assert f"left: {folder} is in use" in told
    assert "0 of 1 entries" in told
    assert folder.is_dir()
