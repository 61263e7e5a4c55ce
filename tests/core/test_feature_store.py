"""Features on disk: rows by the hash of their id, in segments of a size that suits their number."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medbench import filling
from medbench.asked import AskedTexts
from medbench.errors import StoreError, TrialError
from medbench.feature_store import FeatureStore
from medbench.filling import Sink


def hashes(ids):
    return AskedTexts(ids).hashes()


@pytest.fixture
def store(tmp_path):
    opened = FeatureStore(tmp_path / "one", {"name": "maps"})
    with opened.locked():
        yield opened


def test_rows_of_several_shapes_are_kept_over_several_segments(store, tmp_path):
    maps = np.random.default_rng(0).normal(size=(5, 2, 4, 4)).astype(np.float32)
    store.append(["a", "b", "c"], hashes("abc"), maps[:3])
    store.append(["d", "e"], hashes("de"), maps[3:])
    np.testing.assert_array_equal(store.gather(hashes("ecae")), maps[[4, 2, 0, 4]])
    mapped = store.mapped(hashes("ed"))
    assert len(mapped.segments) == 1  # the one that is not asked for is not opened
    np.testing.assert_array_equal(mapped.take(range(2)), maps[[4, 3]])
    assert store.lacks(hashes("abxde")).tolist() == [False, False, True, False, False]


def test_what_nobody_wrote_is_not_given(store):
    with pytest.raises(StoreError, match="lacks rows"):
        store.gather(hashes("a"))
    store.append(["a"], hashes("a"), np.ones((1, 2), np.float32))
    with pytest.raises(StoreError, match="lacks rows"):
        store.mapped(hashes("ab"))


def test_nothing_asked_gives_nothing(store):
    assert store.gather(hashes([])).shape == (0, 0)
    assert (len(store.mapped(hashes([]))), store.mapped(hashes([])).row_shape) == (0, ())


def test_a_segment_names_its_ids_in_full(store):
    store.append(["one", "zwei"], hashes(["one", "zwei"]), np.ones((2, 1), np.float32))
    from safetensors.numpy import load_file

    (path,) = store.folder.glob("*.safetensors")
    assert json.loads(load_file(path)["ids"].tobytes()) == ["one", "zwei"]


def test_a_lock_that_another_holds_is_not_waited_for(store):
    other = FeatureStore(store.folder, {})
    with other.locked_if_free() as ours:
        assert not ours
    free = FeatureStore(store.folder.with_name("two"), {})
    with free.locked_if_free() as ours:
        assert ours


class Kept:
    def __init__(self):
        self.sizes = []

    def append(self, ids, hashes, rows):
        assert len(ids) == len(hashes) == len(rows)
        self.sizes.append(len(ids))


def send(total, count, *, width=1, step=16):
    kept = Kept()
    sink = Sink(kept, total, "toy")
    for start in range(0, count, step):
        ids = [str(one) for one in range(start, min(start + step, count))]
        sink.take(ids, hashes(ids), np.ones((len(ids), width), np.float32))
    sink.flush()
    return kept.sizes


def test_segments_grow_with_the_number_of_rows_and_shrink_with_their_size(monkeypatch):
    assert send(700, 700) == [256, 256, 188]
    assert send(1_000_000, 8_000) == [3920, 3920, 160]  # 3,906 in batches of 16
    assert max(send(10**9, 20_000)) == 16_384
    monkeypatch.setattr(filling, "_BYTES", 64 * 100 * 4)
    assert send(700, 200, width=100) == [64, 64, 64, 8]


def test_a_slow_encoder_writes_once_a_minute(monkeypatch):
    clock = iter(range(0, 100_000, 10))
    monkeypatch.setattr(filling.time, "monotonic", lambda: next(clock))
    assert max(send(1_000_000, 2_000)) < 600


def test_an_answer_that_is_not_finite_is_named(tmp_path):
    sink = Sink(Kept(), 2, "toy@plain")
    rows = np.array([[1.0], [np.nan]], np.float32)
    with pytest.raises(TrialError, match=r"toy@plain gives features that are not finite \(first: b\)"):
        sink.take(["a", "b"], hashes("ab"), rows)
