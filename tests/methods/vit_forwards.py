"""Vision transformers written out over the tensors of published files, to hold the loaded ones to. Numbers are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

CLIP, JAX = "vision_encoder.visual.", "transformer."
WIDTH, HEADS = 768, 12
Shapes = dict[str, tuple[int, ...]]


def drawn(shapes: Shapes) -> dict[str, Tensor]:
    """Values by which every tensor can be told from every other; the weights of norms lie about one."""
    generator = torch.Generator().manual_seed(5)
    state = {key: torch.empty(shape).normal_(0, 0.02, generator=generator) for key, shape in shapes.items()}
    return {key: 1 + 4 * tensor if _of_norm(key) else tensor for key, tensor in state.items()}


def clip_state(positions: int) -> dict[str, Tensor]:
    """PTUnifier's image tower, OpenAI's names without the twelfth block, and some of what stands beside it."""
    shapes: Shapes = {
        f"{CLIP}class_embedding": (WIDTH,),
        f"{CLIP}positional_embedding": (positions, WIDTH),
        f"{CLIP}conv1.weight": (WIDTH, 3, 16, 16),
        **_norm(f"{CLIP}ln_pre"),
        **_norm(f"{CLIP}ln_post"),
        "vision_encoder.token_embedding.weight": (3, 512),
        "vision_encoder.positional_embedding": (77, 512),
        **_norm("vision_encoder.ln_final", 512),
        "language_encoder.encoder.layer.0.output.dense.bias": (WIDTH,),
        **_layer("multi_modal_vision_proj", WIDTH, WIDTH),
        "modality_type_embeddings.weight": (2, WIDTH),
        "pseudo_vision_token_pool": (2048, WIDTH),
    }
    for number in range(11):
        block = f"{CLIP}transformer.resblocks.{number}."
        shapes |= _norm(f"{block}ln_1") | _norm(f"{block}ln_2") | _layer(f"{block}attn.out_proj", WIDTH, WIDTH)
        shapes |= {f"{block}attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{block}attn.in_proj_bias": (3 * WIDTH,)}
        shapes |= _layer(f"{block}mlp.c_fc", 4 * WIDTH, WIDTH) | _layer(f"{block}mlp.c_proj", WIDTH, 4 * WIDTH)
    return drawn(shapes)


def clip_tokens(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """(B, 3, H, W) -> all tokens (B, 1 + T, 768): torch's own attention, and a sigmoid in place of GELU."""
    net = _Layers(state, 1e-5)
    patches = functional.conv2d(images, state[f"{CLIP}conv1.weight"], stride=16).flatten(2).transpose(1, 2)
    first = state[f"{CLIP}class_embedding"].expand(len(images), 1, -1)
    tokens = net.normed(torch.cat([first, patches], dim=1) + state[f"{CLIP}positional_embedding"], f"{CLIP}ln_pre")
    for number in range(11):
        block = f"{CLIP}transformer.resblocks.{number}."
        own = {key.removeprefix(f"{block}attn."): state[key] for key in state if key.startswith(f"{block}attn.")}
        attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, device="meta")
        attention.load_state_dict(own, assign=True)
        seen = net.normed(tokens, f"{block}ln_1")
        tokens = tokens + attention(seen, seen, seen, need_weights=False)[0]
        wide = net.linear(net.normed(tokens, f"{block}ln_2"), f"{block}mlp.c_fc")
        tokens = tokens + net.linear(wide * torch.sigmoid(1.702 * wide), f"{block}mlp.c_proj")
    return net.normed(tokens, f"{CLIP}ln_post")


def jax_state(patches: int = 196) -> dict[str, Tensor]:
    """REFERS's tower with a classifier beside it."""
    shapes: Shapes = {
        f"{JAX}embeddings.cls_token": (1, 1, WIDTH),
        f"{JAX}embeddings.position_embeddings": (1, 1 + patches, WIDTH),
        f"{JAX}embeddings.patch_embeddings.weight": (WIDTH, 3, 16, 16),
        f"{JAX}embeddings.patch_embeddings.bias": (WIDTH,),
        **_norm(f"{JAX}encoder.encoder_norm"),
        **_layer("head", 14, WIDTH),
    }
    for number in range(12):
        block = f"{JAX}encoder.layer.{number}."
        shapes |= _norm(f"{block}attention_norm") | _norm(f"{block}ffn_norm")
        for name in ("query", "key", "value", "out"):
            shapes |= _layer(f"{block}attn.{name}", WIDTH, WIDTH)
        shapes |= _layer(f"{block}ffn.fc1", 4 * WIDTH, WIDTH) | _layer(f"{block}ffn.fc2", WIDTH, 4 * WIDTH)
    return drawn(shapes)


def jax_tokens(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """(B, 3, H, W) -> all tokens (B, 1 + T, 768), the attention written out."""
    net = _Layers(state, 1e-6)
    stem = f"{JAX}embeddings.patch_embeddings"
    patches = functional.conv2d(images, state[f"{stem}.weight"], state[f"{stem}.bias"], stride=16)
    first = state[f"{JAX}embeddings.cls_token"].expand(len(images), -1, -1)
    tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1)
    tokens = tokens + state[f"{JAX}embeddings.position_embeddings"]
    for number in range(12):
        block = f"{JAX}encoder.layer.{number}."
        seen = net.normed(tokens, f"{block}attention_norm")
        query, key, value = (net.heads(seen, f"{block}attn.{name}") for name in ("query", "key", "value"))
        shares = (query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).softmax(dim=-1)
        tokens = tokens + net.linear((shares @ value).transpose(1, 2).flatten(2), f"{block}attn.out")
        wide = net.linear(net.normed(tokens, f"{block}ffn_norm"), f"{block}ffn.fc1")
        tokens = tokens + net.linear(functional.gelu(wide), f"{block}ffn.fc2")
    return net.normed(tokens, f"{JAX}encoder.encoder_norm")


@dataclass(frozen=True)
class _Layers:
    """The layers of a state_dict by name."""

    state: dict[str, Tensor]
    eps: float

    def normed(self, tokens: Tensor, name: str) -> Tensor:
        return functional.layer_norm(
            tokens, (WIDTH,), self.state[f"{name}.weight"], self.state[f"{name}.bias"], self.eps
        )

    def linear(self, tokens: Tensor, name: str) -> Tensor:
        return functional.linear(tokens, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def heads(self, tokens: Tensor, name: str) -> Tensor:
        """(B, T, 768) -> (B, heads, T, 64)."""
        return self.linear(tokens, name).unflatten(-1, (HEADS, -1)).transpose(1, 2)


def _of_norm(key: str) -> bool:
    return key.endswith("weight") and ("norm" in key or "ln_" in key)


def _layer(name: str, outside: int, inside: int) -> Shapes:
    return {f"{name}.weight": (outside, inside), f"{name}.bias": (outside,)}


def _norm(name: str, width: int = WIDTH) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
