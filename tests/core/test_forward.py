"""Frozen answers: the same rows in the same order, whatever the memory holds and whichever way the pictures took."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from medbench.asked import AskedPictures
from medbench.batch_size import PROBE, BatchSize
from medbench.batches import _resized, _whole
from medbench.capabilities import Preprocess
from medbench.errors import TrialError
from medbench.forward import answers_of, frozen_call
from medbench.images import ImageError
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute
from medbench.samples import Sample

HOW = Preprocess(resize=12, mode="shorter", crop=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    """40 studies of two pictures of many sizes."""
    generator = np.random.default_rng(0)
    samples, facts = [], []
    for number in range(40):
        for name in (f"{number}.png", f"{number}-side.png"):
            height, width = generator.integers(9, 30, 2)
            Image.fromarray(generator.integers(0, 256, (height, width), np.uint8)).save(tmp_path / name)
        samples.append(
            Sample(sample_id=str(number), patient_id="p", image=f"{number}.png", others=(f"{number}-side.png",))
        )
        facts.append(ImageFacts(9, 9, "", others_sha256=("",)))
    return Manifest("toy", tmp_path, (), "0" * 64, True, build_table(samples, (), facts))


class Net(torch.nn.Module):
    """Means of rows; it runs out of memory above ``fits`` rows."""

    def __init__(self, fits: int = 10**9) -> None:
        super().__init__()
        self.fits = fits
        self.asked: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(images))
        if len(images) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return images.flatten(1).unflatten(1, (-1, 16)).mean(2)


def means(model: Net, images: torch.Tensor) -> torch.Tensor:
    return model(images)


def first_pixels(model: Net, images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)[:, :3].clone()


def rows(model: Net, manifest: Manifest, *, studies: bool = False, compute: Compute | None = None) -> list[np.ndarray]:
    asked = AskedPictures(manifest, "image", studies=studies)
    found = answers_of(
        lambda: model, [means, first_pixels], asked, manifest, HOW, compute or Compute(), label="toy@net"
    )
    return [np.concatenate(one) for one in zip(*found, strict=True)]


@pytest.mark.parametrize("studies", [False, True])
@pytest.mark.parametrize("fits", [1, 3, 8, 15])
def test_a_pass_that_ran_out_of_memory_gives_the_rows_of_one_that_did_not(manifest, fits, studies):
    whole, halved = Net(), Net(fits)
    expected = rows(whole, manifest, studies=studies)
    assert whole.asked == [16, 16, 8]
    found = rows(halved, manifest, studies=studies)
    for ours, theirs in zip(found, expected, strict=True):
        assert len(theirs) == 40
        np.testing.assert_array_equal(ours, theirs)
    assert halved.asked.count(16) == 1


def test_a_probe_is_followed_by_larger_batches(manifest, monkeypatch):
    class Memory:
        def allocated(self) -> int:
            return 100

        def peak(self) -> int:
            return 100 + 10_000 * PROBE

        def free(self) -> int:
            return 500_000

    probing = BatchSize(PROBE, "toy@net", Memory())
    monkeypatch.setattr("medbench.forward.BatchSize.probed", lambda compute, label: probing)
    net = Net()
    found = rows(net, manifest)
    assert net.asked == [PROBE, 32]  # 0.8 * 500,000 / (10,000 + three inputs of 768 bytes) = 32.5
    np.testing.assert_array_equal(found[0], rows(Net(), manifest)[0])


def test_a_model_too_large_for_one_picture_is_named_with_a_fix(manifest):
    with pytest.raises(TrialError, match=r"toy@net does not fit into the device's memory .* - use --precision bf16"):
        rows(Net(0), manifest)


def test_answers_need_a_row_for_each_input(manifest):
    with pytest.raises(TrialError, match=r"toy@net gives \(1, 2\) for 3 inputs"):
        frozen_call(lambda: torch.zeros(1, 2), 3, Compute(), label="toy@net")


def test_the_model_is_not_loaded_where_nothing_is_asked(manifest):
    def load() -> Net:
        raise AssertionError("the model was loaded")

    assert not list(answers_of(load, [means], [], manifest, HOW, Compute(), label="toy@net"))


@pytest.mark.parametrize("studies", [False, True])
def test_pictures_that_travel_whole_become_the_same_inputs(manifest, studies):
    sizes = [3, 16, 2, 16, 16]
    found = []
    for read in (_resized, _whole):
        size = iter(sizes)
        asked = AskedPictures(manifest, "image", studies=studies)
        batches = list(read(asked, manifest, HOW, Compute(), lambda size=size: next(size, 16)))
        assert [len(batch) for batch in batches] == [3, 16, 2, 16, 3]
        found.append(torch.cat(batches))
    assert found[0].shape == ((40, 2, 3, 8, 8) if studies else (40, 3, 8, 8))
    assert torch.equal(*found)


def test_pictures_are_resized_by_the_host_where_the_device_has_no_room(manifest, monkeypatch):
    def full(stack: torch.Tensor, plans: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    asked = AskedPictures(manifest, "image")
    expected = torch.cat(list(_resized(asked, manifest, HOW, Compute(), lambda: 16)))
    monkeypatch.setattr("medbench.device_resize._apply", full)
    assert torch.equal(torch.cat(list(_whole(asked, manifest, HOW, Compute(), lambda: 16))), expected)
    monkeypatch.setattr("medbench.staging.normalised", full)
    with pytest.raises(TrialError, match=r"does not hold 16 pictures of 8 pixels .* - use a device"):
        list(_whole(asked, manifest, HOW, Compute(), lambda: 16))


def test_a_picture_that_cannot_be_decoded_is_told_from_the_staging_thread(manifest):
    (manifest.root / "20.png").write_bytes(b"no image")
    batches = _whole(AskedPictures(manifest, "image"), manifest, HOW, Compute(), lambda: 16)
    assert len(next(batches)) == 16
    with pytest.raises(ImageError, match=r"20\.png"):
        next(batches)


class Twins:
    """In the place of `torch.compile`: counts what it is shown, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.seen: list[int] = []

    def __call__(self, apply, *, dynamic):
        assert dynamic is False

        def twin(model, images):
            self.seen.append(len(images))
            if self.error is not None:
                raise self.error
            return apply(model, images)

        return twin


def in_place_of_torch(monkeypatch, twins):
    monkeypatch.setattr(torch, "compile", twins)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)  # which would load the whole compiler


def test_full_batches_alone_are_compiled(manifest, monkeypatch):
    twins = Twins()
    in_place_of_torch(monkeypatch, twins)
    found = rows(Net(), manifest, compute=Compute(compile=True))
    assert twins.seen == [16, 16, 16, 16]  # two answers of two full batches; the last has 8 pictures
    np.testing.assert_array_equal(found[0], rows(Net(), manifest)[0])


def test_what_does_not_compile_is_said_once_and_answered_all_the_same(manifest, monkeypatch):
    in_place_of_torch(monkeypatch, Twins(ValueError("no compiler\nwas found")))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = answers_of(
            Net,
            [means],
            AskedPictures(manifest, "image"),
            manifest,
            HOW,
            Compute(compile=True),
            label="toy@net",
        )
        answers = np.concatenate([one for (one,) in found])
    assert [str(one.message) for one in said] == ["toy@net is not compiled: ValueError: no compiler was found"]
    np.testing.assert_array_equal(answers, rows(Net(), manifest)[0])


def test_a_compiled_model_that_runs_out_of_memory_is_halved_too(manifest, monkeypatch):
    in_place_of_torch(monkeypatch, Twins())
    found = rows(Net(5), manifest, compute=Compute(compile=True))
    np.testing.assert_array_equal(found[0], rows(Net(), manifest)[0])


@pytest.mark.slow
def test_every_model_and_every_answer_is_compiled(manifest, monkeypatch):
    """Torch compiles a function eight times and then no more: a process has more models, and a pass more answers."""
    runs = []
    plain = torch.compile

    def backend(graph, example):
        return lambda *inputs: runs.append(1) or graph.forward(*inputs)

    monkeypatch.setattr(torch, "compile", lambda apply, *, dynamic: plain(apply, dynamic=dynamic, backend=backend))
    asked = AskedPictures(manifest.take(range(16)), "image")

    def times(factor):
        return lambda model, images: model(images.flatten(1)) * factor

    for width in range(1, 11):
        runs.clear()
        how = (asked, manifest, HOW, Compute(compile=True))
        net = torch.nn.Linear(192, width)
        found = next(answers_of(lambda net=net: net, [times(number) for number in range(10)], *how, label="toy@net"))
        assert [one.shape for one in found] == [(16, width)] * 10
        assert len(runs) == 10


@pytest.mark.slow
def test_compiled_features_agree_with_the_others(manifest):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.GELU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    net.eval()

    def features(compute: Compute) -> np.ndarray:
        found = answers_of(
            lambda: net,
            [lambda model, images: model(images)],
            AskedPictures(manifest, "image"),
            manifest,
            HOW,
            compute,
            label="toy@net",
        )
        return np.concatenate([one for (one,) in found])

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        compiled = features(Compute(compile=True))
    np.testing.assert_allclose(compiled, features(Compute()), atol=1e-4)
