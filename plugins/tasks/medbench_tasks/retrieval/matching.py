"""Match logits of pairs of images and texts, image by image, so that an image's tokens are read once and never all held."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.batch_size import BATCH, BatchSize
from medbench.errors import StoreError, TrialError
from medbench.protocols import FeatureNeed
from medbench_tasks.kept_answers import answerer_digest

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.protocols import TrialContext
    from medbench_tasks.retrieval.pool import Pool


def match_pairs(context: TrialContext, pool: Pool, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """`ImageTextMatcher.match` of each of ``pairs``, numbers ``image * len(pool.texts) + text``, ascending.

    Computed in the precision that is asked for; of studies the tokens are `StudyEncoder.study_tokens`. What is done is kept in
    the trial's ``work_dir``, so that a second start of the same model goes on from there. Raises
    `TrialError` where the method gives another number of scores or one that is not finite, `StoreError` for a full disk.
    """
    tokens = context.features.answer_mapped(token_need(pool))
    ends = np.searchsorted(pairs, np.arange(1, len(pool.images) + 1) * len(pool.texts))
    digest = answerer_digest(context, b"studies" if pool.studies else b"images", pairs.tobytes())
    kept = context.work_dir / f"match-{digest}.f32"
    scores = np.empty(len(pairs), np.float32)
    images = _read(kept, scores, ends)
    start = int(ends[images - 1]) if images else 0
    context.progress.phase("match", len(pairs))
    context.progress.advance(start)
    size = BatchSize(BATCH[context.compute.device], "the method's match")
    for image in range(images, len(pool.images)):
        end = int(ends[image])
        if start < end:
            texts = [pool.texts[text] for text in pairs[start:end] % len(pool.texts)]
            scores[start:end] = _match(context, tokens[image], texts, pool.images.sample_ids[image], size)
            _append(kept, scores[start:end])
            context.progress.advance(end - start)
        start = end
    return scores


def token_need(pool: Pool) -> FeatureNeed:
    """What the match head reads of the pool's images, or of its studies."""
    if pool.studies:
        return FeatureNeed(
            name="study-tokens",
            apply=lambda model, images: model.study_tokens(images),
            manifest=pool.images,
            studies=True,
        )
    return FeatureNeed(
        name="image-tokens", apply=lambda model, images: model.image_tokens(images), manifest=pool.images
    )


def _match(
    context: TrialContext, tokens: NDArray[np.float32], texts: list[str], sample_id: str, size: BatchSize
) -> NDArray[np.float32]:
    """(T, C) tokens of one image and its texts -> (texts,)."""
    import torch

    from medbench_tasks.precision import autocast

    one = torch.from_numpy(tokens)[None].to(context.compute.device)
    model = context.model

    def call(start: int, stop: int) -> NDArray[np.float32]:
        scores: Tensor = model.match(one, texts[start:stop])
        if scores.shape != (stop - start,):
            raise TrialError(f"the method's match gives {tuple(scores.shape)} for an image and {stop - start} texts")
        return scores.float().cpu().numpy()

    with torch.inference_mode(), autocast(context.compute):
        answer = np.concatenate(list(size.pieces(call, len(texts))))
    if not np.isfinite(answer).all():
        raise TrialError(f"the method's match of the image of sample {sample_id} is not finite")
    return answer


def _read(kept: Path, scores: NDArray[np.float32], ends: NDArray[np.int64]) -> int:
    """Fill in what an earlier start left, whole images only; gives how many of them are done."""
    if not kept.is_file():
        return 0
    whole = kept.stat().st_size // scores.itemsize
    images = int(np.searchsorted(ends, whole, "right"))
    done = int(ends[images - 1]) if images else 0
    os.truncate(kept, done * scores.itemsize)
    scores[:done] = np.fromfile(kept, np.float32)
    return images


def _append(kept: Path, scores: NDArray[np.float32]) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("ab") as file:
            file.write(scores.tobytes())
    except OSError as error:
        raise StoreError(f"cannot write {kept}: {error.strerror}", fix="free some space") from error
