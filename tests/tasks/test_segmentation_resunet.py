"""MeDSLIP's segmentation recipe: its decoder, its crops, and a training by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from segmentation_toys import SIDE, Silent, ToyPyramid, ToySingleMap, context_of, draw_manifest

from medbench.errors import TrialError
from medbench_tasks.pyramid import MethodPyramid
from medbench_tasks.segmentation import cropping
from medbench_tasks.segmentation.cropping import CroppedSamples, crop_and_flip
from medbench_tasks.segmentation.frames import nearest_mask
from medbench_tasks.segmentation.model import build_segmentor
from medbench_tasks.segmentation.predictions import score_table
from medbench_tasks.segmentation.protocol import PROTOCOL
from medbench_tasks.segmentation.recipe import MEDSLIP_METRICS, METRICS, MGCA_SEGMENTATION_SIIM
from medbench_tasks.segmentation.recipe import MEDSLIP_SEGMENTATION_SIIM as PUBLISHED
from medbench_tasks.segmentation.resunet import STRIDES, ResUnetHead
from medbench_tasks.training_optimiser import parameter_groups

SMALL = replace(PUBLISHED, image_size=SIDE, batch_size=4, epochs=15, lr=1e-2, decoder_width=4)


@pytest.fixture(autouse=True)
def small_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cropping, "SOURCE", 2 * SIDE)


def _segmentor(**changes):
    return build_segmentor(MethodPyramid(ToyPyramid(), strides=STRIDES, freeze=False), replace(SMALL, **changes))


def test_the_recipe_is_the_published_one():
    assert (PUBLISHED.lr, PUBLISHED.weight_decay, PUBLISHED.decay) == (1e-5, 0.02, "matrices")
    assert (PUBLISHED.epochs, PUBLISHED.patience, PUBLISHED.batch_size) == (1000, 1000, 64)
    assert (PUBLISHED.schedule, PUBLISHED.warmup_epochs, PUBLISHED.clip_grad) == ("constant", 0, None)
    assert (PUBLISHED.freeze_encoder, PUBLISHED.drop_last, PUBLISHED.augmentation) == (False, True, "crop")
    assert (PUBLISHED.loss, PUBLISHED.select, PUBLISHED.mask_frame) == ("bce-dice", "dice-all", "nearest")


def test_the_decoder_has_the_published_widths_and_the_size_of_the_input():
    head = _segmentor(decoder_width=64).decode_head
    assert isinstance(head, ResUnetHead)
    inputs = [block.conv_block_1[0].in_channels for block in head.up_blocks]
    channels = ToyPyramid().channels
    assert inputs == [512 + channels[2], 256 + channels[1], 128 + channels[0], 64 + 3]
    assert [block.conv_block_2[0].out_channels for block in head.up_blocks] == [512, 256, 128, 64]
    assert head.conv_seg.kernel_size == (1, 1)
    model = _segmentor().eval()
    with torch.no_grad():
        assert model.decode_head(model.extract_feat(torch.randn(2, 3, 64, 96))).shape == (2, 1, 64, 96)


@torch.no_grad()
def test_the_image_itself_reaches_the_decoder():
    model = _segmentor().eval()
    image, *maps = model.extract_feat(torch.randn(1, 3, SIDE, SIDE))
    seen, blind = model.decode_head([image, *maps]), model.decode_head([torch.zeros_like(image), *maps])
    assert not torch.allclose(seen, blind)


@pytest.mark.parametrize("encoder", [ToySingleMap(), ToyPyramid((4, 8, 16, 32))], ids=["single", "coarse"])
def test_an_encoder_without_the_four_maps_is_refused_in_one_line(encoder):
    with pytest.raises(
        TrialError, match=r"decoder 'resunet' needs feature maps of strides 2, 4, 8, 16, and the encoder"
    ):
        build_segmentor(MethodPyramid(encoder, strides=STRIDES, freeze=False), SMALL)


def test_norms_and_biases_do_not_decay():
    model = _segmentor()
    decays = {id(p): group["weight_decay"] for group in parameter_groups(model, SMALL) for p in group["params"]}
    assert {decays[id(p)] for p in model.parameters() if p.ndim == 1} == {0.0}
    assert {decays[id(p)] for p in model.parameters() if p.ndim > 1} == {0.02}


def test_crops_move_image_and_mask_together_and_only_by_their_generator():
    mask = np.zeros((128, 128), np.float32)
    mask[40:90, 30:100] = 1
    image = (mask * 200).astype(np.uint8)
    state = torch.random.get_rng_state()
    shares = []
    for seed in range(12):
        pixels, truth = crop_and_flip(image, mask, 64, np.random.default_rng(seed))
        again = crop_and_flip(image, mask, 64, np.random.default_rng(seed))
        assert np.array_equal(pixels, again[0])
        assert np.array_equal(truth, again[1])
        assert pixels.shape == truth.shape == (64, 64)
        assert set(np.unique(truth)) <= {0, 1}
        assert np.mean((pixels > 100) == (truth > 0)) > 0.95
        shares.append(truth.mean())
    assert len(set(shares)) > 6
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_mirrored_crop_is_mirrored_in_both():
    image = np.arange(128, dtype=np.uint8)[None].repeat(128, axis=0)
    mask = (image > 64).astype(np.float32)
    falling = []
    for seed in range(16):
        pixels, truth = crop_and_flip(image, mask, 32, np.random.default_rng(seed))
        falls = bool(pixels[0, 0] > pixels[0, -1])
        falling.append(falls)
        assert falls == bool(truth[0, 0] > truth[0, -1]) or truth.min() == truth.max()
    assert 2 < sum(falling) < 14


def test_items_are_cropped_by_seed_epoch_and_index_and_images_never(tmp_path):
    manifest = draw_manifest(tmp_path, 4, 3)
    pixels = np.stack([np.full((2 * SIDE, 2 * SIDE), 40 * index, np.uint8) for index in range(4)])
    pixels[:, :SIDE] += 20

    def samples(seed: int | None) -> CroppedSamples:
        return CroppedSamples(manifest, pixels, SMALL, Silent(), augment_seed=seed)

    one, same, plain = samples(1), samples(1), samples(None)
    first = one[2]["inputs"]
    assert torch.equal(first, same[2]["inputs"])
    assert torch.equal(one.image(2), plain[2]["inputs"])
    same.set_epoch(1)
    assert not torch.equal(same[2]["inputs"], first)
    assert one.mask(1).shape == (SIDE, SIDE)
    assert np.array_equal(one.mask(1), nearest_mask(manifest.row(1).mask, SIDE))


def test_training_by_the_recipe_learns_and_leaves_the_method_as_it_was(tmp_path: Path):
    model = ToyPyramid()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parts = tuple(draw_manifest(tmp_path, count, seed) for seed, count in ((1, 24), (2, 8), (3, 12)))
    context = context_of(tmp_path, model, SMALL, parts)
    outcome = PROTOCOL.run(context)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    task = replace(context.task, metrics=(*METRICS, *MEDSLIP_METRICS))
    scores = PROTOCOL.score(task, SMALL, outcome.predictions)
    floor = score_table(outcome.floors["mean-mask"])
    assert scores["dice-positive"].value > floor["dice-positive"].value
    assert 0 < scores["iou-plus-one-as-released"].value <= 1
    assert outcome.notes["best_validation_score"] <= 1


def test_the_other_recipes_are_untouched():
    assert (MGCA_SEGMENTATION_SIIM.decoder, MGCA_SEGMENTATION_SIIM.augmentation) == ("strides", "turn")
