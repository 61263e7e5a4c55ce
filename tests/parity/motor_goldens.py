"""MOTOR's goldens: its checkpoints by the rule, written in the official containers, and what all of its models compute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import normalize, pad
from weights import _filled, golden_images, golden_sentences

from medbench.capabilities import LoadRequest
from medbench_methods import motor
from medbench_methods.nets.blip_texts import BlipTokens
from medbench_methods.nets.motor_flavour import MOTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.blip_texts import BlipTexts

CONTAINERS = {"model": ("optimizer", "config"), "state_dict": ("optimizer",), "model_state": ("optimizer_state",)}


def is_left_out(key: str) -> bool:
    """Keys that no model reads and that only make a golden file large: momentum copies, queues."""
    return "_m." in key or "queue" in key


def golden_motor_state(folder: Path, leave_out: Callable[[str], bool] = is_left_out) -> dict[str, Tensor]:
    """The manifest's tensors by the rule, but for those left out; tied ones are one tensor, scalars are as constructed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    tied, scalars = manifest["tied"], manifest["scalars"]
    kept = {key: entry for key, entry in manifest["state_dict"].items() if not leave_out(key)}
    drawn = {key: entry for key, entry in kept.items() if key not in tied and key not in scalars}
    # The rule goes by the first of the tied names, which may itself be left out.
    drawn |= {tied[key]: manifest["state_dict"][tied[key]] for key in kept if key in tied}
    values = _filled(drawn)
    return {key: torch.tensor(scalars[key]) if key in scalars else values[tied.get(key, key)] for key in kept}


def golden_root(folder: Path, shared: Path) -> Path:
    """``folder`` as a checkpoints root that has the true vocabulary."""
    (folder / "tokenizers").symlink_to(shared / "data" / "vocab")
    return folder


def load_motor(state: Mapping[str, Tensor], variant: str, container: str, root: Path) -> Any:
    """The model of ``variant`` on these tensors, by the plugin's own loader; the file is gone afterwards."""
    path = root / "checkpoint.pth"
    torch.save({container: dict(state), "epoch": 1} | {name: {} for name in CONTAINERS[container]}, path)
    model = motor.load(LoadRequest(variant=variant, checkpoint=path, assets=root))
    path.unlink()
    return model


def two_views() -> Tensor:
    """(2, 2, 3, 224, 224): the golden images and, as second views, those of the next seed."""
    values = np.random.RandomState(1).standard_normal((2, 3, 224, 224)).astype(np.float32) * np.float32(0.5)
    return torch.stack([golden_images(), torch.from_numpy(values)], dim=1)


def as_they_are(texts: BlipTexts, sentences: list[str]) -> BlipTokens:
    """Texts without any cleaning, [CLS] first."""
    tokens = texts.answers(sentences)
    ids = tokens.ids.clone()
    ids[:, 0] = MOTOR.ids.cls
    return BlipTokens(ids, tokens.mask)


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


def published_scores(logits: Tensor, cosine: Tensor, k: int) -> Tensor:
    """(Q, C) match logit + cosine for the ``k`` candidates nearest by cosine, -100 elsewhere: the release's evaluation."""
    scores = torch.full_like(cosine, -100.0)
    nearest = cosine.topk(k, dim=1).indices
    return scores.scatter(1, nearest, (logits + cosine).gather(1, nearest))


def assert_motor(arrays: Mapping[str, NDArray[Any]], name: str, value: Tensor) -> None:
    """``value`` equals the golden: ids exactly, numbers at 1e-4 relative and 1e-5 absolute."""
    actual, wanted = value.detach().numpy(), arrays[name]
    if wanted.dtype.kind == "i":
        np.testing.assert_array_equal(actual, wanted, err_msg=name)
    else:
        assert actual.shape == wanted.shape, name
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5, err_msg=name)
