"""One pass over the pictures answers what later trials will ask of them: read once, the trunk run once, the same numbers."""

from __future__ import annotations

import collections
import dataclasses
import threading

import numpy as np
import pytest
import torch

from medbench.errors import UsageError
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


def test_a_kill_in_a_joint_pass_leaves_both_stores_sound(tmp_path):
    manifest = draw(tmp_path, 600)
    source = features(Trunked(fail_after=560), tmp_path)
    source.beside = lambda: [patches(manifest)]
    with pytest.raises(KeyboardInterrupt):
        source.encode(manifest)
    assert {entry.key["name"]: entry.rows for entry in entries(tmp_path / "features")} == {"image": 512, "patches": 512}
    again = features(Trunked(), tmp_path)
    again.beside = lambda: [patches(manifest)]
    rows = again.encode(manifest)
    assert again.model.seen == 88
    whole = features(Trunked(), tmp_path / "whole")
    np.testing.assert_array_equal(rows, whole.encode(manifest))
    np.testing.assert_array_equal(again.answer(patches(manifest)), whole.answer(patches(manifest)))
    assert again.notes()["encoded"] == 88


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
