"""A folder of segments: what is sound is never removed, what is strange never read, what cannot be had costs time only."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from medbench import segments
from medbench.errors import StoreError
from medbench.feature_store import entries
from medbench.needs import image_need
from tests.core.feature_toys import Brightness, draw, features


def kept(folder):
    return sorted((folder / "features").glob("*/0*.safetensors"))


@pytest.fixture
def written(tmp_path):
    """A manifest of six, of which three are in the cache."""
    manifest = draw(tmp_path, 6)
    features(Brightness(), tmp_path).encode(manifest.take(range(3)))
    return manifest


def aside(model, folder):
    """Features with a folder for what the cache does not take."""
    found = features(model, folder)
    found.fallback = folder / "work"
    return found


@pytest.fixture
def refused(monkeypatch):
    """No file of the cache can be locked, as on a read-only file system."""

    class Lock(segments.FileLock):
        def acquire(self, *args, **how):
            if "work" not in Path(self.lock_file).parts:
                raise OSError(errno.EROFS, "Read-only file system")
            return super().acquire(*args, **how)

    monkeypatch.setattr(segments, "FileLock", Lock)


def test_a_read_only_cache_that_holds_everything_is_read(tmp_path, written, refused):
    assert features(None, tmp_path).encode(written.take([2, 0])).shape == (2, 2)


def test_what_a_read_only_cache_lacks_is_kept_beside_it(tmp_path, written, refused):
    model = Brightness()
    rows = aside(model, tmp_path).encode(written)
    np.testing.assert_allclose(rows[:, 0], np.arange(6) / 255, rtol=1e-6)
    assert model.seen == 3
    warm = aside(None, tmp_path)
    np.testing.assert_array_equal(warm.answer_mapped(image_need(written)).take(range(6)), rows)
    assert aside(Brightness(), tmp_path).texts(["a", "bb"])[:, 0].tolist() == [1, 2]
    assert len(kept(tmp_path)) == 1
    with pytest.raises(StoreError, match=r"cannot lock .*Read-only"):
        features(Brightness(), tmp_path).encode(written)
    with pytest.raises(StoreError, match="cannot remove"):
        entries(tmp_path / "features")[0].remove()


def test_what_a_full_cache_does_not_take_is_kept_beside_it(tmp_path, written, monkeypatch):
    write = segments.write_atomically

    def full(path, fill):
        if "work" not in path.parts:
            raise StoreError(f"cannot write {path}: No space left on device")
        write(path, fill)

    monkeypatch.setattr(segments, "write_atomically", full)
    source = aside(Brightness(), tmp_path)
    assert source.encode(written).shape == (6, 2)
    assert any("beside the cache: cannot write" in name for name in source.progress.names)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_read_that_fails_for_a_moment_removes_nothing(tmp_path, written, monkeypatch, code):
    whole = Path.open

    def failing(self, *args, **how):
        if self.name.startswith("000001") and "work" not in self.parts:
            raise OSError(code, "for a moment")
        return whole(self, *args, **how)

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(StoreError, match=r"cannot read .* for a moment"):
        features(Brightness(), tmp_path).encode(written.take(range(3)))
    model = Brightness()
    assert aside(model, tmp_path).encode(written.take(range(3))).shape == (3, 2)
    monkeypatch.undo()
    assert len(kept(tmp_path)) == 1
    assert features(None, tmp_path).encode(written.take(range(3))).shape == (3, 2)


def test_what_cannot_be_read_back_ends_in_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_told_digest", lambda path: "another")
    model = Brightness()
    with pytest.raises(StoreError, match="cannot be read back"):
        features(model, tmp_path).encode(draw(tmp_path, 2))
    assert model.seen == 4  # twice, and no more


def test_files_of_other_names_are_not_segments(tmp_path, written):
    (path,) = kept(tmp_path)
    for name in (f"copy of {path.name}", f"1a-{path.name}", f"{path.stem} (2).safetensors", f".partial-{path.name}"):
        (path.with_name(name)).write_bytes(path.read_bytes())
    features(Brightness(), tmp_path).encode(written)
    assert len(list(path.parent.glob("*.safetensors"))) == 5  # the half-written one is cleared, one is new
    assert [one.rows for one in entries(tmp_path / "features")] == [6]


def test_many_segments_hold_no_file_open(tmp_path, written):
    features(Brightness(), tmp_path).encode(written)
    source = features(None, tmp_path)
    before = len([*Path("/proc/self/fd").iterdir()])
    found = source.answer_mapped(image_need(written))
    assert len(found.segments) == 2
    assert len([*Path("/proc/self/fd").iterdir()]) <= before


def test_what_is_whole_is_read_again_once_it_changes(tmp_path, written, monkeypatch):
    (path,) = kept(tmp_path)
    segments.check_whole(path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *args: pytest.fail("read again"))
        segments.check_whole(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="another content"):
        segments.check_whole(path)


def test_a_key_that_is_no_table_is_an_entry_without_one(tmp_path, written):
    (path,) = kept(tmp_path)
    path.with_name("entry.json").write_text(json.dumps([1]))
    assert [one.key for one in entries(tmp_path / "features")] == [{}]
