"""Grad-weighted cross-attention: where in the image each word of a text looks.

Source: the brain release, ``vis.py``, lines 125 to 150, and LAVIS' ``compute_gradcam``, which it follows but for the sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from medbench.capabilities import TokenMap
from medbench_methods.nets.blip_net import MATCH, BlipNet

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.blip_texts import BlipTexts
    from medbench_methods.nets.tokens import Tokens


def token_maps(
    net: BlipNet, images: Tensor, tokens: Tokens, texts: BlipTexts, target: Literal["logit", "nll"]
) -> list[TokenMap]:
    """(1, 3, H, W) and (1, T) tokens -> a map (h, w) for each token but the first and the last ([SEP]).

    Attention times its gradient where that is positive, the mean over heads, the column of the image's [CLS] left out, in the
    layer at two thirds of the depth (the ninth of 12). ``logit`` follows the logit of a match and is the default: a positive
    gradient then marks attention that speaks for the text. The brain release follows ``-log p(match)``, whose gradient has
    the other sign, so that its clamped maps (``nll``) show what speaks against it: on nets with drawn weights the gradients
    of the two correlate at -0.86 and the maps at -0.21. Padding would be left out; one text has none.
    """
    with torch.enable_grad():
        attention, gradient = attention_of(net, images, tokens, target)
    relevance = (attention * gradient.clamp(min=0)).mean(dim=1)[0, 1:-1, 1:]
    height, width = (side // net.vision_model.config.patch_size for side in images.shape[-2:])
    maps = relevance.detach().unflatten(1, (height, width))
    pieces = texts.pieces(tokens.ids[0, 1:-1].tolist())
    return [TokenMap(piece, one) for piece, one in zip(pieces, maps, strict=True)]


def attention_of(
    net: BlipNet, images: Tensor, tokens: Tokens, target: Literal["logit", "nll"]
) -> tuple[Tensor, Tensor]:
    """Cross-attention (1, heads, T, N) of the chosen layer, and the gradient of the target by it."""
    layers = net.text_encoder.encoder.layer
    kept: list[Tensor] = []

    def keep(module: Any, inputs: Any, outputs: tuple[Tensor, Tensor]) -> None:
        kept.append(outputs[1])

    # In the last layer only the first token, which the head reads, would have a gradient.
    chosen = min(len(layers) * 2 // 3, max(0, len(layers) - 2))
    handle = layers[chosen].crossattention.self.register_forward_hook(keep)
    try:
        with torch.no_grad():
            image_tokens = net.image_tokens(images)
        # A gradient reaches the attention from here even where all weights are frozen.
        image_tokens.requires_grad_()
        logits = net.match_logits(image_tokens, tokens)
    finally:
        handle.remove()
    score = logits[:, MATCH].sum() if target == "logit" else -logits.log_softmax(dim=1)[:, MATCH].sum()
    (gradient,) = torch.autograd.grad(score, kept[0])
    return kept[0], gradient
