"""Whatever happens to raw files, kept pixels or the disk, no wrong pixel is read, and what is kept is kept or made again."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medbench import pixels
from medbench.cache_entries import cache_entries
from medbench.cli import data
from medbench.cli.cache import _is_outdated
from medbench.errors import MissingDataError, StoreError
from medbench.images import read_grey
from medbench.manifest import Manifest, Picture
from medbench.pixels import store
from medbench.pixels.decoding import Wanted, decode
from medbench.pixels.keeping import lacks_pixels
from medbench.pixels.remarks import remarks_on
from medbench.pixels.shards import ShardWriter
from medbench.registry import Registry
from medbench.samples import Problem, Sample
from tests.core.pixel_toys import Said, Toy, draw


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard for every picture."""
    monkeypatch.setattr("medbench.pixels.shards.SHARD_BYTES", 1)


def folder_of(toy: Toy, side: str = "full") -> Path:
    return next((toy.cache / "pixels").glob(f"*-{side}"))


def shards(toy: Toy, side: str = "full") -> list[str]:
    return sorted(path.name for path in folder_of(toy, side).glob("*.bin"))


def is_right(manifest: Manifest) -> bool:
    raw = replace(manifest, kept=None, sources=None)
    return all((manifest.read(Picture(name)) == raw.read(Picture(name))).all() for name in ("a.png", "b.png"))


def give_new_times(toy: Toy) -> None:
    for path in toy.root.rglob("*.png"):
        os.utime(path, ns=(5, 5))


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def full(self: ShardWriter, *arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("small")
def test_a_shard_that_is_mapped_again_is_verified_again_if_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = {name: draw(tmp_path / "raw" / name, 20, 20, seed=ord(name[0])) for name in ("a.png", "b.png", "c.png")}
    samples = {name: Sample(sample_id=name, patient_id="p", image=name) for name in raw}
    toy = Toy(tmp_path / "raw", tmp_path / "cache", [samples["b.png"], samples["c.png"]], [])
    toy.prepare()
    toy.samples = list(samples.values())
    toy.prepare()
    monkeypatch.setattr(store, "_MAPS", 1)
    manifest = toy.load()
    for name in raw:
        manifest.read(Picture(name))
    shutil.rmtree(folder_of(toy))
    toy.prepare()
    for _ in range(2):
        assert all((manifest.read(Picture(name)) == raw[name]).all() for name in raw)


@pytest.mark.usefixtures("small")
def test_a_shard_that_is_mapped_again_and_is_the_same_is_not_verified_again(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MAPS", 1)
    toy.prepare()
    manifest = toy.load()
    assert is_right(manifest)
    monkeypatch.setattr(store, "checksum", None)
    assert is_right(manifest)


def test_a_list_of_sources_of_a_later_preparation_is_refused(toy: Toy) -> None:
    toy.prepare()
    before = toy.load()
    draw(toy.root / "a.png", 20, 31, seed=99)
    toy.prepare()
    for manifest in (before, pickle.loads(pickle.dumps(before))):
        with pytest.raises(MissingDataError, match="drawn was prepared anew while its pictures were read"):
            manifest.read(Picture("a.png"))
    assert is_right(toy.load())


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1]

    def swapped(path: Path) -> NDArray[np.uint8]:
        found = read_grey(path)
        if path.name == "a.png" and left[0]:
            left[0] -= 1
            draw(path, 20, 31, seed=77 + left[0])
            os.utime(path, ns=(left[0], left[0]))
        return found

    monkeypatch.setattr("medbench.pixels.decoding.read_grey", swapped)
    toy.prepare()
    assert len(toy.load().kept or ()) == 7
    assert is_right(toy.load())
    left[0] = 9
    found = decode(toy.root, Wanted("a.png", (None,)), side=0, colour=False, keep=True)
    assert found == Problem("unreadable-image", "a.png", "the file changes while it is read")


def test_pixels_in_other_colours_are_not_used(toy: Toy) -> None:
    toy.prepare()
    coloured = replace(toy, colour=True)
    assert len(coloured.load().kept or ()) == 0
    assert coloured.load().read(Picture("a.png")).shape == (20, 31, 3)
    info = coloured.files().info()
    assert info is not None
    assert lacks_pixels(coloured.files(), info, print)


def test_the_side_that_was_prepared_stays_until_another_is_asked_for(toy: Toy) -> None:
    first = toy.prepare(pixel_side=9, keep_pixels="never")
    assert toy.prepare(force=True, keep_pixels="never") == first
    toy.samples = toy.samples[:-1]
    assert toy.prepare(keep_pixels="never").side == 9
    assert toy.prepare(keep_pixels="never", pixel_side=0).side == 0


def test_files_of_new_times_are_neither_decoded_nor_kept_again(toy: Toy, decoded: list[str]) -> None:
    toy.prepare()
    toy.prepare(pixel_side=9)
    before = shards(toy), shards(toy, "9")
    give_new_times(toy)
    del decoded[:]
    toy.prepare()
    toy.prepare(pixel_side=9)
    assert (decoded, (shards(toy), shards(toy, "9"))) == ([], before)


def test_new_times_are_said_once_and_noted_by_the_command(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    info = toy.prepare()
    give_new_times(toy)
    manifest = toy.load()
    assert is_right(manifest)
    assert remarks_on(manifest) == ["drawn: 2 images have new times and were hashed - medbench data prepare drawn"]
    started = toy.load()
    assert toy.command() == info
    hashed: list[Path] = []
    monkeypatch.setattr("medbench.pixels.sources.sha256_of", hashed.append)
    monkeypatch.setattr("medbench.pixels.keeper.sha256_of", hashed.append)
    for manifest in (toy.load(), started):
        assert is_right(manifest)
        assert remarks_on(manifest) == []
    toy.samples = toy.samples[:-1]
    toy.prepare()
    assert hashed == [], "what the command has noted holds for a preparation too"


def test_the_command_prepares_again_what_has_changed_or_is_damaged(toy: Toy, decoded: list[str]) -> None:
    info = toy.prepare()
    toy.files().table_path.write_bytes(b"half a table")
    del decoded[:]
    assert (toy.command(), decoded) == (info, [])
    toy.files().sources_path.unlink()
    assert (toy.command(), decoded) == (info, [])
    draw(toy.root / "a.png", 20, 31, seed=99)
    assert toy.command().sha256 != info.sha256
    assert decoded == ["a.png"]
    assert is_right(toy.load())


@pytest.mark.usefixtures("small")
def test_another_side_is_left_as_it_is_also_half_made(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    add = ShardWriter.add

    def killed(self: ShardWriter, path: str, *rest: object) -> None:
        add(self, path, *rest)  # type: ignore[arg-type]
        if path.startswith("e#"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ShardWriter, "add", killed)
        toy.prepare()
    half = shards(toy)
    toy.prepare(pixel_side=9)
    assert shards(toy) == half
    (folder_of(toy, "9") / "store.json").write_bytes(b"{}")
    toy.prepare(pixel_side=0)
    assert not list((toy.cache / "pixels").glob("*-9")), "nobody can use it"


@pytest.mark.usefixtures("small")
def test_a_full_disk_costs_only_what_was_to_be_added(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.prepare()
    before = sorted(path.name for path in folder_of(toy).iterdir())
    for number in range(2):
        draw(toy.root / f"new{number}.png", 20, 20, seed=51)
        toy.samples = [*toy.samples, Sample(sample_id=f"7{number}", patient_id="p", image=f"new{number}.png")]
    add = ShardWriter.add
    monkeypatch.setattr(ShardWriter, "add", lambda *args: full(*args) if args[1] == "new1.png" else add(*args))
    toy.prepare()
    assert "those that are not kept yet are decoded whenever they are read" in toy.said[-1]
    assert sorted(path.name for path in folder_of(toy).iterdir()) == before
    manifest = toy.load()
    assert len(manifest.kept or ()) == 7
    assert is_right(manifest)


def test_a_kill_between_index_and_state_leaves_the_old_index(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.prepare()
    toy.samples = toy.samples[:-2]
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("medbench.pixels.keeper.write_state", _interrupt)
        toy.prepare()
    assert len(toy.load().kept or ()) == 7
    toy.command()
    assert len(list(folder_of(toy).glob("index-*.raw"))) == 1
    assert len(toy.load().kept or ()) == 6


def _interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("name", "wrong"),
    [("index-*.raw", "its index is damaged"), ("000000.bin", "000000.bin is missing or cut short")],
)
def test_a_damaged_index_or_a_shard_cut_short_is_told_and_made_again(
    toy: Toy, decoded: list[str], name: str, wrong: str
) -> None:
    info = toy.prepare()
    path = next(folder_of(toy).glob(name))
    path.write_bytes(path.read_bytes()[:-8])
    said = Said()
    assert not data.kept_are_sound(toy.files(), info, said)
    del decoded[:]
    assert toy.command() == info
    assert decoded == ([] if name.startswith("index") else ["a.png"])
    assert (said.lines[0].endswith(f"but {wrong} - medbench data prepare drawn")) is name.startswith("index")
    assert data.kept_are_sound(toy.files(), info, said)
    assert len(shards(toy)) == len(toy.load().kept or ()) == 7
    manifest = toy.load()
    assert is_right(manifest)
    assert remarks_on(manifest) == []


@pytest.mark.usefixtures("small")
def test_verify_drops_damaged_shards_and_the_command_makes_them_again(toy: Toy, decoded: list[str]) -> None:
    info = toy.prepare()
    toy.prepare(pixel_side=9)
    info = toy.prepare(pixel_side=0)
    for side in ("9", "full"):
        spoil(folder_of(toy, side) / "000000.bin")
    manifest = toy.load()
    assert is_right(manifest)
    assert remarks_on(manifest) == [
        "drawn: 1 kept pictures are damaged and were decoded again"
        " - medbench data verify drawn, then medbench data prepare drawn"
    ]
    said = Said()
    assert not data.kept_are_sound(toy.files(), info, said)
    assert [line.rpartition(" - ")[2] for line in said.lines] == [
        "medbench data prepare drawn --side 9",
        "medbench data prepare drawn",
    ]
    del decoded[:]
    assert toy.command() == info
    assert decoded == ["a.png"]
    assert data.kept_are_sound(toy.files(), info, Said())


def test_a_name_that_no_file_can_have_is_a_problem_and_no_more(toy: Toy) -> None:
    many = [Sample(sample_id=f"q{number}", patient_id="q", image="a.png") for number in range(40)]
    toy.samples = [*toy.samples, *many, Sample(sample_id="9", patient_id="p", image="x\0.png")]
    info = toy.prepare()
    assert [group.count for group in info.problems if group.kind == "missing-image"] == [1]


def test_a_file_that_goes_while_a_folder_is_measured_does_not_count(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.prepare()
    (folder_of(toy) / "gone.raw").symlink_to("nowhere")
    assert pixels.stores(toy.cache)[0].size > 0
    monkeypatch.setattr(pixels.places, "size_of", lambda folder: shutil.rmtree(folder) or 0)
    assert len(pixels.stores(toy.cache)) <= 1


def test_where_nothing_can_be_kept_the_command_decodes_nothing(toy: Toy, decoded: list[str]) -> None:
    info = toy.prepare(keep_pixels="never")
    (toy.cache / "pixels").write_text("a file where a folder should be")
    del decoded[:]
    assert toy.command() == info
    with pytest.raises(StoreError, match="choose another --cache"):
        toy.command(keep_pixels="always")
    assert decoded == []


def test_force_drops_what_is_kept_also_where_nothing_is_to_be(toy: Toy) -> None:
    toy.prepare()
    toy.prepare(force=True, keep_pixels="never")
    assert pixels.stores(toy.cache) == []
    assert is_right(toy.load())


def test_the_store_of_a_folder_that_was_moved_is_outdated(toy: Toy, tmp_path: Path, registry: Registry) -> None:
    toy.prepare()
    toy.root = toy.root.rename(tmp_path / "moved")
    toy.prepare()
    found = {Path(one.key["root"]).exists(): _is_outdated(one, registry, {}) for one in cache_entries(toy.cache)}
    assert found == {True: False, False: True}
