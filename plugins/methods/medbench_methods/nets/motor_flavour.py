"""What sets MOTOR apart within BLIP's family: SciBERT's vocabulary, 90 words and tokens, ImageNet's mean and deviation.

Source: MOTOR release (2023-04-24), models/blip.py, blip_original/{__init__,utils}.py.
"""

from __future__ import annotations

from medbench_methods.nets.blip_flavour import COPY_AGAIN, BlipFlavour, SpecialIds, TextLimits

MOTOR = BlipFlavour(
    method="motor",
    title="MOTOR",
    file="checkpoint that MOTOR's scripts save",
    vocabulary="scibert_scivocab_uncased",
    hub_id="allenai/scibert_scivocab_uncased",
    ids=SpecialIds(pad=0, cls=102, sep=103, dec=31090, enc=31091),
    limits=TextLimits(words=90, question_words=35, embedding=90, match=90, caption=90, question=35, maps=90),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
    mend=COPY_AGAIN,
)
