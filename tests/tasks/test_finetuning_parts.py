"""The parts of fine-tuning: frames, augmentation, the head, the loss, validation scores."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finetuning_toys import TOY, TinyImageEncoder, context_of
from torch import nn
from torch.nn.functional import cross_entropy

from medbench.capabilities import Preprocess
from medbench.preprocessing import resized
from medbench_tasks.finetuning.augment import TRANSFORMS, Augmentation
from medbench_tasks.finetuning.benchx import BENCHX
from medbench_tasks.finetuning.frames import aspects_of, evaluation_frame, source_frame
from medbench_tasks.finetuning.model import ImageClassifier, build_head, masked_loss
from medbench_tasks.finetuning.randaugment import FACTOR, OPERATIONS, ROTATION, SHEAR, TRANSLATION, AlbefRandAugment
from medbench_tasks.finetuning.recipe import MEDSLIP_SIIM, MGCA_LINEAR
from medbench_tasks.finetuning.samples import ImageItems
from medbench_tasks.finetuning.validation import score_of
from medbench_tasks.pixels import FramedPixels

IMAGENET = Preprocess(resize=224, mode="squash", crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8)
NAN = float("nan")
ONES = np.ones(12)


def test_frames_are_the_methods_own_unless_the_recipe_has_its_own() -> None:
    assert evaluation_frame(TOY, IMAGENET) == IMAGENET
    mgca, benchx = evaluation_frame(MGCA_LINEAR, IMAGENET), evaluation_frame(BENCHX, IMAGENET)
    assert (mgca.resize, mgca.mode, mgca.crop, mgca.mean, mgca.std) == (256, "pad", 224, (0.5,) * 3, (0.5,) * 3)
    assert (benchx.resize, benchx.mode, benchx.crop) == (224, "shorter", 224)
    assert (benchx.mean, benchx.std) == ((0.4978,) * 3, (0.2449,) * 3)


def test_the_recipes_image_size_scales_the_frame() -> None:
    padded = Preprocess(resize=256, mode="pad", crop=224, mean=(0.5,) * 3, std=(0.5,) * 3)
    frame = evaluation_frame(replace(TOY, image_size=448), padded)
    assert (frame.resize, frame.crop) == (512, 448)


def test_training_crops_are_cut_from_the_whole_frame() -> None:
    frame = evaluation_frame(MGCA_LINEAR, IMAGENET)
    assert source_frame(replace(MGCA_LINEAR, augment="none"), frame) == frame
    assert (source_frame(MGCA_LINEAR, frame).resize, source_frame(MGCA_LINEAR, frame).crop) == (256, 256)
    assert source_frame(MEDSLIP_SIIM, IMAGENET).crop == 448
    tight = replace(IMAGENET, resize=200)
    assert source_frame(MGCA_LINEAR, tight).crop == 224, "never less than the crop"


def test_squares_for_motor_are_cut_from_the_image_itself_on_a_method_that_pads() -> None:
    padding = replace(IMAGENET, mode="pad", interpolation="area")
    recipe = replace(TOY, augment="motor", source_scale=1.0)
    assert source_frame(recipe, padding).mode == "squash"
    assert source_frame(replace(TOY, augment="mild"), padding).mode == "pad"
    assert source_frame(recipe, replace(padding, mode="canvas")).mode == "squash"
    disc = np.zeros((200, 400), np.uint8)
    rows, columns = np.ogrid[:200, :400]
    disc[(rows - 100) ** 2 + (columns - 200) ** 2 < 60**2] = 255
    seen = Augmentation(recipe, 100, 0, np.array([400 / 200]))(resized(disc, source_frame(recipe, padding)), 3, 0)
    inside = (seen.numpy() > 127).nonzero()
    assert [int(np.ptp(axis)) for axis in inside] == pytest.approx([60, 60], abs=2), "round, as in the image"
    assert (seen[0] == 0).all() and (seen > 127).float().mean() == pytest.approx(np.pi * 0.3**2, abs=0.01)


CANVAS = replace(IMAGENET, mode="canvas", interpolation="bilinear")


@pytest.mark.parametrize("shape", [(100, 100), (100, 60), (224, 224), (150, 224), (500, 400), (900, 30)])
@pytest.mark.parametrize(("augment", "scale"), [("mild", 1.0), ("mild", 1.25), ("medslip", 2.0), ("crop", 2.0)])
@pytest.mark.parametrize("size", [0, 112, 448])
def test_an_image_on_a_canvas_is_cut_from_at_the_share_that_evaluation_shows(shape, augment, scale, size) -> None:
    recipe = replace(TOY, augment=augment, source_scale=scale, image_size=size)
    evaluation = evaluation_frame(recipe, CANVAS)
    source = source_frame(recipe, evaluation)
    side = round((size or 224) * (1 if augment == "crop" else scale))
    assert (source.mode, source.resize, source.crop) == ("canvas", side, side), "as fine as the recipe says"
    image = np.full(shape, 255, np.uint8)
    shown, kept = (resized(image, frame).astype(float) / 255 for frame in (evaluation, source))
    assert shown.mean() == pytest.approx(shape[0] * shape[1] / max(224, *shape) ** 2, rel=0.02)
    assert kept.mean() == pytest.approx(shown.mean(), rel=0.02)


def test_a_canvas_keeps_its_key_where_nothing_is_scaled() -> None:
    assert evaluation_frame(TOY, CANVAS) == CANVAS, "features of the method's own frame are found again"
    without = {field.name: getattr(CANVAS, field.name) for field in fields(CANVAS) if field.name != "least"}
    assert CANVAS.key() == without
    assert replace(CANVAS, least=100).key() == without | {"least": 100}


OBLONG = Preprocess(resize=64, mode="shorter", crop=56, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")


def test_of_an_image_that_is_not_square_everything_is_kept_to_cut_from() -> None:
    pixels = np.zeros((300, 900), np.uint8)
    pixels[:, :300] = pixels[:, 600:] = 255
    assert not resized(pixels, OBLONG).any(), "evaluation crops the centre"
    for recipe in (TOY, BENCHX, MGCA_LINEAR, MEDSLIP_SIIM):
        source = source_frame(recipe, OBLONG)
        kept = resized(pixels, source)
        assert kept.shape == (source.crop, source.crop)
        assert (kept == 255).mean() == pytest.approx(2 / 3, abs=0.05), recipe.augment


def test_crops_have_their_area_and_shape_in_the_image_before_it_was_squashed() -> None:
    aspect, source = 2.0, 240
    across = np.tile(np.arange(source, dtype=np.uint8), (source, 1))
    augment = Augmentation(replace(TOY, augment="mild", source_scale=1.0), 48, 0, np.array([aspect]))
    widths, heights = (
        np.array([np.ptp(augment(pixels, epoch, 0).numpy().astype(float)) / source for epoch in range(200)])
        for pixels in (across, across.T.copy())
    )
    shapes = aspect * widths / heights
    assert 0.72 < shapes.min() < shapes.max() < 1.36
    assert shapes.max() > 1.25
    assert 0.55 < (widths * heights).min() < (widths * heights).max() < 0.7, "three quarters of a wide image's height"


def test_a_random_crop_of_a_squashed_image_is_a_square_of_the_image() -> None:
    across = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    for aspect, width, height in ((2.0, 28, 56), (0.5, 56, 28)):
        augment = Augmentation(replace(TOY, augment="crop"), 56, 0, np.array([aspect]))
        seen = augment(across, 0, 0)
        assert seen.shape == (56, 56)
        assert np.ptp(seen.numpy()) == pytest.approx(width - 1, abs=1)
        assert np.ptp(augment(across.T.copy(), 0, 0).numpy()) == pytest.approx(height - 1, abs=1)


def test_the_aspect_is_that_of_the_image_where_evaluation_keeps_it(tmp_path: Path) -> None:
    manifest = context_of(tmp_path).valid  # 20 x 18
    assert aspects_of(manifest, OBLONG, TOY).tolist() == [18 / 20] * len(manifest)
    assert aspects_of(manifest, replace(OBLONG, mode="pad"), TOY).tolist() == [1.0] * len(manifest)
    squashed = replace(OBLONG, mode="squash")
    assert aspects_of(manifest, squashed, TOY).tolist() == [1.0] * len(manifest)
    assert aspects_of(manifest, squashed, replace(TOY, augment="motor")).tolist() == [18 / 20] * len(manifest)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_motor_trains_on_the_largest_square_anywhere_in_the_image(aspect: float) -> None:
    image = np.zeros((60, 60), np.uint8)  # squashed from an image ``aspect`` times as wide as high
    image[20:40, 20:40] = 255
    draws = [
        Augmentation(replace(TOY, augment="motor"), 40, 0, np.array([aspect]))(image, epoch, 0).numpy()
        for epoch in range(30)
    ]
    assert all(draw.shape == (40, 40) for draw in draws)
    shares = [(draw > 127).mean() for draw in draws if (draw[[0, -1]] == 0).all() and (draw[:, [0, -1]] == 0).all()]
    np.testing.assert_allclose(shares, max(aspect, 1 / aspect) / 9, rtol=0.15)
    assert len({draw.tobytes() for draw in draws}) > (1 if aspect != 1 else 0)


def test_stored_pixels_are_the_frame_and_each_frame_has_its_place(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    frame = TinyImageEncoder.preprocess
    stored = FramedPixels.prepare(context.valid, "valid", frame, context)
    assert len(stored) == len(context.valid)
    np.testing.assert_array_equal(stored[3], resized(context.valid.row(3).pixels(), frame))
    FramedPixels.prepare(context.valid, "valid", replace(frame, mean=(0.1,) * 3), context)
    kept = context.features.folder.parent / "frames"
    assert len(list(kept.glob("*/*.safetensors"))) == 1, "mean and deviation do not move pixels"
    wider = FramedPixels.prepare(context.valid, "valid", source_frame(MGCA_LINEAR, frame), context)
    assert wider[0].shape == (18, 18)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_augmented_image_depends_on_seed_epoch_and_index_alone(name: str) -> None:
    augment = Augmentation(replace(TOY, augment=name), 32, 5, ONES)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = [augment(PIXELS, epoch, index) for epoch in range(3) for index in range(4)]
    assert torch.equal(torch.get_rng_state(), before), "no other random number moves"
    torch.manual_seed(2)
    again = [Augmentation(replace(TOY, augment=name), 32, 5, ONES)(PIXELS, e, i) for e in range(3) for i in range(4)]
    other = [Augmentation(replace(TOY, augment=name), 32, 6, ONES)(PIXELS, e, i) for e in range(3) for i in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    least = 1 if name == "motor" else 6  # of a square image it only draws a flip
    assert len({image.numpy().tobytes() for image in first}) > least
    assert {(image.dtype, tuple(image.shape)) for image in first} == {(torch.uint8, (32, 32))}


def test_a_random_crop_is_a_window_of_the_image() -> None:
    crop = Augmentation(MGCA_LINEAR, 36, 0, ONES)(PIXELS, 0, 0).numpy()
    windows = [PIXELS[top : top + 36, left : left + 36] for top in range(5) for left in range(5)]
    assert any(np.array_equal(crop, window) for window in windows)


def test_items_are_drawn_anew_in_every_epoch_and_the_truth_is_not(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    pixels = FramedPixels.prepare(
        context.valid, "valid", source_frame(MGCA_LINEAR, TinyImageEncoder.preprocess), context
    )
    truth = context.valid.labels
    items = ImageItems(pixels, truth, Augmentation(replace(TOY, augment="moco2"), 16, 0, ONES))
    first = items[2]
    items.set_epoch(1)
    assert not torch.equal(items[2]["inputs"], first["inputs"])
    assert items[2]["data_samples"].tolist() == truth[2].tolist()
    items.set_epoch(0)
    assert torch.equal(items[2]["inputs"], first["inputs"])


def test_randaugment_has_the_published_operations_and_strengths() -> None:
    published = "Identity AutoContrast Equalize Brightness Sharpness ShearX ShearY TranslateX TranslateY Rotate"
    assert tuple(OPERATIONS) == tuple(published.split())
    assert pytest.approx((0.21, 7, 21, 1.36)) == (SHEAR, TRANSLATION, ROTATION, FACTOR)


def test_randaugments_geometry_moves_as_far_as_it_says_and_fills_with_grey() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(64, dtype=torch.uint8).expand(64, 64)[None].contiguous()
    shifted = OPERATIONS["TranslateX"](ramp)
    assert {int(value) for value in (shifted - ramp)[0, 30, 10:50].unique()} <= {7, 249}
    assert int((shifted == 128).sum()) == 7 * 64
    for name in ("ShearX", "ShearY", "Rotate", "TranslateY"):
        assert int((OPERATIONS[name](ramp) == 128).sum()) > 0, name
    assert torch.equal(OPERATIONS["Identity"](ramp), ramp)
    flat = torch.full((1, 8, 8), 100, dtype=torch.uint8)
    assert int(OPERATIONS["Brightness"](flat).unique()) == 136


def test_randaugment_leaves_a_quarter_of_images_and_more_untouched() -> None:
    torch.manual_seed(0)
    image = torch.from_numpy(PIXELS)[None]
    untouched = sum(torch.equal(AlbefRandAugment()(image), image) for _ in range(400)) / 400
    assert untouched == pytest.approx((1 - 0.5 * 0.9) ** 2, abs=0.07)


def test_masked_labels_have_no_gradient() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    truth = torch.tensor([[1, -1], [0, 1], [-1, -1]], dtype=torch.int8)
    masked_loss(logits, truth, "multi-label").backward()
    assert logits.grad is not None
    assert ((logits.grad != 0) == (truth >= 0)).all()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits.detach()[[0, 1, 1], [0, 0, 1]], torch.tensor([1.0, 0.0, 1.0])
    )
    assert float(masked_loss(logits.detach(), truth, "multi-label")) == pytest.approx(float(expected))


def test_rows_without_a_class_have_no_gradient() -> None:
    logits = torch.randn(3, 3, requires_grad=True)
    truth = torch.tensor([[0, 1, 0], [-1, -1, -1], [0, 0, 1]], dtype=torch.int8)
    loss = masked_loss(logits, truth, "multi-class")
    assert float(loss.detach()) == pytest.approx(float(cross_entropy(logits.detach()[[0, 2]], torch.tensor([1, 2]))))
    loss.backward()
    assert logits.grad is not None
    assert [bool(row.any()) for row in logits.grad] == [True, False, True]
    nothing = torch.full((2, 3), -1, dtype=torch.int8)
    assert float(masked_loss(torch.randn(2, 3), nothing, "multi-class")) == 0


def test_two_logits_are_a_softmax_over_absent_and_present() -> None:
    head = build_head(replace(TOY, binary_head="softmax"), 4, 1)
    features, truth = torch.randn(5, 4), torch.tensor([[0], [1], [1], [0], [1]], dtype=torch.int8)
    both = head[0](features)
    expected = cross_entropy(both, truth[:, 0].long())
    assert float(masked_loss(head(features), truth, "multi-label").detach()) == pytest.approx(
        float(expected.detach()), rel=1e-5
    )
    assert build_head(replace(TOY, binary_head="softmax"), 4, 3)[-1].out_features == 3


def test_heads_are_drawn_as_the_recipe_says() -> None:
    torch.manual_seed(0)
    benchx, plain = build_head(BENCHX, 512, 14), build_head(MGCA_LINEAR, 512, 14)
    norm, linear = benchx
    assert isinstance(norm, nn.LayerNorm)
    assert float(linear.weight.detach().abs().max()) <= 4e-5
    assert float(linear.weight.detach().std()) == pytest.approx(2e-5 * 0.88, rel=0.05), "a normal cut at two deviations"
    assert not linear.bias.any()
    assert [type(part) for part in plain] == [nn.Linear]
    assert float(plain[0].weight.detach().abs().max()) == pytest.approx(1 / math.sqrt(512), rel=0.01)


def test_an_encoder_that_stays_is_no_part_of_the_model_and_never_leaves_eval_mode() -> None:
    encoder = TinyImageEncoder()
    model = ImageClassifier(
        encoder,
        nn.Linear(6, 1),
        "multi-label",
        frozen=True,
        stays=True,
        preprocess=encoder.preprocess,
        precision="fp32",
    )
    model.train()
    model.init_weights()
    assert set(model.state_dict()) == {"head.weight", "head.bias"}
    assert not encoder.training
    pixels, truth = torch.zeros(2, 16, 16, dtype=torch.uint8), torch.ones(2, 1, dtype=torch.int8)
    model(pixels, truth, mode="loss")["loss"].backward()
    assert all(parameter.grad is None for parameter in encoder.parameters())


LOGITS = torch.tensor([[2.0, -1.0, 5.0], [-2.0, -1.0, 5.0], [-1.0, -1.0, 5.0], [9.0, -1.0, 5.0]])
TRUTH = np.array([[1, 1, 1], [0, 0, 1], [0, 0, 1], [-1, 1, 1]], np.int8)


@pytest.mark.parametrize(
    ("score", "expected"), [("auroc", (1.0 + 0.5) / 2), ("f1", (1.0 + 0.0) / 2), ("accuracy", (1.0 + 0.5) / 2)]
)
def test_validation_scores_are_over_labels_that_have_both_classes(score: str, expected: float) -> None:
    assert score_of(score, LOGITS, TRUTH, "multi-label") == expected  # type: ignore[arg-type]


def test_the_validation_loss_is_over_all_labels_that_are_known() -> None:
    known = TRUTH >= 0
    signed = np.where(TRUTH == 1, 1.0, -1.0) * LOGITS.numpy()
    expected = np.log1p(np.exp(-signed[known])).mean()
    assert score_of("loss", LOGITS, TRUTH, "multi-label") == pytest.approx(expected)


def test_of_classes_the_likeliest_is_the_answer() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.5]])
    truth = np.eye(3, dtype=np.int8)
    assert score_of("f1", logits, truth, "multi-class") == pytest.approx((1.0 + 2 / 3 + 0.0) / 3)
    truth = np.concatenate([truth, np.full((1, 3), -1, np.int8)])
    assert score_of("accuracy", torch.cat([logits, logits[:1]]), truth, "multi-class") == pytest.approx(2 / 3)


@pytest.mark.parametrize("score", ["auroc", "f1", "accuracy", "loss"])
def test_a_score_of_logits_that_are_no_numbers_is_none(score: str) -> None:
    logits = torch.tensor([[NAN], [1.0]])
    assert math.isnan(score_of(score, logits, np.array([[0], [1]], np.int8), "multi-label"))  # type: ignore[arg-type]
