"""Frames are made once and shared: by parts, by trials, by processes; what is damaged, gone or not writable costs time only."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medbench import frame_store
from medbench import segments as segments_module
from medbench.errors import StoreError
from medbench.frame_store import kept_frames

KEY = {"dataset": "toy", "frame": {"squashed": 4}}


class Maker:
    """Makes a picture of each id, grey or in colour and of its own shape, and remembers which were asked."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, ids: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
        for one in ids:
            self.made.append(one)
            yield picture(one)


def picture(one: str) -> NDArray[np.uint8]:
    numbers = np.random.default_rng(int(one))
    shape = (int(one) % 5 + 1, int(one) % 7 + 1) + ((3,) if int(one) % 3 == 0 else ())
    return numbers.integers(0, 256, shape, dtype=np.uint8)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


@given(
    parts=st.lists(st.lists(st.integers(0, 30).map(str), max_size=12), min_size=1, max_size=4),
    size=st.sampled_from([1, 40, 10_000]),
)
@settings(max_examples=15, deadline=None)
def test_each_picture_is_made_once_whatever_is_asked_when(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[str]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    make = Maker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_store, "SEGMENT_BYTES", size)
        for part in parts:
            frames = kept_frames([folder], KEY, part, make)
            assert len(frames) == len(part)
            for index, one in enumerate(part):
                np.testing.assert_array_equal(frames[index], picture(one))
    assert sorted(make.made) == sorted({one for part in parts for one in part})


def test_another_key_has_other_frames(tmp_path: Path) -> None:
    make = Maker()
    kept_frames([tmp_path], KEY, ["1"], make)
    kept_frames([tmp_path], KEY | {"dataset": "other"}, ["1"], make)
    assert make.made == ["1", "1"]


def test_a_copy_is_given_and_frames_can_be_sent_to_another_process(tmp_path: Path) -> None:
    frames = kept_frames([tmp_path], KEY, ["4", "3"], Maker())
    frames[0][:] = 0
    np.testing.assert_array_equal(frames[0], picture("4"))
    sent = pickle.dumps(frames)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent)[1], picture("3"))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "junk"])
def test_a_damaged_segment_alone_is_made_again(tmp_path: Path, damage: str) -> None:
    kept_frames([tmp_path], KEY, ["1", "2"], Maker())
    kept_frames([tmp_path], KEY, ["1", "2", "3", "4"], Maker())
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes({"flip": bytes(data), "cut": data[:-3], "empty": b"", "junk": b"\xff" * 80}[damage])
    make = Maker()
    frames = kept_frames([tmp_path], KEY, ["4", "2", "1", "3"], make)
    assert make.made == ["2", "1"]
    assert all((frames[index] == picture(one)).all() for index, one in enumerate("4213"))
    untouched = Maker()
    kept_frames([tmp_path], KEY, ["1", "2", "3", "4"], untouched)
    assert untouched.made == []


def test_a_kill_keeps_what_was_written_and_clears_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_store, "SEGMENT_BYTES", 1)

    def killed(ids: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
        yield picture(ids[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_frames([tmp_path], KEY, ["1", "2"], killed)
    half = segments(tmp_path)[0].parent / ".partial-000002-x.safetensors"
    half.write_bytes(b"half")
    make = Maker()
    kept_frames([tmp_path], KEY, ["1", "2"], make)
    assert make.made == ["2"]
    assert not half.exists()


def test_threads_that_ask_at_once_share_one_making(tmp_path: Path) -> None:
    make = Maker()
    ids = [str(one) for one in range(40)]
    found: list[bool] = []

    def ask() -> None:
        frames = kept_frames([tmp_path], KEY, ids, make)
        found.append(all((frames[index] == picture(one)).all() for index, one in enumerate(ids)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [True] * 4
    assert sorted(make.made) == sorted(ids)


def test_what_is_removed_while_it_is_in_use_can_still_be_read(tmp_path: Path) -> None:
    frames = kept_frames([tmp_path], KEY, ["1"], Maker())
    for path in segments(tmp_path):
        path.unlink()
    np.testing.assert_array_equal(frames[0], picture("1"))


def test_a_cache_that_cannot_be_made_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    make = Maker()
    frames = kept_frames([tmp_path / "cache", tmp_path / "work"], KEY, ["1", "2"], make)
    assert [frames[index].tolist() for index in range(2)] == [picture("1").tolist(), picture("2").tolist()]
    assert segments(tmp_path / "work")
    with pytest.raises(StoreError, match="cannot lock"):
        kept_frames([tmp_path / "cache"], KEY, ["1"], make)


def test_a_cache_that_takes_no_more_is_left_for_the_next_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_frames([tmp_path / "cache"], KEY, ["1"], Maker())
    write = segments_module.write_atomically

    def full(path: Path, fill: object) -> None:
        if path.is_relative_to(tmp_path / "cache"):
            raise StoreError(f"cannot write {path}: No space left on device")
        write(path, fill)  # type: ignore[arg-type]

    monkeypatch.setattr(segments_module, "write_atomically", full)
    frames = kept_frames([tmp_path / "cache", tmp_path / "work"], KEY, ["1", "2"], Maker())
    np.testing.assert_array_equal(frames[1], picture("2"))
    monkeypatch.undo()
    assert len(segments(tmp_path / "cache")) == 1


def test_a_read_only_cache_that_holds_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_frames([tmp_path / "cache"], KEY, ["1", "2"], Maker())

    def refused(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(segments_module, "FileLock", refused)
    make = Maker()
    frames = kept_frames([tmp_path / "cache", tmp_path / "work"], KEY, ["2"], make)
    np.testing.assert_array_equal(frames[0], picture("2"))
    assert make.made == []
    assert not (tmp_path / "work").exists()


def test_segments_hold_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_store, "SEGMENT_BYTES", 1)
    ids = [str(one) for one in range(30)]
    kept_frames([tmp_path], KEY, ids[:1], Maker())
    before = len([*Path("/proc/self/fd").iterdir()])
    frames = kept_frames([tmp_path], KEY, ids, Maker())
    assert len(segments(tmp_path)) == 30
    assert len([*Path("/proc/self/fd").iterdir()]) <= before
    assert len(frames) == 30


def test_the_error_of_a_picture_comes_through(tmp_path: Path) -> None:
    def broken(ids: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
        raise ValueError(ids[0])
        yield

    with pytest.raises(ValueError, match="1"):
        kept_frames([tmp_path / "cache", tmp_path / "work"], KEY, ["1"], broken)
    kept_frames([tmp_path / "cache"], KEY, ["1"], Maker())


def test_a_maker_that_stops_early_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="0 pictures were made of 2"):
        kept_frames([tmp_path], KEY, ["1", "2"], lambda ids: iter(()))


def test_a_read_that_fails_for_a_moment_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_frames([tmp_path / "cache"], KEY, ["1"], Maker())
    whole = Path.open

    def failing(self: Path, *args: object, **how: object) -> object:
        if self.is_relative_to(tmp_path / "cache") and self.suffix == ".safetensors":
            raise OSError(116, "Stale file handle")
        return whole(self, *args, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", failing)
    make = Maker()
    kept_frames([tmp_path / "cache", tmp_path / "work"], KEY, ["1"], make)
    assert make.made == ["1"]
    monkeypatch.undo()
    kept_frames([tmp_path / "cache"], KEY, ["1"], make)
    assert make.made == ["1"]


def test_looking_without_the_lock_leaves_half_written_and_foreign_files(tmp_path: Path) -> None:
    kept_frames([tmp_path], KEY, ["1", "2"], Maker())
    (path,) = segments(tmp_path)
    half = path.with_name(".partial-000002-x.safetensors")
    half.write_bytes(b"half")
    path.with_name(f"x-{path.name}").write_bytes(path.read_bytes())
    make = Maker()
    kept_frames([tmp_path], KEY, ["1"], make)
    assert half.exists()
    kept_frames([tmp_path], KEY, ["3"], make)
    assert make.made == ["3"]


def test_a_segment_is_checked_once_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_frames([tmp_path], KEY, ["1", "2"], Maker())
    kept_frames([tmp_path], KEY, ["1"], Maker())
    monkeypatch.setattr(segments_module, "_told_digest", lambda path: "another")
    make = Maker()
    kept_frames([tmp_path], KEY, ["2"], make)
    assert make.made == []
