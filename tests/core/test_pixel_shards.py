"""A shard gives back what was put in, and whatever happens to its bytes it never gives anything else."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from medbench.manifest import ImageFacts, Picture
from medbench.pixels import sources
from medbench.pixels.decoding import Decoded, Wanted
from medbench.pixels.keeper import Keeper
from medbench.pixels.kept_facts import KeptFacts
from medbench.pixels.places import FORMAT, State
from medbench.pixels.reducing import reduced, reduced_size
from medbench.pixels.shards import ALIGN, read_parts
from medbench.pixels.sources import Stamp
from medbench.pixels.store import KeptPixels, verify
from medbench.samples import Region

_GREY = st.tuples(st.integers(1, 9), st.integers(1, 9))
_SHAPES = st.one_of(_GREY, _GREY.map(lambda shape: (*shape, 3)))
_PICTURES = st.dictionaries(
    st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=8),
    _SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)),
    min_size=1,
    max_size=6,
)
_OF = State(FORMAT, "drawn", 0, False)

Kept = dict[str, NDArray[np.uint8]]


def source_of(name: str) -> bytes:
    return hashlib.sha256(repr(name).encode()).digest()


def keep(folder: Path, pictures: Kept, shard_bytes: int = 1 << 20) -> None:
    """Fill and finish a folder, with a shard for every ``shard_bytes``."""
    keeper = Keeper(folder, _OF)
    listed = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("medbench.pixels.shards.SHARD_BYTES", shard_bytes)
        patched.setattr("os.fsync", lambda file: None)  # what takes the time here is not what is tested
        for name, pixels in pictures.items():
            facts = ImageFacts(pixels.shape[0], pixels.shape[1], source_of(name).hex(), pixels="00" * 32)
            decoded = Decoded(facts, Stamp(1, 2), ((None, pixels),))
            keeper.add(Wanted(name, (None,)), decoded)
            listed.append((name, Stamp(1, 2), facts.sha256))
        keeper.flush()
        keeper.finish(sources.build(listed), manifest="m")
    assert keeper.error is None


def read(folder: Path, pictures: Kept) -> dict[str, NDArray[np.uint8] | None]:
    kept = KeptPixels(folder)
    return {name: kept.get(Picture(name), source_of(name)) for name in pictures}


@settings(max_examples=15, deadline=None)
@given(pictures=_PICTURES, shard_bytes=st.sampled_from([1, 100, 1 << 20]))
def test_pictures_come_back_as_they_were(pictures: Kept, shard_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "x-full"
        keep(folder, pictures, shard_bytes)
        for key, pixels in read(folder, pictures).items():
            assert pixels is not None
            assert pixels.shape == pictures[key].shape
            assert (pixels == pictures[key]).all()
        assert sum(len(part.table) for part in read_parts(folder)) == len(pictures)
        assert all(offset % ALIGN == 0 for part in read_parts(folder) for offset in part.table["offset"].to_pylist())
        assert all(one.sound for one in verify(folder))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Kept]:
    """A folder of two shards that tests spoil and mend again, and what is in it."""
    folder = tmp_path_factory.mktemp("pixels") / "x-full"
    pictures = {name: np.full((3, 4 + number, 3), 40 * number, np.uint8) for number, name in enumerate("abcd")}
    keep(folder, pictures, shard_bytes=100)
    return folder, pictures


@settings(max_examples=80, deadline=None)
@given(data=st.data(), cut=st.booleans())
def test_a_file_cut_or_spoilt_anywhere_never_gives_other_pixels(
    whole: tuple[Path, Kept], data: st.DataObject, cut: bool
) -> None:
    folder, pictures = whole
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    before = path.read_bytes()
    content = bytearray(before)
    place = data.draw(st.integers(0, len(content) - 1))
    if cut:
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        for key, pixels in read(folder, pictures).items():
            assert pixels is None or (pixels.shape == pictures[key].shape and (pixels == pictures[key]).all())
        assert all(part.table.num_rows for part in read_parts(folder))
        KeptFacts(folder)  # nor does a second pass fall over it
    finally:
        path.write_bytes(before)
    assert all(pixels is not None for pixels in read(folder, pictures).values())


def test_a_damaged_picture_is_counted_and_the_rest_stays(tmp_path: Path) -> None:
    pictures = {name: np.full((4, 5), number, np.uint8) for number, name in enumerate("abc")}
    keep(tmp_path / "x-full", pictures)
    path = tmp_path / "x-full" / "000000.bin"
    content = bytearray(path.read_bytes())
    content[ALIGN + 3] ^= 1
    path.write_bytes(content)
    kept = KeptPixels(tmp_path / "x-full")
    found = [kept.get(Picture(name), source_of(name)) for name in ("a", "b", "b", "c")]
    assert [one is None for one in found] == [False, True, True, False]
    assert kept.damaged == 1
    assert [one.path for one in verify(tmp_path / "x-full") if not one.sound] == ["b"]


def test_pixels_of_another_source_or_name_are_not_given(tmp_path: Path) -> None:
    keep(tmp_path / "x-full", {"a": np.ones((4, 5), np.uint8)})
    assert KeptPixels(tmp_path / "x-full").get(Picture("a"), source_of("z")) is None
    assert KeptPixels(tmp_path / "x-full").get(Picture("z"), source_of("a")) is None
    assert KeptPixels(tmp_path / "x-full").get(Picture("a", Region(0, 0, 5, 4)), source_of("a")) is None


@pytest.mark.parametrize("name", ["index-*.raw", "store.json"])
def test_a_folder_without_its_index_holds_nothing(tmp_path: Path, name: str) -> None:
    keep(tmp_path / "x-full", {"a": np.ones((4, 5), np.uint8)})
    assert len(KeptPixels(tmp_path / "x-full")) == 1
    next((tmp_path / "x-full").glob(name)).unlink()
    assert len(KeptPixels(tmp_path / "x-full")) == 0


def test_what_a_killed_process_left_is_cleared_and_the_rest_counts(tmp_path: Path) -> None:
    folder = tmp_path / "x-full"
    pictures = {"a": np.ones((4, 5), np.uint8), "b": np.zeros((4, 5), np.uint8)}
    keep(folder, pictures, shard_bytes=1)
    (folder / "000009.bin").write_bytes(b"half a shard")
    (folder / ".partial-000009-x.parquet").write_bytes(b"half an index")
    keep(folder, {"c": np.ones((2, 2), np.uint8)})
    assert sorted(path.name for path in folder.glob("*.bin")) == ["000002.bin"], "shards of no present file are dropped"
    assert not list(folder.glob(".partial*"))


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), side=st.integers(1, 2000))
def test_the_shorter_side_is_the_one_asked_for_and_the_aspect_stays(height: int, width: int, side: int) -> None:
    found = reduced_size(height, width, side)
    if min(height, width) <= side:
        assert found == (height, width)
    else:
        assert min(found) == side
        assert abs(found[0] * width - found[1] * height) <= max(height, width) / 2 + 1
    assert reduced_size(*found, side) == found
    assert reduced_size(height, width, 0) == (height, width)


def test_a_picture_is_reduced_by_the_mean_over_areas() -> None:
    pixels = np.array([[0, 100, 10, 30], [0, 100, 10, 30]], np.uint8)
    assert reduced(pixels, 1).tolist() == [[50, 20]]
    assert reduced(pixels, 2) is pixels
    assert reduced(np.repeat(pixels[:, :, None], 3, 2), 1).shape == (1, 2, 3)
