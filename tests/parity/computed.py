"""What the plugins compute for the golden inputs, under the names of the golden arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import interpolate, normalize
from weights import golden_images, golden_sentences

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.aligned import AlignedEncoder

STAGES = ("layer1", "layer2", "layer3", "layer4")


@torch.inference_mode()
def image_arrays(model: AlignedEncoder) -> dict[str, Tensor]:
    """Global and local features with their projections."""
    images = golden_images()
    features, patches = model.encode_images(images), model.encode_local(images)
    emb, patch_emb = model.project_images(features), model.project_local(patches)
    return {
        "img_feat": features,
        "patch_feat": patches,
        "img_emb_raw": emb,
        "img_emb": normalize(emb, dim=-1),
        "patch_emb_raw": patch_emb,
        "patch_emb": normalize(patch_emb, dim=-1),
    }


@torch.inference_mode()
def resnet_stages(model: AlignedEncoder) -> dict[str, Tensor]:
    """The stages at 299 inside the encoder, and at the input's own size as detection and segmentation see them."""
    images = golden_images()
    stages: dict[str, Tensor] = {}
    for side in (299, 224):
        resized = interpolate(images, size=(side, side), mode="bilinear", align_corners=True)
        stem, *layers = model.encode_pyramid(resized if side == 299 else images)
        stages[f"encoder{side}_maxpool"] = model.trunk.net.maxpool(stem)
        stages |= {f"encoder{side}_{name}": layer for name, layer in zip(STAGES, layers, strict=True)}
    pyramid = model.encode_pyramid(images)
    stages |= {f"det_out{3 + i}": layer for i, layer in enumerate(pyramid[2:])}
    return stages | {f"seg_encoder_feat{i}": layer for i, layer in enumerate((images, *pyramid))}


@torch.inference_mode()
def text_arrays(model: AlignedEncoder) -> dict[str, Tensor]:
    """Tokens, BERT's layers, report and word features with their projections."""
    sentences, tower = golden_sentences(), model.text
    tokens = tower.tokenize([model.clean(text) for text in sentences], to_max=True)
    output, words = tower(tokens), model.encode_words(sentences)
    report_emb, word_emb = model.encode_texts(sentences), model.project_words(words.features)
    zeros = torch.zeros_like(tokens.ids)
    return {
        "caption_ids": tokens.ids,
        "attention_mask": tokens.mask,
        "bert_embedding_output": tower.bert.embeddings(tokens.ids, position_ids=zeros),
        "bert_last_hidden_state": output.hidden,
        "bert_last_attention": output.attention,
        "diag_report_feat_arange_positions": tower(tokens, true_positions=True).hidden[:, 0],
        "report_feat": model.report_features(sentences),
        "word_feat": words.features,
        "word_feat_norms": words.features.double().norm(dim=-1),
        "word_attn": words.attention,
        "report_emb_raw": report_emb,
        "report_emb": normalize(report_emb, dim=-1),
        "word_emb_raw": word_emb,
        "word_emb": normalize(word_emb, dim=-1)[:, :24],
    }


@torch.inference_mode()
def joint_arrays(images: dict[str, Tensor], model: AlignedEncoder) -> dict[str, Tensor]:
    """Similarities of images and texts, and the attention of words over patches (temperatures 0.07 and 0.1)."""
    sentences = golden_sentences()
    texts = normalize(model.encode_texts(sentences), dim=-1)
    words = normalize(model.project_words(model.encode_words(sentences).features), dim=-1)[:2]
    patches = images["patch_emb"]
    attention = (words @ patches.transpose(1, 2) / 0.1).softmax(dim=-1)
    similarity = images["img_emb"] @ texts.T
    return {
        "sim": similarity,
        "sim_over_temperature": similarity / 0.07,
        "word_to_patch_attention": attention,
        "word_context": normalize(attention @ patches, dim=-1),
    }
