"""What sets one method of BLIP's family apart from another, as data: vocabulary, text lengths, pixels, container.

Sources: BLIP release (salesforce/BLIP 056a169: ``models/blip.py``, ``data/utils.py``, ``data/__init__.py``,
``train_retrieval.py``) and the brain release (MedVL_pretraining_pipeline 660dc54), a copy of it with other text lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from medbench.capabilities import Preprocess
from medbench_methods.nets.loading import DOWNLOAD_AGAIN
from medbench_methods.normalisation import CLIP_MEAN, CLIP_STD

POSITIONS = 512
"""Of BERT, and of every published file."""
COPY_AGAIN = "copy the file again from where it was trained"
"""Mends a broken file of a method that publishes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialIds:
    """Token ids; ``dec`` starts what a decoder writes, ``enc`` what is fused with an image. Both stand after the vocabulary."""

    pad: int
    cls: int
    sep: int
    dec: int
    enc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLimits:
    """Words kept by the cleaning, then tokens kept with the special ones.

    ``words`` of captions, ``question_words`` of questions; tokens of a text that is embedded, ``match``ed with an image,
    learnt as a ``caption`` with its prompt, asked as a ``question``, looked for in an image (``maps``), and ranked as an
    ``answer``, which the releases do not cut: BERT has no more positions.
    """

    words: int
    question_words: int
    embedding: int
    match: int
    caption: int
    question: int
    maps: int
    answer: int = POSITIONS

    def within(self, positions: int) -> TextLimits:
        """The same for a net that reads no more tokens than ``positions``."""
        kinds = ("embedding", "match", "caption", "question", "maps", "answer")
        return replace(self, **{kind: min(getattr(self, kind), positions) for kind in kinds})


@dataclass(frozen=True, slots=True, kw_only=True)
class BlipFlavour:
    """A method whose nets are BLIP's.

    ``vocabulary`` is its folder under ``<checkpoints>/tokenizers/``, ``hub_id`` the model it belongs to. Rows of the word
    embeddings are `vocabulary_size`; depths, widths and the size of images are read from the tensors. In an
    error, ``file`` is what to call the file, and ``mend`` what to do about a broken one.
    """

    method: str
    title: str
    file: str
    vocabulary: str
    hub_id: str
    ids: SpecialIds
    limits: TextLimits
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"]
    mend: str
    prompt: str = "a picture of "

    @property
    def vocabulary_size(self) -> int:
        """Rows of the word embeddings: the vocabulary, [DEC] and [ENC]."""
        return self.ids.enc + 1

    def preprocess(self, size: int) -> Preprocess:
        """How images of ``size`` pixels a side are made: the aspect is not kept, nothing is cropped."""
        return Preprocess(
            resize=size, mode="squash", crop=size, mean=self.mean, std=self.std, interpolation=self.interpolation
        )


BLIP = BlipFlavour(
    method="blip",
    title="BLIP",
    file="model_base*.pth of the BLIP release",
    vocabulary="bert-base-uncased",
    hub_id="google-bert/bert-base-uncased",
    ids=SpecialIds(pad=0, cls=101, sep=102, dec=30522, enc=30523),
    limits=TextLimits(words=30, question_words=50, embedding=35, match=35, caption=40, question=35, maps=35),
    mean=CLIP_MEAN,
    std=CLIP_STD,
    interpolation="bicubic",
    mend=DOWNLOAD_AGAIN,
)
"""As its retrieval evaluation, caption training and question answering read texts."""

BRAIN_BLIP = replace(
    BLIP,
    method="brain-blip",
    title="brain BLIP",
    file="checkpoint that the brain release's scripts save",
    mend=COPY_AGAIN,
    limits=replace(BLIP.limits, words=200, caption=200, maps=200),
)
"""Captions keep 200 words; its retrieval evaluation still cuts texts at 35 tokens (``train_retrieval.py``, line 87)."""

BRAIN_BLIP_LONG = replace(BRAIN_BLIP, limits=replace(BRAIN_BLIP.limits, embedding=200, match=200))
"""Texts of 200 tokens, as the brain release trains by (``blip_retrieval.py``, line 80) but does not evaluate."""
