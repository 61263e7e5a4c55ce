"""What the tensors of timm's ViT are called in files of other origin, as renames of a `medbench.layouts.Layout`."""

from __future__ import annotations

from collections.abc import Mapping

TRUNK = "trunk.net."
_BLOCKS = f"{TRUNK}blocks.*."
UNBATCHED = (f"{TRUNK}cls_token", f"{TRUNK}pos_embed")
"""Which of them OpenAI's CLIP keeps without leading axes of size one."""


def clip_names(prefix: str) -> Mapping[str, str]:
    """The names of OpenAI's CLIP below ``prefix``, without the projection at its end."""
    theirs = f"{prefix}transformer.resblocks.*."
    return {
        f"{TRUNK}cls_token": f"{prefix}class_embedding",
        f"{TRUNK}pos_embed": f"{prefix}positional_embedding",
        f"{TRUNK}patch_embed.proj.**": f"{prefix}conv1.**",
        f"{TRUNK}norm_pre.**": f"{prefix}ln_pre.**",
        f"{TRUNK}norm.**": f"{prefix}ln_post.**",
        f"{_BLOCKS}norm1.**": f"{theirs}ln_1.**",
        f"{_BLOCKS}norm2.**": f"{theirs}ln_2.**",
        f"{_BLOCKS}attn.qkv.**": f"{theirs}attn.in_proj_**",
        f"{_BLOCKS}attn.proj.**": f"{theirs}attn.out_proj.**",
        f"{_BLOCKS}mlp.fc1.**": f"{theirs}mlp.c_fc.**",
        f"{_BLOCKS}mlp.fc2.**": f"{theirs}mlp.c_proj.**",
    }


def jax_names(prefix: str) -> Mapping[str, str | tuple[str, ...]]:
    """The names of the JAX release's ports below ``prefix``: queries, keys and values are matrices of their own."""
    theirs = f"{prefix}encoder.layer.*."
    return {
        f"{TRUNK}cls_token": f"{prefix}embeddings.cls_token",
        f"{TRUNK}pos_embed": f"{prefix}embeddings.position_embeddings",
        f"{TRUNK}patch_embed.proj.**": f"{prefix}embeddings.patch_embeddings.**",
        f"{TRUNK}norm.**": f"{prefix}encoder.encoder_norm.**",
        f"{_BLOCKS}norm1.**": f"{theirs}attention_norm.**",
        f"{_BLOCKS}norm2.**": f"{theirs}ffn_norm.**",
        f"{_BLOCKS}attn.qkv.**": tuple(f"{theirs}attn.{one}.**" for one in ("query", "key", "value")),
        f"{_BLOCKS}attn.proj.**": f"{theirs}attn.out.**",
        f"{_BLOCKS}mlp.**": f"{theirs}ffn.**",
    }
