"""Reports written by BLIP's decoder from images, and how it learns to.

Source: BLIP release, ``models/blip.py``, lines 105 to 169: the prompt "a picture of ", loss over what follows it, label
smoothing 0.1; a report is what the decoder adds to the prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from medbench_methods.nets.blip_search import search

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench_methods.nets.blip_net import BlipNet
    from medbench_methods.nets.blip_texts import BlipTexts


def write(
    net: BlipNet, image_tokens: Tensor, texts: BlipTexts, beams: int, min_length: int, max_length: int
) -> list[str]:
    """(B, N, C) -> B texts after the prompt, which is cut off by its ids.

    The release cuts 13 characters of the decoded text instead, one too many where the first piece continues a word.
    """
    prompt = texts.prompt_ids
    ids = search(
        net.text_decoder, prompt, image_tokens, beams=beams, min_length=min_length, max_length=max_length, ids=texts.ids
    )
    return texts.written(ids[:, len(prompt) :])


class BlipReportNet(nn.Module):
    """A `medbench.capabilities.ReportNet`: image encoder and decoder, all of which learn; dropout 0.1 in train mode.

    A method that reads studies otherwise overrides `image_states`.
    """

    views = 1

    def __init__(self, net: BlipNet, texts: BlipTexts, preprocess: Preprocess) -> None:
        super().__init__()
        self.net = net
        self.texts = texts
        self.preprocess = preprocess

    def image_states(self, images: Tensor) -> Tensor:
        """(B, views, 3, H, W) -> (B, N, C), what the decoder reads of a study."""
        return self.net.image_tokens(images[:, 0])

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        """(B, views, 3, H, W) -> B texts after the prompt; lengths count the prompt's tokens."""
        return write(self.net, self.image_states(images), self.texts, beams, min_length, max_length)

    def report_loss(self, images: Tensor, reports: list[str]) -> Tensor:
        """(B, views, 3, H, W) and B reports -> label-smoothed cross-entropy, the mean over tokens after the prompt."""
        tokens = self.texts.reports(reports)
        return self.net.caption_loss(self.image_states(images), tokens, prompt=len(self.texts.prompt_ids))
