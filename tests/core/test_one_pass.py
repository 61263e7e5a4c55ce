"""One pass over the pictures answers what later trials will ask of them: read once, the trunk run once, the same numbers."""

from __future__ import annotations

import collections
import dataclasses
import threading

import numpy as np
import pytest
import torch

from medbench import filling, segments
from medbench.asked import AskedPictures
from medbench.errors import StoreError, UsageError
from medbench.feature_store import entries
from medbench.manifest import Manifest
from medbench.needs import image_need
from medbench.one_pass import once_a_batch, one_batch
from medbench.protocols import FeatureNeed
from tests.core.feature_toys import HOW, Brightness, draw, features


class Trunked(Brightness):
    """A trunk of weights that two functions share, counted."""

    def __init__(self, **how: object) -> None:
        super().__init__(**how)
        self.runs = 0
        self.layer = torch.nn.Conv2d(3, 4, 3, padding=1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.linspace(-1, 1, 108).reshape(4, 3, 3, 3))
            self.layer.bias.fill_(0.25)

    @once_a_batch
    def trunk(self, images: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return self.layer(images)

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        super().encode_images(images)
        return self.trunk(images).mean(dim=(2, 3))


def patches(manifest, **how):
    return FeatureNeed(
        name="patches", apply=lambda model, images: model.trunk(images).flatten(1), manifest=manifest, **how
    )


@pytest.fixture
def reads(monkeypatch):
    """How often each picture was read."""
    counts = collections.Counter()
    whole = Manifest.read

    def counted(self, picture, *more, **how):
        counts[picture.path] += 1
        return whole(self, picture, *more, **how)

    monkeypatch.setattr(Manifest, "read", counted)
    return counts


def test_two_needs_read_each_picture_once_and_are_what_they_are_apart(tmp_path, reads):
    manifest = draw(tmp_path, 40)
    apart = features(Trunked(), tmp_path / "apart")
    images, maps = apart.encode(manifest), apart.answer(patches(manifest))
    assert apart.model.runs == 6
    reads.clear()

    source = features(Trunked(), tmp_path / "together")
    source.beside = lambda: [image_need(manifest), patches(manifest)]
    np.testing.assert_array_equal(source.encode(manifest), images)
    assert set(reads.values()) == {1}
    assert source.model.runs == 3  # batches of 16
    later = features(None, tmp_path / "together")
    np.testing.assert_array_equal(later.answer(patches(manifest)), maps)
    assert later.notes()["encoded"] == 0
    assert sum(reads.values()) == 40


def test_a_trial_alone_encodes_nothing_more(tmp_path):
    manifest = draw(tmp_path, 5)
    source = features(Trunked(), tmp_path)
    source.beside = lambda: [image_need(manifest)]
    source.encode(manifest)
    (entry,) = entries(tmp_path / "features")
    assert (entry.key["name"], entry.rows) == ("image", 5)


def test_a_need_gets_those_pictures_alone_that_it_wants_and_lacks(tmp_path):
    manifest = draw(tmp_path, 30)
    shown = []

    def told(model, images):
        shown.append(len(images))
        return images.flatten(1)

    wanted = [
        FeatureNeed(name="told", apply=told, manifest=manifest.take([3, 4, 5])),
        FeatureNeed(name="told", apply=told, manifest=manifest.take([5, 20, 29])),
    ]
    features(Trunked(), tmp_path).answer(dataclasses.replace(wanted[0], manifest=manifest.take([4])))
    assert shown.pop() == 1
    source = features(Trunked(), tmp_path)
    source.beside = lambda: wanted
    rows = source.encode(manifest.take(range(25)))
    assert sum(shown) == 3  # 3, 5 and 20; 29 is not in this pass
    np.testing.assert_allclose(
        rows, features(Trunked(), tmp_path / "alone").encode(manifest.take(range(25))), rtol=1e-6
    )
    source.answer(wanted[1])
    assert sum(shown) == 4


def test_another_preprocess_is_another_pass(tmp_path):
    manifest = draw(tmp_path, 4)
    source = features(Trunked(), tmp_path)
    source.beside = lambda: [patches(manifest, preprocess=dataclasses.replace(HOW, equalise=True))]
    source.encode(manifest)
    assert [entry.key["name"] for entry in entries(tmp_path / "features")] == ["image"]


def test_what_lies_in_the_cache_asks_nobody_what_comes_later(tmp_path):
    manifest = draw(tmp_path, 4)
    features(Trunked(), tmp_path).encode(manifest)
    warm = features(None, tmp_path)
    warm.beside = lambda: pytest.fail("asked")
    warm.encode(manifest)


def test_an_interrupt_in_a_joint_pass_loses_nothing_of_either(tmp_path):
    manifest = draw(tmp_path, 600)
    source = features(Trunked(fail_after=560), tmp_path)
    source.beside = lambda: [patches(manifest)]
    with pytest.raises(KeyboardInterrupt):
        source.encode(manifest)
    assert {entry.key["name"]: entry.rows for entry in entries(tmp_path / "features")} == {"image": 560, "patches": 560}
    again = features(Trunked(), tmp_path)
    again.beside = lambda: [patches(manifest)]
    rows = again.encode(manifest)
    assert again.model.seen == 40
    whole = features(Trunked(), tmp_path / "whole")
    np.testing.assert_array_equal(rows, whole.encode(manifest))
    np.testing.assert_array_equal(again.answer(patches(manifest)), whole.answer(patches(manifest)))
    assert again.notes()["encoded"] == 40


def _raises(model, images):
    raise UsageError("no maps")


@pytest.mark.parametrize(
    "apply", [_raises, lambda model, images: images.flatten(1)[:-1], lambda model, images: images.flatten(1) / 0 * 0]
)
def test_a_later_need_that_fails_costs_the_pass_nothing(tmp_path, apply):
    manifest = draw(tmp_path, 20)
    source = features(Trunked(), tmp_path)
    source.beside = lambda: [FeatureNeed(name="broken", apply=apply, manifest=manifest), patches(manifest)]
    source.encode(manifest)
    rows = {entry.key["name"]: entry.rows for entry in entries(tmp_path / "features")}
    assert rows == {"image": 20, "broken": 0, "patches": 20}


def test_a_store_that_another_process_fills_is_left_to_it(tmp_path):
    manifest = draw(tmp_path, 4)
    other = features(Trunked(), tmp_path)
    with other.store_of(patches(manifest)).locked():
        source = features(Trunked(), tmp_path)
        source.beside = lambda: [patches(manifest)]
        source.encode(manifest)
    assert {one.key["name"]: one.rows for one in entries(tmp_path / "features")} == {"image": 4, "patches": 0}


def test_a_mark_does_nothing_outside_of_a_batch_and_forgets_after_it():
    model = Trunked()
    images = torch.ones(2, 3, 8, 8)
    assert model.trunk(images) is not model.trunk(images)
    with one_batch():
        first = model.trunk(images)
        assert model.trunk(images) is first
        assert model.trunk(images.clone()) is not first
        assert Trunked().trunk(images) is not first
    assert model.trunk(images) is not first


def test_batches_of_two_threads_do_not_mix():
    model = Trunked()
    images = torch.ones(1, 3, 8, 8)
    found = []

    def run():
        with one_batch():
            found.append(model.trunk(images))

    with one_batch():
        own = model.trunk(images)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert model.trunk(images) is own is not found[0]


def test_another_manifests_pictures_of_the_same_names_are_not_taken_for_its_own(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    manifest = draw(tmp_path / "one", 3)
    other = dataclasses.replace(draw(tmp_path / "two", 3), sha256="1" * 64)
    source = features(Trunked(), tmp_path)
    source.beside = lambda: [image_need(other), image_need(dataclasses.replace(manifest, dataset="other"))]
    source.encode(manifest)
    assert [entry.key["manifest"] for entry in entries(tmp_path / "features")] == [manifest.sha256]


def test_needs_that_overlap_leave_the_batches_whole(tmp_path):
    manifest = draw(tmp_path, 40)
    halves = np.random.default_rng(0).random((12, 40)) < 0.5
    needs = [
        FeatureNeed(
            name=f"half {number}",
            apply=lambda model, images: model.trunk(images).flatten(1)[:, :2],
            manifest=manifest.take(np.flatnonzero(half)),
        )
        for number, half in enumerate(halves)
    ]
    sizes = []

    class Told(Trunked):
        def encode_images(self, images):
            sizes.append(len(images))
            return super().encode_images(images)

    source = features(Told(), tmp_path)
    source.beside = lambda: needs
    source.encode(manifest)
    assert sizes == [16, 16, 8]
    warm = features(None, tmp_path)
    for need in needs:
        alone = features(Trunked(), tmp_path / "alone").answer(need)
        np.testing.assert_allclose(warm.answer(need), alone, rtol=1e-5, atol=1e-6)


def fails_above(rows, error):
    def apply(model, images):
        if len(images) > rows:
            raise error
        return images.flatten(1)[:, :2]

    return apply


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling")]
)
@pytest.mark.parametrize(("rows", "answered"), [(4, 20), (0, 0)])
def test_one_that_wants_too_much_memory_is_halved_and_then_given_up(tmp_path, error, rows, answered):
    manifest = draw(tmp_path, 20)
    source = features(Trunked(), tmp_path)
    source.beside = lambda: [FeatureNeed(name="large", apply=fails_above(rows, error), manifest=manifest)]
    assert source.encode(manifest).shape == (20, 4)
    found = {entry.key["name"]: entry.rows for entry in entries(tmp_path / "features")}
    assert found == {"image": 20, "large": answered}
    assert source.model.seen <= 16 + 8 + 4 + 2 + 1 + 20


def test_one_that_fills_the_disk_makes_way(tmp_path, monkeypatch):
    manifest = draw(tmp_path, 300)
    write = segments.write_atomically

    def nearly_full(path, fill):
        if sum(one.stat().st_size for one in (tmp_path / "features").glob("*/0*")) > 100_000:
            raise StoreError(f"cannot write {path}: No space left on device")
        write(path, fill)

    monkeypatch.setattr(filling, "_LEAST", 32)
    monkeypatch.setattr(segments, "write_atomically", nearly_full)
    source = features(Trunked(), tmp_path)
    source.beside = lambda: [patches(manifest)]
    assert source.encode(manifest).shape == (300, 4)
    assert {entry.key["name"]: entry.rows for entry in entries(tmp_path / "features")} == {"image": 300, "patches": 0}


def test_a_store_that_cannot_be_opened_or_lacks_nothing_is_left_alone(tmp_path):
    manifest = draw(tmp_path, 4)
    features(Trunked(), tmp_path).answer(patches(manifest))
    source = features(Trunked(), tmp_path)
    broken = FeatureNeed(name="broken", apply=lambda model, images: images.flatten(1), manifest=manifest)
    source.store_of(broken).folder.write_text("a file where the folder would be")
    free = []

    class Looks(Trunked):
        def encode_images(self, images):
            with source.store_of(patches(manifest)).locked_if_free() as ours:
                free.append(ours)
            return super().encode_images(images)

    source.load = Looks
    source.beside = lambda: [patches(manifest), broken]
    source.encode(manifest)
    assert free == [True]


def test_pictures_of_what_is_foreseen_are_looked_at_where_they_may_serve_alone(tmp_path, monkeypatch):
    manifest = draw(tmp_path, 4)
    hashed = []
    whole = AskedPictures.hashes
    monkeypatch.setattr(AskedPictures, "hashes", lambda self: hashed.append(self) or whole(self))
    source = features(Trunked(), tmp_path)
    other = dataclasses.replace(HOW, equalise=True)
    source.beside = lambda: [image_need(manifest), patches(manifest, preprocess=other), *[patches(manifest)] * 5]
    source.encode(manifest)
    assert len(hashed) == 2  # its own and the first of the patches, which want all
