"""Images, positions and lengths of texts of MOTOR are the release's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from motor_goldens import golden_root
from transformers import BlipVisionConfig, BlipVisionModel
from weights import ATOL, RTOL, _tensor, golden_arrays

from medbench.preprocessing import normalised, resized
from medbench_methods.nets.blip_texts import load_texts
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_vqa import IMAGE_SIZE
from medbench_methods.nets.motor_vqa import resized as resized_net

if TYPE_CHECKING:
    from pathlib import Path


def test_images_are_the_published_ones(shared: Path) -> None:
    arrays = golden_arrays(shared / "golden" / "preproc-blip")
    preprocess = MOTOR.preprocess(224)
    pixels = torch.from_numpy(resized(arrays["image_gray"], preprocess))[None]
    ours = normalised(pixels, preprocess)[0, :, ::7, ::7]
    np.testing.assert_allclose(ours.numpy(), arrays["motor_eval"], rtol=RTOL, atol=ATOL)


def test_positions_of_the_question_net_are_interpolated_as_published(shared: Path) -> None:
    arrays = golden_arrays(shared / "golden" / "preproc-blip")
    net = BlipVisionModel(BlipVisionConfig(hidden_size=768, num_hidden_layers=1, image_size=224, patch_size=16))
    with torch.no_grad():
        net.embeddings.position_embedding.copy_(_tensor("visual_encoder.pos_embed", (1, 197, 768), "float32"))
    found = resized_net(net, IMAGE_SIZE).embeddings.position_embedding.detach()
    assert found.shape == (1, 65, 768)
    np.testing.assert_allclose(found[0, ::3, ::16].numpy(), arrays["pos_128"], rtol=RTOL, atol=ATOL)
    assert net.embeddings.position_embedding.shape == (1, 197, 768)


def test_long_texts_are_cut_at_the_published_lengths(shared: Path, tmp_path: Path) -> None:
    texts = load_texts(golden_root(tmp_path, shared), MOTOR)
    word = texts.embedded(["effusion " * 5000])
    assert word.ids.shape == texts.fused(["effusion " * 5000]).ids.shape == (1, 90)
    assert word.ids[0, 0] == 102
    assert word.ids[0, -1] == 103
    assert texts.fused(["effusion"]).ids[0, 0] == 31091
    assert texts.reports(["effusion " * 5000]).ids.shape == (1, 90)
    assert texts.questions(["effusion " * 5000]).ids.shape == (1, 35)
    assert texts.prompt_ids[0] == 31090
    assert len(texts.prompt_ids) == 4
