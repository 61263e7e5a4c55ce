"""What sets MOTOR apart within BLIP's family: SciBERT's vocabulary, 90 words and tokens, ImageNet's mean and deviation.

Source: MOTOR release (2023-04-24), models/blip.py, blip_original/{__init__,utils}.py.
"""

from __future__ import annotations

from medbench_methods.nets.blip_flavour import COPY_AGAIN, BlipFlavour, SpecialIds, TextLimits
from medbench_methods.normalisation import IMAGENET_MEAN, IMAGENET_STD

MOTOR = BlipFlavour(
    method="motor",
    title="MOTOR",
    file="checkpoint that MOTOR's scripts save",
    vocabulary="scibert_scivocab_uncased",
    hub_id="allenai/scibert_scivocab_uncased",
    ids=SpecialIds(pad=0, cls=102, sep=103, dec=31090, enc=31091),
    limits=TextLimits(words=90, question_words=35, embedding=90, match=90, caption=90, question=35, maps=90),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    interpolation="bilinear",
    mend=COPY_AGAIN,
)
