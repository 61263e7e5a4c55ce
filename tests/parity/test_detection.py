"""The published detection protocol, number by number: loss, targets, decoding, suppression, preprocessing, whole model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from weights import ATOL, RTOL, golden_arrays, golden_images, golden_state_dict, head_state_dict

if TYPE_CHECKING:
    from pathlib import Path

BOX_ATOL = 1e-3
STRIDES = (32, 16, 8)


@pytest.fixture(scope="module")
def numbers(shared: Path) -> dict[str, Any]:
    return golden_arrays(shared / "golden" / "mgca-metrics")


@pytest.fixture(scope="module")
def raw_maps() -> list[torch.Tensor]:
    draw = np.random.RandomState(1)
    return [torch.from_numpy(draw.standard_normal((3, 18, side, side)).astype(np.float32)) for side in (7, 14, 28)]


@pytest.fixture(scope="module")
def head() -> Any:
    from mmdet.registry import MODELS

    from medbench_tasks.detection.model import _head, _test_cfg
    from medbench_tasks.recipes import MGCA_DETECTION_RSNA

    config = _head(MGCA_DETECTION_RSNA, STRIDES, num_classes=1)
    config.test_cfg = _test_cfg(MGCA_DETECTION_RSNA)
    return MODELS.build(config)


def truths_of(labels: np.ndarray) -> list[Any]:
    """Zero-padded rows of class, cx, cy, w, h in 0..1 -> truths in pixels of the 224 square."""
    from mmengine.structures import InstanceData

    truths = []
    for image in labels:
        rows = image[image.sum(axis=1) > 0]
        corners = np.concatenate((rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2), axis=1) * 224
        truths.append(
            InstanceData(
                bboxes=torch.from_numpy(corners.astype(np.float32)),
                labels=torch.from_numpy(rows[:, 0].astype(np.int64)),
            )
        )
    return truths


def test_the_generator_of_raw_maps_is_the_goldens(numbers: dict[str, Any], raw_maps: list[torch.Tensor]) -> None:
    for level, raw in enumerate(raw_maps):
        np.testing.assert_array_equal(
            raw.flatten()[:4].numpy(), numbers[f"yolo_input{level}_check"][0], err_msg=f"scale {level}"
        )


def test_anchors_are_the_published_ones(numbers: dict[str, Any], head: Any) -> None:
    for level in range(3):
        np.testing.assert_allclose(head.anchors(level).numpy(), numbers["yolo_anchors"][level], rtol=1e-6)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_targets_are_the_published_ones(level: int, numbers: dict[str, Any], head: Any) -> None:
    from medbench_tasks.detection.mgca_head import grid_targets

    side = 224 // STRIDES[level]
    targets = grid_targets(
        truths_of(numbers["yolo_labels"]),
        anchors=head.anchors(level),
        stride=STRIDES[level],
        grid=(side, side),
        num_classes=1,
    )
    prefix = f"yolo_target{level}"
    np.testing.assert_array_equal(targets.positive.nonzero().numpy(), numbers[f"{prefix}_mask_idx"])
    np.testing.assert_array_equal((targets.noobj == 0).nonzero().numpy(), numbers[f"{prefix}_noobj_mask_idx"])
    np.testing.assert_array_equal(targets.classes.nonzero().numpy(), numbers[f"{prefix}_tcls_idx"])
    for name in ("x", "y", "w", "h"):
        values = getattr(targets, name)
        where = tuple(numbers[f"{prefix}_t{name}_idx"].T)
        np.testing.assert_allclose(values[where].numpy(), numbers[f"{prefix}_t{name}_val"], rtol=RTOL, atol=ATOL)


def test_losses_are_the_published_ones(numbers: dict[str, Any], head: Any, raw_maps: list[torch.Tensor]) -> None:
    losses = head.loss_by_feat(raw_maps, truths_of(numbers["yolo_labels"]), [{}] * 3)
    weights = {"x": 2.5, "y": 2.5, "w": 2.5, "h": 2.5, "conf": 1.0, "classes": 1.0}
    for level in range(3):
        total, *parts = numbers[f"yolo_loss{level}"]
        for (name, weight), part in zip(weights.items(), parts, strict=True):
            ours = float(losses[f"loss_{name}"][level]) / weight
            assert ours == pytest.approx(part, rel=RTOL, abs=ATOL), (level, name)
        assert sum(float(values[level]) for values in losses.values()) == pytest.approx(total, rel=RTOL)
    summed = sum(float(sum(values)) for values in losses.values())
    assert summed == pytest.approx(numbers["yolo_loss_total"][0], rel=RTOL)


def test_decoding_is_the_published_one(numbers: dict[str, Any], head: Any, raw_maps: list[torch.Tensor]) -> None:
    decoded = head.decode(raw_maps).numpy()
    np.testing.assert_allclose(decoded[:, ::23], numbers["yolo_decoded__corner"], rtol=RTOL, atol=BOX_ATOL)
    assert decoded.astype(np.float64).mean() == pytest.approx(numbers["yolo_decoded__mean"], rel=RTOL)
    assert decoded.astype(np.float64).std() == pytest.approx(numbers["yolo_decoded__std"], rel=RTOL)


@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_suppression_is_the_published_one(
    confidence: float, numbers: dict[str, Any], head: Any, raw_maps: list[torch.Tensor]
) -> None:
    from medbench_tasks.detection.mgca_head import suppress

    for image, decoded in enumerate(head.decode(raw_maps)):
        rows = suppress(decoded, confidence=confidence, iou=0.5)
        prefix = f"yolo_nms_conf{confidence}"
        assert len(rows) == numbers[f"{prefix}_count{image}"]
        kept = numbers[f"{prefix}_img{image}"]
        np.testing.assert_allclose(rows[: len(kept)].numpy(), kept, rtol=RTOL, atol=BOX_ATOL)


def test_plus_one_iou_is_the_published_one(numbers: dict[str, Any]) -> None:
    from medbench_tasks.detection.mgca_head import plus_one_iou

    ours = plus_one_iou(torch.from_numpy(numbers["boxes1"]), torch.from_numpy(numbers["boxes2"]))
    np.testing.assert_allclose(ours.numpy(), numbers["bbox_iou"], rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("shape", ["tall", "wide", "square"])
def test_preprocessing_is_the_published_one(shape: str, numbers: dict[str, Any]) -> None:
    from medbench.capabilities import Preprocess
    from medbench_tasks.pixels import normalise, squash

    half = (0.5, 0.5, 0.5)
    preprocess = Preprocess(resize=256, mode="pad", crop=224, mean=half, std=half)
    image = normalise(squash(numbers[f"pre_{shape}_in"], 224), preprocess)
    assert image.shape == (3, 224, 224)
    for channel in image.numpy():
        np.testing.assert_allclose(channel[::8, ::8], numbers[f"pre_{shape}_detection__corner"], rtol=RTOL, atol=ATOL)
        assert channel.astype(np.float64).mean() == pytest.approx(numbers[f"pre_{shape}_detection__mean"], abs=ATOL)


def test_boxes_are_scaled_as_at_the_first_access(numbers: dict[str, Any]) -> None:
    from medbench.samples import Box
    from medbench_tasks.detection.samples import squashed_boxes

    boxes = (Box(0, 4, 10, 16, 40), Box(0, 24, 8, 20, 22))
    for _ in range(2):
        corners = squashed_boxes(boxes, height=64, width=48, size=224) / 224
        ours = np.concatenate(((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]), axis=1)
        np.testing.assert_allclose(ours, numbers["det_dataset_labels_first_access"][:2, 1:], rtol=RTOL)


def test_the_whole_detector_computes_the_published_outputs(shared: Path) -> None:
    """Torchvision's ResNet-50 with the published weights, mmdet's neck, our head with its keys renamed."""
    from medbench_tasks.detection.mgca_head import suppress
    from medbench_tasks.detection.model import build_detector
    from medbench_tasks.pyramid import MethodPyramid
    from medbench_tasks.recipes import MGCA_DETECTION_RSNA

    folder = shared / "golden" / "mgca-resnet50"
    arrays = golden_arrays(folder)
    pyramid = MethodPyramid(published_trunk(golden_state_dict(folder)), strides=(8, 16, 32))
    detector = build_detector(pyramid, MGCA_DETECTION_RSNA, num_classes=1).eval()
    published = renamed(head_state_dict(folder, "detector"))
    problems = detector.load_state_dict(published, strict=False)
    assert not problems.unexpected_keys
    assert not problems.missing_keys

    with torch.no_grad():
        maps = detector(golden_images(), None)[0]
    decoded = detector.bbox_head.decode(maps)
    for level, raw in enumerate(maps):
        np.testing.assert_allclose(raw.numpy(), arrays[f"det_head{level}"], rtol=RTOL, atol=ATOL)
    np.testing.assert_allclose(decoded.numpy(), arrays["det_decoded"], rtol=RTOL, atol=BOX_ATOL)
    for image in range(2):
        kept = arrays[f"det_nms_conf0.5_img{image}"]
        ours = suppress(decoded[image], confidence=0.5, iou=0.5)[: len(kept)]
        np.testing.assert_allclose(ours.numpy(), kept, rtol=RTOL, atol=BOX_ATOL)


def published_trunk(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A ResNet-50 with the method's weights that gives its last three stages."""
    import torchvision
    from torch import nn
    from torchvision.models.feature_extraction import create_feature_extractor

    prefix = "img_encoder_q.model."
    trunk = torchvision.models.resnet50()
    trunk.fc = nn.Identity()
    trunk.load_state_dict({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
    stages = create_feature_extractor(trunk.eval(), ["layer2", "layer3", "layer4"])

    class Trunk(nn.Module):
        channels = (512, 1024, 2048)
        strides = (8, 16, 32)

        def __init__(self) -> None:
            super().__init__()
            self.stages = stages

        def encode_pyramid(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(self.stages(images).values())

    return Trunk().eval()


def renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published detector's keys -> those of mmdet's neck and head."""
    names = {}
    for key, value in state.items():
        _, block, *rest = key.split(".")
        scale = int(block[len("embedding")])
        if block.endswith("_cbl"):
            target = ["neck", f"conv{scale}", *rest]
        elif rest[0] == "conv_out":
            target = ["bbox_head", "convs_pred", str(scale), *rest[1:]]
        elif rest[0] == "5":
            target = ["bbox_head", "convs_bridge", str(scale), *rest[1:]]
        else:
            target = ["neck", f"detect{scale + 1}", f"conv{int(rest[0]) + 1}", *rest[1:]]
        names[".".join(target)] = value
    return names


def golden_detections(numbers: dict[str, Any]) -> list[Any]:
    """The 20 images of the mAP goldens."""
    from medbench_tasks.detection.metrics import ImageBoxes

    ends = np.cumsum(numbers["map_pred_count"])
    found = []
    for truth, end, count in zip(truths_of(numbers["map_labels"]), ends, numbers["map_pred_count"], strict=True):
        rows = numbers["map_preds"][end - count : end].astype(np.float64)
        found.append(
            ImageBoxes(
                boxes=rows[:, :4],
                scores=rows[:, 4],
                labels=rows[:, 6].astype(np.int64),
                truth_boxes=truth.bboxes.numpy().astype(np.float64),
                truth_labels=truth.labels.numpy(),
            )
        )
    return found


def test_map_over_all_images_is_pycocotools_and_as_released_is_the_published_one(
    shared: Path, numbers: dict[str, Any]
) -> None:
    from medbench_tasks.detection.metrics import IOU_THRESHOLDS, as_released, confident, match

    images = golden_detections(numbers)
    used = as_released(images)
    reference = json.loads((shared / "golden" / "mgca-metrics" / "cocoeval_reference.json").read_text())
    cases = {"full": match(images), "skipping": match([confident(images[index]) for index in used])}
    assert len(used) == numbers["map_images_used"]
    for name, detections in cases.items():
        ours = detections.average_precision()[0]
        (expected,) = (value for key, value in reference.items() if key.startswith(name))
        assert ours.mean() == pytest.approx(expected["map"], abs=1e-6)
        assert ours.mean() == pytest.approx(float(numbers[f"map_all_{name}"]), abs=1e-5)
        for threshold, value in zip(IOU_THRESHOLDS, ours, strict=True):
            assert value == pytest.approx(expected["per_threshold"][f"{threshold:.2f}"], abs=1e-6)
            assert value == pytest.approx(float(numbers[f"map_thr{threshold:.2f}_{name}"]), abs=1e-5)
    published = numbers["map_result_keys_values"]
    released = cases["skipping"].average_precision()[0]
    assert (released.mean(), released[2], released[7]) == pytest.approx(tuple(published[:3]), abs=1e-5)
