"""Generated checkpoints of the MGCA family, in the container and key layout of the published files."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from medbench_methods.nets.aligned import AlignedEncoder
from medbench_methods.nets.drawing import draw_weights
from medbench_methods.nets.family import IMAGE_PREFIXES, TEXT_PREFIXES, Family, make_on_meta
from medbench_methods.nets.projection import JOINT_DIM
from medbench_methods.nets.text import make_text_tower
from medbench_methods.nets.vocabulary_files import write_vocabulary
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

OFFICIAL_NAMES = {"resnet50": "resnet_50", "vit-b16": "vit_base"}
PROTOTYPES = 500


def write_family(
    folder: Path, family: Family, variants: tuple[str, ...], seed: int, hyper_parameters: Mapping[str, Any]
) -> list[Path]:
    """Write ``<method>/<official name>.ckpt`` for each variant under ``folder``; the paths written.

    Where ``folder`` has no vocabulary for the text tower, a generated one is put there.
    """
    write_vocabulary(folder, CLINICAL_BERT)
    paths = []
    for variant in variants:
        path = folder / family.method / f"{OFFICIAL_NAMES[variant]}.ckpt"
        path.parent.mkdir(parents=True, exist_ok=True)
        state = draw_weights(official_layout(family, variant), seed)
        partial = path.with_suffix(".partial")  # a file under its final name is always whole
        torch.save(_container(state, {**hyper_parameters, "img_encoder": OFFICIAL_NAMES[variant]}), partial)
        partial.replace(path)
        paths.append(path)
    return paths


def official_layout(family: Family, variant: str) -> dict[str, Tensor]:
    """Every key of the published state_dict in its order, with a tensor on the meta device of its shape and type."""
    encoder = make_on_meta(family, variant, AlignedEncoder, None)
    tower = make_text_tower()
    with torch.device("meta"):
        twins = {name: getattr(encoder, name.removesuffix("_la")) for name in family.twins}
        tail = {name: _tail_module(name) for name in family.tail}
    return {
        **_under("img_encoder_q.model.", encoder.trunk.net),
        **_under(IMAGE_PREFIXES["global_embed."], encoder.global_embed),
        **_under(IMAGE_PREFIXES["local_embed."], encoder.local_embed),
        **{key: value for name, twin in twins.items() for key, value in _under(f"img_encoder_q.{name}.", twin).items()},
        **_bert_layout(tower.bert, pooler=family.pooler),
        **_under(TEXT_PREFIXES["global_embed."], tower.global_embed),
        **_under(TEXT_PREFIXES["local_embed."], tower.local_embed),
        **{key: value for name, module in tail.items() for key, value in _under(f"{name}.", module).items()},
    }


def _bert_layout(bert: nn.Module, *, pooler: bool) -> dict[str, Tensor]:
    """BERT's keys as its authors store them: position ids, no token types, cross-attention after each attention."""
    prefix = "text_encoder_q.model."
    layout = {f"{prefix}embeddings.position_ids": torch.empty(1, 512, dtype=torch.int64, device="meta")}
    stored = {key: value for key, value in _under(prefix, bert).items() if "token_type" not in key}
    attention: dict[str, Tensor] = {}
    for key, value in stored.items():
        if ".intermediate.dense.weight" in key:
            layout |= attention
            attention = {}
        layout[key] = value
        if ".attention." in key:
            attention[key.replace(".attention.", ".crossattention.", 1)] = value
    if pooler:
        layout[f"{prefix}pooler.dense.weight"] = torch.empty(768, 768, device="meta")
        layout[f"{prefix}pooler.dense.bias"] = torch.empty(768, device="meta")
    return layout


def _tail_module(name: str) -> nn.Module:
    if name == "prototype_layer":
        return nn.Linear(JOINT_DIM, PROTOTYPES, bias=False)
    return nn.MultiheadAttention(JOINT_DIM, num_heads=1)


def _under(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in module.state_dict().items()}


def _container(state: dict[str, Tensor], hyper_parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "epoch": 1,
        "global_step": 1,
        "pytorch-lightning_version": "1.5.10",
        "state_dict": OrderedDict(state),
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper_parameters,
    }
