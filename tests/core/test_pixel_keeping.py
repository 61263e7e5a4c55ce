"""What preparing keeps: only where there is room and it is wanted, once, by one process, and after a kill only the rest."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import filelock
import pytest
from PIL import Image

from medbench import pixels, preparation
from medbench.cli import data
from medbench.errors import MissingDataError, StoreError
from medbench.pixels.keeping import lacks_pixels
from medbench.pixels.places import lock_of
from medbench.pixels.shards import ShardWriter
from medbench.progress import Reporter
from medbench.samples import Sample
from tests.core.pixel_toys import Said, Toy, draw, study


def folders(toy: Toy) -> list[str]:
    return sorted(path.name.rpartition("-")[2] for path in (toy.cache / "pixels").glob("*") if path.is_dir())


def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medbench.pixels.shards.SHARD_BYTES", 1)


def test_the_room_is_said_before_and_after(toy: Toy) -> None:
    toy.prepare()
    before, after = toy.said
    assert before.startswith("drawn: 7 images, about ")
    assert " of pixels at their full size; " in before
    assert before.endswith(" free")
    assert after.endswith(" of pixels kept at their full size")


def test_without_room_nothing_is_kept_and_what_mends_it_is_said(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medbench.pixels.keeping.free_room", lambda folder: 4000)
    info = toy.prepare()
    assert toy.said[1] == (
        "drawn: pixels are not kept, they would take over 80% of the free room; images are decoded whenever they are read"
        " - --keep-pixels always keeps them all the same"
    )
    assert folders(toy) == []
    assert not lacks_pixels(toy.files(), info, toy.said.append)
    assert lacks_pixels(toy.files(keep_pixels="always"), info, toy.said.append)
    toy.prepare(keep_pixels="always")
    assert folders(toy) == ["full"]


@pytest.mark.parametrize("side", [0, 8])
def test_never_keeps_nothing_and_the_hash_is_the_same(toy: Toy, side: int) -> None:
    never = toy.prepare(keep_pixels="never", pixel_side=side)
    assert (folders(toy), toy.said) == ([], [])
    assert toy.prepare(pixel_side=side).sha256 == never.sha256
    assert folders(toy) == [str(side) if side else "full"]


def test_the_hash_moves_where_a_picture_is_reduced_and_only_there(toy: Toy) -> None:
    full = toy.prepare(keep_pixels="never")
    assert (full.side, full.reduced, full.largest) == (0, 0, 24)
    same = toy.prepare(keep_pixels="never", pixel_side=24)
    assert (same.sha256, same.reduced) == (full.sha256, 0)
    smaller = toy.prepare(keep_pixels="never", pixel_side=22)
    assert smaller.reduced == 2
    assert len({full.sha256, smaller.sha256, toy.prepare(keep_pixels="never", pixel_side=21).sha256}) == 3


def test_what_was_prepared_holds_until_another_side_is_asked_for(toy: Toy) -> None:
    toy.prepare(keep_pixels="never", pixel_side=24)
    for side, holds in ((None, True), (0, True), (24, True), (1000, True), (23, False)):
        assert (toy.files(pixel_side=side).info() is not None) is holds, side
    toy.prepare(keep_pixels="never", pixel_side=10)
    for side, holds in ((None, True), (10, True), (0, False), (24, False)):
        assert (toy.files(pixel_side=side).info() is not None) is holds, side


def test_preparing_again_decodes_nothing(toy: Toy, decoded: list[str]) -> None:
    first = toy.prepare()
    assert len(decoded) == 5
    assert toy.prepare() == first
    assert len(decoded) == 5
    assert not lacks_pixels(toy.files(), first, toy.said.append)
    assert toy.prepare(force=True) == first
    assert len(decoded) == 10


def test_only_what_is_new_or_changed_is_decoded(toy: Toy, decoded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    toy.prepare()
    del decoded[:]
    draw(toy.root / "a.png", 22, 31, seed=50)
    pixels_new = draw(toy.root / "new.png", 20, 20, seed=51)
    toy.samples = [*toy.samples, Sample(sample_id="7", patient_id="p", image="new.png")]
    toy.prepare()
    assert sorted(decoded) == ["a.png", "new.png"]
    manifest = toy.load()
    assert (manifest.row(6).pixels() == pixels_new).all()
    assert (manifest.row(0).height, len(manifest.kept or ())) == (22, 8)
    shards = len(list((toy.cache / "pixels").glob("*-full/*.bin")))
    assert shards == 8, "that of the old a.png is gone"


def test_a_killed_preparation_loses_one_shard_at_most(
    toy: Toy, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards(monkeypatch)
    add = ShardWriter.add

    def killed(self: ShardWriter, path: str, *rest: object) -> None:
        add(self, path, *rest)  # type: ignore[arg-type]
        if path.startswith("e#"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ShardWriter, "add", killed)
        toy.prepare()
    assert toy.files().info() is None
    del decoded[:]
    toy.prepare()
    assert sorted(decoded) == ["e#1,1,2,2.png", "ü|\n.png"]
    assert len(toy.load().kept or ()) == 7


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> Callable[[], None]:
    """The disk takes so many pictures and no more."""
    count = 0
    add = ShardWriter.add

    def fails(self: ShardWriter, *arguments: object) -> None:
        nonlocal count
        count += 1
        if count > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ShardWriter, "add", fails)
    return lambda: monkeypatch.setattr(ShardWriter, "add", add)


def test_a_disk_that_turns_out_full_costs_the_kept_pixels_only(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch)
    full_disk(monkeypatch, after=3)
    info = toy.prepare()
    assert toy.said[1:] == [
        "drawn: pixels are not kept (No space left on device); images are decoded whenever they are read"
        " - free some room, or prepare with a smaller --side or with --keep-pixels never"
    ]
    assert folders(toy) == []
    assert (toy.files().info(), info.samples) == (info, 6)


def test_to_keep_them_always_a_full_disk_is_an_error_that_leaves_the_manifest(
    toy: Toy, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards(monkeypatch)
    mend = full_disk(monkeypatch, after=4)
    with pytest.raises(StoreError, match=r"pixels of drawn are not all kept: No space .*; its manifest is made - free"):
        toy.prepare(keep_pixels="always")
    info = toy.files().info()
    assert info is not None
    mend()
    del decoded[:]
    assert toy.prepare(keep_pixels="always") == info
    assert len(decoded) == 3, "of the five files, two were kept whole"


def test_another_side_is_made_from_the_full_pixels(toy: Toy, decoded: list[str]) -> None:
    toy.prepare()
    del decoded[:]
    info = toy.prepare(pixel_side=9)
    assert (decoded, folders(toy)) == ([], ["9", "full"])
    manifest = toy.load(pixel_side=9)
    raw = replace(manifest, kept=None)
    assert all((manifest.read(one) == raw.read(one)).all() for one in manifest.take([0, 1, 2, 3, 4]).pictures())
    assert toy.files().info() == info, "what was prepared last counts"


def test_a_second_process_waits_and_then_decodes_nothing(toy: Toy, decoded: list[str]) -> None:
    toy.prepare()
    del decoded[:]
    base = toy.files().pixels
    assert base is not None
    held = filelock.FileLock(lock_of(base))
    with held:
        waiting = threading.Thread(target=toy.prepare)
        waiting.start()
        while "drawn: another process is preparing it; waiting for it to end" not in toy.said:
            assert waiting.is_alive()
        with pytest.raises(StoreError, match="is being filled by another process"):
            pixels.remove(pixels.folder_of(base, 0))
    waiting.join()
    assert decoded == []


def test_stores_are_listed_and_removed(toy: Toy) -> None:
    toy.prepare()
    toy.prepare(pixel_side=9)
    found = pixels.stores(toy.cache)
    assert {(one.dataset, one.folder.name.rpartition("-")[2]) for one in found} == {("drawn", "9"), ("drawn", "full")}
    assert all(one.size > 0 and one.used > 0 for one in found)
    pixels.remove(found[0].folder)
    assert [one.folder for one in pixels.stores(toy.cache)] == [found[1].folder]
    assert pixels.stores(toy.cache / "nowhere") == []


def test_a_cache_that_cannot_be_written_is_no_place_to_keep(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.cache.mkdir()
    (toy.cache / "pixels").write_text("a file where a folder should be")
    info = toy.prepare()
    assert info.samples == 6
    assert len(toy.said) == 1
    assert toy.said[0].startswith("drawn: pixels are not kept (")
    with pytest.raises(StoreError, match="choose another --cache"):
        toy.prepare(keep_pixels="always")


def test_an_image_that_has_no_colour_form_is_prepared_and_not_kept(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from medbench.images import ImageError

    def refuse(path: Path) -> None:
        raise ImageError("no colours")

    monkeypatch.setattr("medbench.pixels.decoding.read_colour", refuse)
    toy.colour = True
    assert toy.prepare().samples == 6
    assert len(toy.load().kept or ()) == 0


def test_verifying_reads_at_the_side_that_was_prepared(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    from tests.core.pixel_toys import READER

    info = toy.prepare(pixel_side=9)
    module = types.ModuleType(READER)
    module.read = lambda root: preparation.RawDataset(samples=tuple(toy.samples), splits={})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, READER, module)
    assert preparation.examine(toy.files(), Reporter(), side=info.side).info.sha256 == info.sha256
    Image.new("L", (31, 20)).save(toy.root / "a.png")
    assert preparation.examine(toy.files(), Reporter(), side=info.side).info.sha256 != info.sha256
    with pytest.raises(MissingDataError, match="has changed"):
        toy.load().row(0).pixels()


def test_verify_counts_the_kept_pictures_of_every_side_and_names_a_damaged_one(toy: Toy) -> None:
    toy.prepare()
    info = toy.prepare(pixel_side=9)
    said = Said()
    assert data.kept_are_sound(toy.files(), info, said)
    assert said.lines == [
        "drawn: 7 pictures kept at side 9, all sound",
        "drawn: 7 pictures kept at side full, all sound",
    ]
    path = next((toy.cache / "pixels").glob("*-9/*.bin"))
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    assert not data.kept_are_sound(toy.files(), info, said)
    assert said.lines[2] == (
        "drawn: 7 pictures kept at side 9, 1 damaged (first: a.png); their shards are dropped - medbench data prepare drawn"
    )


def test_status_says_the_side_and_the_room(toy: Toy) -> None:
    before = data.status_of(toy.files())
    assert (before["side"], before["pixels"]) == ("", 0)
    toy.prepare()
    assert data.status_of(toy.files())["side"] == "full"
    toy.prepare(pixel_side=9)
    after = data.status_of(toy.files())
    assert after["side"] == 9
    assert after["pixels"] in {one.size for one in pixels.stores(toy.cache)}
