"""The feature cache: computed once, resumed in the middle, checked on read, shared, and never trusted when damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading

import numpy as np
import pytest
import torch

from medbench import filling
from medbench.errors import TrialError
from medbench.feature_store import entries
from medbench.identity import loader_code
from medbench.images import ImageError
from tests.core.feature_toys import HOW, Brightness, draw, features


def test_features_are_those_of_the_model_in_order(tmp_path):
    rows = features(Brightness(), tmp_path).encode(draw(tmp_path, 40))
    assert rows.shape == (40, 2)
    np.testing.assert_allclose(rows[:, 0], np.arange(40) / 255, rtol=1e-6)


def test_a_second_use_loads_no_model_and_knows_the_preprocess(tmp_path):
    manifest = draw(tmp_path, 12)
    first = features(Brightness(), tmp_path).encode(manifest)
    warm = features(None, tmp_path)
    np.testing.assert_array_equal(warm.encode(manifest.take([3, 1, 3])), first[[3, 1, 3]])
    assert warm.notes()["encoded"] == 0


def test_a_subset_grows_into_the_whole_without_encoding_again(tmp_path):
    manifest = draw(tmp_path, 20)
    model = Brightness()
    features(model, tmp_path).encode(manifest.take(range(5)))
    features(model, tmp_path).encode(manifest)
    assert model.seen == 20


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"checkpoint": "ab"}, {"version": 2}, {"variant": "other"}, {"code": "x"}]
)
def test_other_weights_share_nothing(tmp_path, change):
    manifest = draw(tmp_path, 3)
    features(Brightness(), tmp_path).encode(manifest)
    model = Brightness()
    features(model, tmp_path, **change).encode(manifest)
    assert model.seen == 3


def test_another_preprocess_manifest_or_name_shares_nothing(tmp_path):
    manifest = draw(tmp_path, 3)
    model = Brightness()
    source = features(model, tmp_path)
    source.encode(manifest)
    source.encode(manifest, preprocess=dataclasses.replace(HOW, equalise=True))
    source.encode(dataclasses.replace(manifest, sha256="1" * 64))
    source.rows(manifest, "twice", lambda one, images: 2 * one.encode_images(images))
    assert model.seen == 12


def test_earlier_images_of_pairs_share_the_cache_with_the_images(tmp_path):
    manifest = draw(tmp_path, 6)
    model = Brightness()
    source = features(model, tmp_path)
    now, before = source.encode(manifest), source.encode(manifest, image="previous")
    np.testing.assert_array_equal(before[1:], now[:-1])
    assert model.seen == 6


@pytest.mark.parametrize(("way", "lost"), [("interrupt", 0), ("kill", 592 - 512)])
def test_a_stop_in_the_middle_loses_one_segment_at_most(tmp_path, monkeypatch, way, lost):
    manifest = draw(tmp_path, 700)
    if way == "kill":  # nothing is written on the way out
        monkeypatch.setattr(filling, "flushed", lambda *sinks, flush: contextlib.nullcontext())
    with pytest.raises(KeyboardInterrupt):
        features(Brightness(fail_after=600), tmp_path).encode(manifest)
    monkeypatch.undo()
    model = Brightness()
    rows = features(model, tmp_path).encode(manifest)
    assert model.seen == 700 - 592 + lost
    np.testing.assert_allclose(rows[:, 0], np.arange(700) % 256 / 255, rtol=1e-6)


@pytest.mark.parametrize("harm", ["cut", "flip", "flip-header", "empty"])
def test_a_damaged_file_is_noticed_said_and_made_again(tmp_path, harm):
    manifest = draw(tmp_path, 30)
    whole = features(Brightness(), tmp_path).encode(manifest)
    (path,) = (tmp_path / "features").glob("*/*.safetensors")
    data = bytearray(path.read_bytes())
    if harm == "cut":
        data = data[:-20]
    elif harm == "empty":
        data = bytearray()
    else:
        data[3 if harm == "flip-header" else -3] ^= 4
    path.write_bytes(data)
    model = Brightness()
    source = features(model, tmp_path)
    np.testing.assert_array_equal(source.encode(manifest), whole)
    assert model.seen == 30
    assert source.notes()["damaged_cache_files"] == 1
    assert any("damaged" in name for name in source.progress.names)
    assert features(None, tmp_path).encode(manifest).shape == (30, 2)


def test_features_that_are_not_finite_fail_with_the_method_and_the_image(tmp_path):
    with pytest.raises(TrialError, match=r"brightness@plain gives features that are not finite .*0\.png"):
        features(Brightness(poison=True), tmp_path).encode(draw(tmp_path, 4))


@pytest.mark.parametrize("count", [257, 17, 3])
def test_a_model_that_gives_another_number_of_rows_fails_by_name(tmp_path, count):
    class Squeezed(Brightness):
        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            return super().encode_images(images).squeeze(0)

        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            return super().encode_texts(texts[:1])

    source = features(Squeezed(), tmp_path)
    if count % 16 == 1:
        with pytest.raises(TrialError, match=r"brightness@plain gives \(2,\) for 1 inputs"):
            source.encode(draw(tmp_path, count))
    with pytest.raises(TrialError, match=r"brightness@plain gives \(1, 2\) for 3 inputs"):
        source.texts(["a", "b", "c"])


def test_a_damaged_memory_of_the_preprocess_is_not_believed(tmp_path):
    manifest = draw(tmp_path, 2)
    features(Brightness(), tmp_path).encode(manifest)
    (place,) = (tmp_path / "features" / "models").glob("*.json")
    place.write_bytes(place.read_bytes().replace(b'"resize":8', b'"resize":9'))
    assert features(Brightness(), tmp_path).preprocess.resize == 8


def test_text_files_part_what_reads_texts_alone(tmp_path):
    manifest = draw(tmp_path, 2)
    model = Brightness()
    for text_files in ("one", "two"):
        source = features(model, tmp_path)
        source.text_files = text_files
        source.encode(manifest)
        source.texts(["a"])
    assert model.seen == 2
    assert model.asked == ["a", "a"]


def test_the_code_of_a_plugin_is_that_of_its_whole_package(tmp_path, monkeypatch):
    package = tmp_path / "growing"
    (package / "nets").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets" / "one.py").write_text("WIDTH = 1")
    monkeypatch.syspath_prepend(tmp_path)
    before = loader_code("growing.method:load")
    (package / "nets" / "one.py").write_text("WIDTH = 2")
    assert loader_code("growing.method:load") != before != ""
    assert loader_code("nowhere_at_all:load") == ""


def test_an_image_that_went_away_is_named(tmp_path):
    manifest = draw(tmp_path, 4)
    (tmp_path / "2.png").unlink()
    with pytest.raises(ImageError, match=r"2\.png"):
        features(Brightness(), tmp_path).encode(manifest)


def test_texts_are_kept_by_their_words(tmp_path):
    model = Brightness()
    source = features(model, tmp_path)
    assert source.texts(["a", "bbb", "a"])[:, 0].tolist() == [1, 3, 1]
    source.texts(["bbb", "cc"])
    assert model.asked == ["a", "bbb", "cc"]


def test_a_model_that_was_loaded_for_its_features_can_be_trained(tmp_path):
    class Trainable(Brightness):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            return super().encode_images(images) * self.weight

    source = features(None, tmp_path)
    source.load = Trainable
    source.encode(draw(tmp_path, 2), preprocess=HOW)
    source.model.weight.sum().backward()
    assert source.model.weight.grad is not None


def test_texts_that_do_not_fit_are_halved(tmp_path):
    class Small(Brightness):
        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            if len(texts) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().encode_texts(texts)

    model = Small()
    assert features(model, tmp_path).texts(["a", "bb", "ccc", "a", "dddd"])[:, 0].tolist() == [1, 2, 3, 1, 4]
    assert model.asked == ["a", "bb", "ccc", "dddd"]


def test_no_image_gives_no_row(tmp_path):
    manifest = draw(tmp_path, 2)
    assert len(features(None, tmp_path, seed=5).encode(manifest.take([]), preprocess=HOW)) == 0


def test_two_processes_at_once_encode_each_image_once(tmp_path):
    manifest = draw(tmp_path, 300)
    model = Brightness()
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(features(model, tmp_path).encode(manifest))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.seen == 300
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_half_written_files_are_cleared(tmp_path):
    manifest = draw(tmp_path, 4)
    features(Brightness(), tmp_path).encode(manifest)
    (entry,) = entries(tmp_path / "features")
    (entry.folder / ".partial-000002-abc.safetensors").write_bytes(b"half")
    assert [one.rows for one in entries(tmp_path / "features")] == [4]
    features(None, tmp_path).encode(manifest.take([1]))  # reading alone changes nothing
    assert list(entry.folder.glob(".partial-*"))
    (next(entry.folder.glob("0*"))).unlink()
    features(Brightness(), tmp_path).encode(manifest)
    assert not list(entry.folder.glob(".partial-*"))


def test_entries_say_what_they_are_of(tmp_path):
    features(Brightness(), tmp_path).encode(draw(tmp_path, 9))
    (entry,) = entries(tmp_path / "features")
    assert (entry.rows, entry.key["dataset"], entry.key["model"]["method"]) == (9, "toy", "brightness")
    assert str(tmp_path) not in json.dumps(entry.key)
    entry.remove()
    assert not entries(tmp_path / "features")
