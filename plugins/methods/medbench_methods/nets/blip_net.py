"""BLIP's nets as transformers builds them, in the parts that a checkpoint holds, and the pieces that every use is made of.

Source: BLIP (arXiv 2201.12086) section 3 and its release; transformers' Blip classes carry the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import BlipTextModel, BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextLMHeadModel

from medbench.one_pass import once_a_batch
from medbench_methods.nets.blip_flavour import POSITIONS
from medbench_methods.nets.blip_keys import text_config, vision_config
from medbench_methods.nets.loading import told_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from transformers import BlipTextConfig

    from medbench_methods.nets.blip_flavour import BlipFlavour
    from medbench_methods.nets.blip_keys import Part
    from medbench_methods.nets.tokens import Tokens

MATCH = 1
IGNORED = -100


class BlipNet(nn.Module):
    """An image encoder and some of: text encoder (with cross-attention), text decoder, projections, match head.

    Parts that are absent are None.
    """

    def __init__(
        self,
        vision: BlipVisionModel,
        *,
        encoder: BlipTextConfig | None = None,
        decoder: BlipTextConfig | None = None,
        joint_dim: int | None = None,
        matches: bool = False,
    ) -> None:
        super().__init__()
        self.vision_model = vision
        width = vision.config.hidden_size
        self.text_encoder = None if encoder is None else BlipTextModel(encoder, add_pooling_layer=False)
        self.text_decoder = None if decoder is None else BlipTextLMHeadModel(decoder)
        has_joint = encoder is not None and joint_dim is not None
        self.vision_proj = nn.Linear(width, joint_dim) if has_joint else None
        self.text_proj = nn.Linear(encoder.hidden_size, joint_dim) if has_joint else None
        self.itm_head = nn.Linear(encoder.hidden_size, 2) if encoder is not None and matches else None

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = self.vision_model.post_layernorm.weight.device
        return device

    @property
    def positions(self) -> int:
        """How many tokens of a text all of its parts have positions for."""
        texts = (part for part in (self.text_encoder, self.text_decoder) if part is not None)
        return min((part.config.max_position_embeddings for part in texts), default=POSITIONS)

    @once_a_batch
    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + H / 16 * W / 16, C), [CLS] first, after the last norm; positions are interpolated."""
        tokens: Tensor = self.vision_model(images, interpolate_pos_encoding=True).last_hidden_state
        return tokens

    def text_states(self, tokens: Tokens) -> Tensor:
        """(B, T) -> (B, T, C): the text alone, without cross-attention."""
        tokens = tokens.to(self.device)
        states: Tensor = self.text_encoder(tokens.ids, attention_mask=tokens.mask).last_hidden_state
        return states

    def fused_states(self, image_tokens: Tensor, tokens: Tokens) -> Tensor:
        """(B, N, C) and (B, T) -> (B, T, C), either B may be 1: what is given once is computed once, keys and values too."""
        tokens = tokens.to(self.device)
        fused = self.text_encoder(tokens.ids, attention_mask=tokens.mask, encoder_hidden_states=image_tokens)
        states: Tensor = fused.last_hidden_state
        return states

    def match_logits(self, image_tokens: Tensor, tokens: Tokens) -> Tensor:
        """(B, N, C) and (B, T), either B may be 1 -> (B, 2) raw logits, index `MATCH` speaks for a match."""
        logits: Tensor = self.itm_head(self.fused_states(image_tokens, tokens)[:, 0])
        return logits

    def caption_losses(self, image_tokens: Tensor, tokens: Tokens, *, prompt: int = 0) -> Tensor:
        """(B, N, C) and (B, T), [DEC] first -> (B,): label-smoothed cross-entropy of the next token, summed over tokens.

        Neither padding nor the first ``prompt`` tokens are asked for.
        """
        tokens = tokens.to(self.device)
        losses: Tensor = self.text_decoder(
            tokens.ids,
            attention_mask=tokens.mask,
            encoder_hidden_states=image_tokens,
            labels=wanted(tokens, prompt),
            reduction="none",
        ).loss
        return losses

    def caption_loss(self, image_tokens: Tensor, tokens: Tokens, *, prompt: int = 0) -> Tensor:
        """As `caption_losses`, the mean over all tokens that are asked for: the scalar that training lowers."""
        counted = (wanted(tokens, prompt)[:, 1:] != IGNORED).sum()
        return self.caption_losses(image_tokens, tokens, prompt=prompt).sum() / counted


def wanted(tokens: Tokens, prompt: int) -> Tensor:
    """The ids (B, T) that a decoder is to give, `IGNORED` at padding and at the first ``prompt``."""
    labels = tokens.ids.masked_fill(tokens.mask == 0, IGNORED)
    labels[:, :prompt] = IGNORED
    return labels


def make_net(tensors: Mapping[str, Tensor], parts: frozenset[Part], flavour: BlipFlavour) -> BlipNet:
    """A net of ``parts`` on the meta device, of the shape that the published tensors tell.

    Its index buffers are in place; weights are not. Raises `UntoldError` where a tensor that tells a size does not.
    """
    encoder = text_config(tensors, "text_encoder.", flavour) if "text_encoder" in parts else None
    decoder = text_config(tensors, "text_decoder.bert.", flavour) if "text_decoder" in parts else None
    joint_dim = told_shape(tensors, "vision_proj.weight", 2)[0] if "projections" in parts else None
    config = vision_config(tensors)
    with torch.device("meta"):
        net = BlipNet(
            BlipVisionModel(config), encoder=encoder, decoder=decoder, joint_dim=joint_dim, matches="itm_head" in parts
        )
    for text in (net.text_encoder, None if net.text_decoder is None else net.text_decoder.bert):
        if text is not None:
            text.embeddings.position_ids = torch.arange(text.config.max_position_embeddings)[None]
    return net


def tie_decoder(net: BlipNet) -> None:
    """Make the decoder's output weights its word embeddings again, and its two biases one, as the release trains them."""
    if net.text_decoder is not None:
        head = net.text_decoder.cls.predictions
        head.decoder.weight = net.text_decoder.bert.embeddings.word_embeddings.weight
        head.decoder.bias = head.bias
