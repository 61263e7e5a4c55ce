"""A toy trial that one process runs, or each process of a group: ``torchrun ... shared_trial.py NAME FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from dense_toys import TASK as DETECTION_TASK
from dense_toys import Recorder, blob_manifest, blobs, toy_context
from finetuning_toys import TOY, TinyImageEncoder, context_of
from segmentation_toys import ToyPyramid, draw_manifest
from segmentation_toys import context_of as segmentation_context
from torch import distributed

from medbench.loading import resolve
from medbench.protocols import TrialContext, TrialOutcome
from medbench_tasks.recipes import DetectionRecipe
from medbench_tasks.segmentation.recipe import SegmentationRecipe
from medbench_tasks.training import fit

EPOCHS = 3
_DETECTION = DetectionRecipe(
    image_size=64, epochs=EPOCHS, batch_size=4, lr=1e-3, neck_channels=(8, 8, 8), weight_decay=0.0, optimiser="sgd"
)
_SEGMENTATION = SegmentationRecipe(
    image_size=64, epochs=EPOCHS, batch_size=4, lr=1e-3, decoder_width=2, weight_decay=0.0, optimiser="sgd"
)
_FINE_TUNING = replace(TOY, epochs=EPOCHS, optimiser="sgd", lr=0.01, select="loss")


def fine_tuning(folder: Path) -> TrialContext:
    """24 augmented images in batches of 8, the encoder's BatchNorm trained along, two labels."""
    return context_of(folder, _FINE_TUNING)


def detection(folder: Path) -> TrialContext:
    """10 images in batches of 4, so that the last batch is shared two and two less; mmdet's head, whose losses are sums."""
    train, valid = blob_manifest(folder / "train", blobs(10)), blob_manifest(folder / "valid", blobs(9, seed=1))
    return toy_context(folder, _DETECTION, train=train, valid=valid)


def published_detection(folder: Path) -> TrialContext:
    """The published head and batch statistics in the frozen encoder."""
    context = detection(folder)
    return replace(context, recipe=replace(_DETECTION, flavour="mgca", batchnorm="batch", score_threshold=0.05))


def segmentation(folder: Path) -> TrialContext:
    """11 images in batches of 4: the last batch is shared two and one; the loss has the Dice of the batch."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = tuple(draw_manifest(folder, count, seed) for seed, count in ((1, 11), (2, 9), (3, 5)))
    return segmentation_context(folder, ToyPyramid(), _SEGMENTATION, parts)


def broken(folder: Path) -> TrialContext:
    """An encoder whose features are no numbers."""
    encoder = TinyImageEncoder()
    encoder.conv.weight.data.fill_(torch.nan)
    return context_of(folder, _FINE_TUNING, model=encoder)


class Dying(Recorder):
    """Ends the process in the third epoch."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        super().advance(steps, note)
        if self.steps.get("train") == EPOCHS and "loss" in note:
            raise KeyboardInterrupt


def killed(folder: Path) -> TrialContext:
    """`fine_tuning`, of which every process ends in the third epoch, with the state kept of the second."""
    fit.__kwdefaults__["save_seconds"] = 0.0
    return replace(resumed(folder), progress=Dying())


def resumed(folder: Path) -> TrialContext:
    """`fine_tuning` whose processes share a work folder, as those of a trial do."""
    context = fine_tuning(folder)
    return replace(context, work_dir=folder.parent / "0" / "work")


TRIALS: dict[str, tuple[Callable[[Path], TrialContext], str]] = {
    "fine-tuning": (fine_tuning, "medbench_tasks.finetuning.protocol:PROTOCOL"),
    "detection": (detection, DETECTION_TASK.loader),
    "published-detection": (published_detection, DETECTION_TASK.loader),
    "segmentation": (segmentation, "medbench_tasks.segmentation.protocol:PROTOCOL"),
    "killed": (killed, "medbench_tasks.finetuning.protocol:PROTOCOL"),
    "resumed": (resumed, "medbench_tasks.finetuning.protocol:PROTOCOL"),
    "broken": (broken, "medbench_tasks.finetuning.protocol:PROTOCOL"),
}


def run(name: str, folder: Path) -> tuple[TrialContext, TrialOutcome]:
    """Run the trial of that name in ``folder``."""
    make, loader = TRIALS[name]
    context = make(folder)
    return context, resolve(loader, name).run(context)


def main(name: str, folder: Path) -> None:
    """As one of a group by gloo: each process has its own pictures and caches, and the first one's work folder is kept."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    torch.set_num_threads(1)
    _, outcome = run(name, folder / str(rank))
    torch.save(outcome.predictions.to_pylist(), folder / f"predictions-{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
