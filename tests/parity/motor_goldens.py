"""MOTOR's goldens: its checkpoints by the rule, written in the official containers, and what all of its models compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import normalize, pad
from vision_language_goldens import write
from weights import golden_images, golden_sentences

from medbench.capabilities import LoadRequest
from medbench_methods import motor
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.blip_texts import BlipTexts

CONTAINERS = {"model": ("optimizer", "config"), "state_dict": ("optimizer",), "model_state": ("optimizer_state",)}


def golden_root(folder: Path, shared: Path) -> Path:
    """``folder`` as a checkpoints root that has the true vocabulary."""
    (folder / "tokenizers").symlink_to(shared / "data" / "vocab")
    return folder


def load_motor(state: Mapping[str, Tensor], container: str, root: Path, *variants: str) -> list[Any]:
    """The models of ``variants`` on these tensors, by the plugin's own loader; the file is gone afterwards."""
    path = root / "checkpoint.pth"
    write({container: dict(state), "epoch": 1} | {name: {} for name in CONTAINERS[container]}, path)
    models = [motor.load(LoadRequest(variant=variant, checkpoint=path, assets=root)) for variant in variants]
    path.unlink()
    return models


def two_views() -> Tensor:
    """(2, 2, 3, 224, 224): the golden images and, as second views, those of the next seed."""
    values = np.random.RandomState(1).standard_normal((2, 3, 224, 224)).astype(np.float32) * np.float32(0.5)
    return torch.stack([golden_images(), torch.from_numpy(values)], dim=1)


def as_they_are(texts: BlipTexts, sentences: list[str]) -> Tokens:
    """Texts without any cleaning, [CLS] first."""
    tokens = texts.answers(sentences)
    ids = tokens.ids.clone()
    ids[:, 0] = MOTOR.ids.cls
    return Tokens(ids, tokens.mask)


@torch.inference_mode()
def text_arrays(model: Any) -> dict[str, Tensor]:
    """Ids (trimmed to the longest text and one column of padding), states and features of cleaned and of raw sentences."""
    arrays: dict[str, Tensor] = {}
    sentences = golden_sentences()
    for name, tokens in {
        "text": model.texts.embedded(sentences),
        "rawtext": as_they_are(model.texts, sentences),
    }.items():
        states = model.net.text_states(tokens)
        arrays |= {
            f"{name}_input_ids": pad(tokens.ids, (0, 1)),
            f"{name}_cls": states[:, 0],
            f"{name}_tokens0": states[0],
            f"{name}_feat": normalize(model.net.text_proj(states[:, 0]), dim=-1),
        }
    return arrays


@torch.inference_mode()
def match_arrays(model: Any, tokens: Tensor, suffix: str = "") -> dict[str, Tensor]:
    """Match logits and fused [CLS] of every image with every sentence."""
    texts = model.texts.fused(golden_sentences())
    cls = torch.stack([model.net.fused_states(one[None], texts)[:, 0] for one in tokens])
    return {f"itm_cls{suffix}": cls, f"itm_logits{suffix}": model.net.itm_head(cls)}


def assert_motor(arrays: Mapping[str, NDArray[Any]], name: str, value: Tensor) -> None:
    """``value`` equals the golden: ids exactly, numbers at 1e-4 relative and 1e-5 absolute."""
    actual, wanted = value.detach().numpy(), arrays[name]
    if wanted.dtype.kind == "i":
        np.testing.assert_array_equal(actual, wanted, err_msg=name)
    else:
        assert actual.shape == wanted.shape, name
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5, err_msg=name)
