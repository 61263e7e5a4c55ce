"""The toy's task once more, with a protocol that asks for features, and foresees them.

The file that SEER_STUMBLE names, where it is there, has the process killed in the middle of a pass, once.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import medbench_toy

from medbench.hookspecs import hookimpl
from medbench.protocols import FeatureNeed
from medbench.specs import TaskSpec

TASK = dataclasses.replace(medbench_toy.TASK, id="toy-seen", loader="seer:PROTOCOL")


@hookimpl
def medbench_tasks() -> list[TaskSpec]:
    return [TASK]


class Seer(medbench_toy.ToyProtocol):
    """Asks for the means and for the corners of all images, then does what the toy does."""

    def foreseen(self, context: Any) -> list[FeatureNeed]:
        return [
            FeatureNeed(name="image", apply=means, manifest=context.train),
            FeatureNeed(name="image", apply=means, manifest=context.dataset),
            FeatureNeed(name="corner", apply=corners, manifest=context.test),
        ]

    def run(self, context: Any) -> Any:
        for need in self.foreseen(context):
            context.features.answer(need)
        return super().run(context)


def means(model: Any, images: Any) -> Any:
    """(B, 1)"""
    stumble = Path(os.environ.get("SEER_STUMBLE", "nowhere"))
    if stumble.exists():
        stumble.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return model.encode_images(images)


def corners(model: Any, images: Any) -> Any:
    """(B, 4)"""
    return images[:, 0, :2, :2].flatten(1)


PROTOCOL = Seer()
