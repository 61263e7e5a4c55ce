"""Tiny transformers models with drawn weights, in folders as their library saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from open_models import request_of, write_json

from medbench_methods import hf_family
from medbench_methods.nets.hf_kinds import KINDS

VIT = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
CNN = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 16, 24]}
TEXT = {
    "vocab_size": 20,
    "hidden_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 8,
    "eos_token_id": 3,
    "bos_token_id": 2,
    "pad_token_id": 0,
}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "finding", "effusion")
PROCESSOR = {"size": {"height": 32, "width": 32}, "resample": 3, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}


def config_of(kind: str) -> Any:
    """The configuration of a tiny model of a type."""
    if kind in {"clip", "siglip"}:
        text = TEXT | ({"projection_size": 16} if kind == "siglip" else {})
        extra = {"projection_dim": 10} if kind == "clip" else {}
        return transformers.CONFIG_MAPPING[kind](text_config=text, vision_config=VIT, **extra)
    if kind == "vision-text-dual-encoder":
        towers = (transformers.ViTConfig(**VIT), transformers.BertConfig(**TEXT))
        return transformers.VisionTextDualEncoderConfig.from_vision_text_configs(*towers, projection_dim=10)
    own = {"resnet": CNN | {"embedding_size": 8}, "regnet": CNN | {"embedding_size": 8, "groups_width": 8}}
    own |= {"convnext": CNN, "convnextv2": CNN, "swin": SWIN, "swinv2": SWIN}
    return transformers.CONFIG_MAPPING[kind](**own.get(kind, VIT))


def write(folder: Path, kind: str) -> Any:
    """A model with drawn weights as transformers saves it, with processor and tokenizer; also the model itself."""
    torch.manual_seed(5)
    model = transformers.AutoModel.from_config(config_of(kind)).eval()
    model.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", PROCESSOR)
    if KINDS[kind].joint:
        (folder / "words").write_text("\n".join(WORDS) + "\n")
        transformers.BertTokenizer(vocab=str(folder / "words")).save_pretrained(folder)
    return model


def load(name: str, checkpoints: Path) -> Any:
    return hf_family.load(request_of(hf_family.variant(name, checkpoints), checkpoints))
