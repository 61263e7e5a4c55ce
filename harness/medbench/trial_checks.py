"""What is settled before a trial and checked around it: the device, what was planned against what is there, the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.digests import DigestCache
from medbench.errors import TrialError
from medbench.plan import PlannedTrial, find_weights
from medbench.protocols import Compute
from medbench.trials import Trial, trial_key

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench.manifest import Manifest
    from medbench.settings import Settings


def settle_compute(settings: Settings, *, processes: int = 1) -> Compute:
    """``auto`` becomes ``cuda`` where a GPU is visible; ``processes`` share the trial's training.

    Raises `TrialError` where a GPU was asked for and none is there.
    """
    import torch

    wants = settings.device.partition(":")[0]
    if wants == "cuda" and not torch.cuda.is_available():
        raise TrialError("no CUDA device is visible", fix="use --device cpu, or see medbench doctor")
    device = "cuda" if wants != "cpu" and torch.cuda.is_available() else "cpu"
    return Compute(
        device=device,
        precision=settings.precision,
        workers=settings.workers,
        processes=processes,
        compile=settings.compile,
    )


def check_unchanged(planned: PlannedTrial, manifest: str, settings: Settings) -> None:
    """What was planned hours ago must still be what lies there: a record's key hashes what was really used.

    ``manifest`` is the digest of the one that was read. Raises `TrialError` where it does not.
    """
    weights = find_weights(planned.trial.choice, settings, DigestCache(settings.cache / "digests.json"))
    if weights.error is not None:
        raise weights.error
    key = trial_key(
        planned.trial,
        checkpoint=weights.identity,
        manifest=manifest,
        precision=settings.precision,
        texts=weights.texts,
    )
    if key != planned.key:
        raise TrialError("the data or the checkpoint changed since the trial was planned", fix="type the command again")


def check_samples(trial: Trial, predictions: pa.Table, test: Manifest, *, model: str) -> None:
    """Each source must answer test samples, each at most once, and all the same ones as ``model``. Raises `TrialError`."""
    known = set(test.sample_ids)
    answered: dict[str, list[str]] = {}
    columns = (predictions.column(name).to_pylist() for name in ("source", "sample_id"))
    for source, sample_id in zip(*columns, strict=True):
        answered.setdefault(source, []).append(sample_id)
    for source, ids in answered.items():
        if len(set(ids)) != len(ids) or not set(ids) <= known or set(ids) != set(answered[model]):
            raise TrialError(f"task '{trial.task.id}': the predictions of '{source}' are not one for each test sample")
