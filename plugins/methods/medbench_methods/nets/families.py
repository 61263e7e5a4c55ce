"""The members of the MGCA family, by the keys of their published checkpoints and the texts they were trained on."""

from __future__ import annotations

from medbench_methods.nets.cleaning import clean_medst, clean_mgca
from medbench_methods.nets.family import Family

_LOCAL_ATTENTION = ("patch_local_atten_layer", "word_local_atten_layer")

MGCA = Family(
    method="mgca",
    title="MGCA",
    checkpoint="an MGCA checkpoint",
    clean=clean_mgca,
    lateral=False,
    pooler=False,
    twins=(),
    tail=(*_LOCAL_ATTENTION, "prototype_layer"),
    signs=("prototype_layer.",),
)
MEDST = Family(
    method="medst",
    title="MedST",
    checkpoint="a MedST checkpoint",
    clean=clean_medst,
    lateral=True,
    pooler=True,
    twins=("global_embed_la", "local_embed_la"),
    tail=(*_LOCAL_ATTENTION, "word_element_wise_multi_head", "patch_element_wise_multi_head"),
    signs=(".mlp_l.", ".global_embed_la.", "_element_wise_multi_head."),
)
