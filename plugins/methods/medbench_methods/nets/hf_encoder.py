"""A transformers model as image encoder, and as text encoder where it has both towers."""

from __future__ import annotations

import inspect
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from medbench.errors import CheckpointError, UsageError
from medbench.one_pass import once_a_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench_methods.nets.hf_kinds import Kind

_NAMED = 3


class HfEncoder(nn.Module):
    """`ImageEncoder`, by the kind's rule; `DenseImageEncoder` and `TextEncoder` where the kind has maps and a text tower."""

    def __init__(self, model: Any, kind: Kind, preprocess: Preprocess, tokenizer: Any) -> None:
        super().__init__()
        self.model = model
        self.kind = kind
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        tower = self._tower()
        # Plain ViTs stretch their positions to other sizes only when told to; at their own size this changes nothing.
        stretches = "interpolate_pos_encoding" in inspect.signature(tower.forward).parameters
        self._options = {"interpolate_pos_encoding": True} if stretches else {}
        self.embed_dim, self.joint_dim, self.channels, self.strides = self._look()

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim), before any projection."""
        output = self._seen(images)
        if self.kind.pooling == "cls":
            pooled = output.last_hidden_state[:, 0]
        elif self.kind.pooling == "mean":
            pooled = output.last_hidden_state.mean(dim=1)
        else:
            pooled = getattr(output, "pooler_output", None)
        if not isinstance(pooled, torch.Tensor):
            raise UsageError(f"{type(self.model).__name__} gives no pooled output, so it is no image encoder")
        return pooled.flatten(1)

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> maps (B, channels[i], H / strides[i], W / strides[i])."""
        tower = self._tower()
        if self.kind.maps == "stages":
            return tuple(tower(pixel_values=images, output_hidden_states=True).hidden_states[1:])
        if self.kind.maps is None:
            raise UsageError(f"{type(self.model).__name__} gives no maps that medbench knows, so no dense prediction")
        tokens = self._seen(images).last_hidden_state
        patch = tower.config.patch_size
        height, width = (int(side) // int(patch) for side in images.shape[-2:])
        patches = tokens[:, tokens.shape[1] - height * width :]  # class and register tokens stand in front
        return (patches.transpose(1, 2).reshape(len(images), -1, height, width),)

    def encode_texts(self, texts: list[str]) -> Tensor:
        """B texts -> (B, joint_dim), projected; what goes beyond the text tower's positions is cut off."""
        if self.tokenizer is None:
            raise UsageError(f"{type(self.model).__name__} came without a tokenizer")
        text = self.model.config.text_config
        batch = self.tokenizer(
            texts,
            padding=self.kind.padding,
            truncation=True,
            max_length=min(text.max_position_embeddings, self.tokenizer.model_max_length),
            return_tensors="pt",
        )
        device = next(self.parameters()).device
        inputs = {"input_ids": batch["input_ids"].to(device)}
        if (
            self.kind.padding == "longest"
        ):  # a tower that was trained on full-length texts sees the padding too (SigLIP)
            inputs["attention_mask"] = batch["attention_mask"].to(device)
        output = self.model.get_text_features(**inputs)
        features: Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
        return features

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) -> (B, joint_dim); the same where the towers meet without a projection (SigLIP)."""
        projection = getattr(self.model, "visual_projection", None)
        projected: Tensor = features if projection is None else projection(features)
        return projected

    @once_a_batch
    def _seen(self, images: Tensor) -> Any:
        """What the image tower gives, in transformers' form."""
        return self._tower()(pixel_values=images, **self._options)

    def _tower(self) -> Any:
        return self.model.vision_model if self.kind.joint else self.model

    @torch.inference_mode()
    def _look(self) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
        """The widths and strides, seen on an empty image: configurations name them in a dozen ways."""
        self.eval()
        side = self.preprocess.crop
        image = torch.zeros(1, 3, side, side)
        features = self.encode_images(image)
        maps = self.encode_pyramid(image) if self.kind.maps is not None else ()
        if (
            self.kind.maps == "stages"
        ):  # a stage halves its input and rounds up: powers of two, whatever the image's side
            strides = tuple(1 << round(math.log2(side / one.shape[2])) for one in maps)
        else:
            strides = tuple(int(self._tower().config.patch_size) for _ in maps)
        return features.shape[1], self.project_images(features).shape[1], tuple(one.shape[1] for one in maps), strides


def load_model(folder: Path, kind: Kind, *, remote_code: bool) -> Any:
    """The model of a folder, every tensor from its file. Raises `CheckpointError`.

    Only a leftover pooler that ``kind`` does not use may be absent: left to itself the library draws what is missing.
    """
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            model, report = AutoModel.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=remote_code,
                output_loading_info=True,
            )
    except Exception as error:  # the library raises whatever its file formats do
        reason = " ".join(str(error).split())[:160]
        raise CheckpointError(f"{folder} could not be loaded ({type(error).__name__}: {reason})") from error
    spare = () if kind.pooling == "pooler" else ("pooler.",)
    wrong = [key for key in report["missing_keys"] if not key.startswith(spare)]
    wrong += [str(key[0] if isinstance(key, tuple) else key) for key in report["mismatched_keys"]]
    inside = tuple(f"{name}." for name, _ in model.named_children() if name != "pooler")
    wrong += [key for key in report["unexpected_keys"] if key.startswith(inside)]
    if wrong:
        named = ", ".join(sorted(wrong)[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
        raise CheckpointError(
            f"the weights in {folder} do not fit its config.json: {len(wrong)} tensors missing, misshapen or over ({named})",
            fix="download the whole repository again",
        )
    return model


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder. Raises `CheckpointError`."""
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises whatever its file formats do
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{folder} holds no readable tokenizer ({type(error).__name__}: {reason})") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's bars and its report of unused heads; what is wrong with the weights is said by `load_model`."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
