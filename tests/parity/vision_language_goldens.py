"""What the goldens of BLIP's family have in common: weights by the rule, varied decoders, the contrast with momentum copies."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from weights import ATOL, RTOL, _tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

SHARED = ("visual_encoder.", "text_encoder.", "text_decoder.")
"""Begin the names of most numbers, which have the same values in every file of the family that gives them one shape."""
BONUS = {"v3": 3.0, "v4": 4.0}
TEMPERATURE = 0.07
MOMENTUM = 0.995
ALPHA = 0.4


class Drawn:
    """Tensors by the rule; those of `SHARED` are drawn once a session and kept in files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def state(self, golden: Path, leave_out: Callable[[str], bool]) -> dict[str, Tensor]:
        """The manifest's tensors but for those left out; tied ones are one tensor, scalars are as constructed."""
        manifest = json.loads((golden / "manifest.json").read_text())
        entries, tied, scalars = (manifest[part] for part in ("state_dict", "tied", "scalars"))
        kept = [key for key in entries if not leave_out(key)]
        # The rule goes by the first of the tied names, which may itself be left out.
        names = {tied.get(key, key) for key in kept if key not in scalars}
        values = {name: self._tensor(name, tuple(entries[name][0]), entries[name][1]) for name in names}
        return {key: torch.tensor(scalars[key]) if key in scalars else values[tied.get(key, key)] for key in kept}

    def _tensor(self, key: str, shape: tuple[int, ...], dtype: str) -> Tensor:
        if not key.startswith(SHARED):
            return _tensor(key, shape, dtype)
        path = self.folder / f"{key}-{'x'.join(map(str, shape))}.npy"
        if not path.exists():
            np.save(path, _tensor(key, shape, dtype).numpy())
        return torch.from_numpy(np.load(path, mmap_mode="c"))


def write(content: Mapping[str, Any], path: Path) -> None:
    """A checkpoint of some hundred MB, without the checksums that take half of the time."""
    checks = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(dict(content), path)
    finally:
        torch.serialization.set_crc32_options(checks)


def is_left_out(key: str) -> bool:
    """Keys that no model reads and that only make a golden file large: momentum copies, queues."""
    return "_m." in key or "queue" in key


@contextmanager
def varied(decoder: nn.Module, variant: str, end: int) -> Iterator[None]:
    """The decoder as the golden's ``v3`` or ``v4``, which write varied tokens and an ``end``; as it was after that."""
    changed = {
        name: parameter.detach().clone()
        for name, parameter in decoder.named_parameters()
        if variant in BONUS and name.endswith(("attention.output.dense.weight", "cls.predictions.bias"))
    }
    with torch.no_grad():
        for name in changed:
            if name.endswith("bias"):
                decoder.get_parameter(name)[end] += BONUS[variant]
            else:
                decoder.get_parameter(name).mul_(0.3)
        try:
            yield
        finally:
            for name, value in changed.items():
                decoder.get_parameter(name).copy_(value)


def likeliest_two(decoder: Any, ids: NDArray[Any], states: Tensor, *, prompt: int, min_length: int, end: int) -> Tensor:
    """(B, T) ids that greedy search wrote -> (B, T - prompt, 2): the two largest logits of each step, by forcing the ids."""
    forced = torch.from_numpy(ids)
    logits = decoder(forced, attention_mask=torch.ones_like(forced), encoder_hidden_states=states).logits
    steps = logits[:, prompt - 1 : -1].clone()
    steps[:, : min_length - prompt, end] = -torch.inf  # the end cannot come first
    return steps.topk(2, dim=-1).values


def assert_likeliest_two(found: Tensor, golden: NDArray[Any], ids: NDArray[Any], *, prompt: int, end: int) -> None:
    """They are the golden's, up to each text's end: what follows it is padding."""
    for ours, theirs, text in zip(found.numpy(), golden, ids[:, prompt:], strict=True):
        ended = np.flatnonzero(text == end)
        steps = int(ended[0]) + 1 if len(ended) else len(text)
        np.testing.assert_allclose(ours[:steps], theirs[:steps], rtol=RTOL, atol=ATOL)


def step_momentum(net: nn.Module, copies: Mapping[str, Tensor]) -> None:
    """Turn parameters into their momentum copies, given by the parameters' names, one step on."""
    for name, copy in copies.items():
        net.get_parameter(name).mul_(1 - MOMENTUM).add_(MOMENTUM * copy)


def contrast_loss(
    image: Tensor, text: Tensor, image_m: Tensor, text_m: Tensor, image_queue: NDArray[Any], text_queue: NDArray[Any]
) -> Tensor:
    """Soft targets of the momentum copy, 0.4 of them, over the batch and both queues; temperature 0.07."""
    texts = torch.cat([text_m.T, torch.from_numpy(text_queue)], dim=1) / TEMPERATURE
    images = torch.cat([image_m.T, torch.from_numpy(image_queue)], dim=1) / TEMPERATURE
    exact = torch.eye(len(image), texts.shape[1])
    halves = [
        cross_entropy(own @ others, ALPHA * (own_m @ others).softmax(dim=1) + (1 - ALPHA) * exact)
        for own, own_m, others in ((image, image_m, texts), (text, text_m, images))
    ]
    return torch.stack(halves).mean()
