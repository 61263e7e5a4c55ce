"""Resizing and cropping stacks of 8-bit pictures on the device, as `medbench.preprocessing.resized` does on the host.

The numbers are the host's to the last bit, as far as was found (`docs/howto/gpu.md` says on how many pictures). Pillow's
fixed-point weights have 22 places: split into two parts of 11 bits at most, their products with 8-bit pixels and the sums of
up to `MOST_TAPS` of them are whole numbers below 2 ** 24, which single precision holds exactly in any order of summation,
and TF32's factors of 11 bits as well. OpenCV's areas are added in its own order, in single precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch

from medbench.preprocessing import cut, equalised, resized
from medbench.resampling import BITS, Plan, Taps, plan_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess

MOST_TAPS = 32
_HALF = 12
_WHOLE = 2**21
"""Pixels of a picture that is handed over whole; larger ones are resized by the threads that decode them."""
_STEP = 256
"""Pictures whose sides differ by less are stacked together, so that a rare size makes no stack of its own."""
_AT_ONCE = 2**26
"""Pixels that are resized at once: in single precision a quarter of a GiB."""


class Hosted(NamedTuple):
    """A picture in the host's memory, (H, W) or (H, W, 3) uint8, and what is left to do to it; None where it is done."""

    pixels: NDArray[np.uint8]
    plan: Plan | None


class Send(Protocol):
    """Brings pictures of one or several sizes to the device as one stack."""

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """n pictures -> (n, H, W) or (n, H, W, 3) uint8, H and W the largest; smaller pictures lie at the top left."""
        ...


def hosted(pixels: NDArray[np.uint8], preprocess: Preprocess) -> Hosted:
    """What the device is handed: the picture whole, equalised where asked, or resized where only the host can."""
    part = cut(pixels, preprocess)
    plan = plan_of(part.shape[0], part.shape[1], preprocess) if part.size <= _WHOLE else None
    if plan is None or max(plan.rows.places.shape[1], plan.columns.places.shape[1]) > MOST_TAPS:
        return Hosted(resized(pixels, preprocess), None)
    return Hosted(cut(equalised(pixels), preprocess) if preprocess.equalise else part, plan)


def resized_on_device(pictures: Sequence[Hosted], send: Send) -> Tensor:
    """(B, crop, crop), or (B, crop, crop, 3) of colour pictures, uint8, in order, on the device that ``send`` sends to."""
    done: list[tuple[list[int], Tensor]] = []
    for members in _alike(pictures):
        stack = send([pictures[one].pixels for one in members])
        plans = [plan for one in members if (plan := pictures[one].plan) is not None]
        done.append((members, _apply(stack, plans) if plans else stack))
    (first, images), *more = done
    if not more and first == list(range(len(pictures))):
        return images
    together = images.new_empty((len(pictures), *images.shape[1:]))
    for members, images in done:
        together[torch.tensor(members, device=images.device)] = images
    return together


def _alike(pictures: Sequence[Hosted]) -> Iterator[list[int]]:
    """The numbers of pictures that are stacked together."""
    groups: dict[Any, list[int]] = {}
    for number, (pixels, plan) in enumerate(pictures):
        height, width = pixels.shape[:2]
        key = (plan.kind, -(-height // _STEP), -(-width // _STEP)) if plan is not None else None
        groups.setdefault(key, []).append(number)
    for key, members in groups.items():
        many = len(members)
        if key is not None:
            many = max(1, _AT_ONCE // max(pictures[one].pixels.size for one in members))
        for start in range(0, len(members), many):
            yield members[start : start + many]


def _apply(stack: Tensor, plans: Sequence[Plan]) -> Tensor:
    """(n, H, W) or (n, H, W, 3) -> (n, crop, crop) or (n, crop, crop, 3), uint8."""
    planes = stack[:, None] if stack.ndim == 3 else stack.permute(0, 3, 1, 2)
    one_pass = _fixed if plans[0].kind == "fixed" else _weighted
    same = all(plan is plans[0] for plan in plans)
    used = plans[:1] if same else plans
    # Mixed precision must not touch these: they are exact only in single precision.
    with torch.autocast(stack.device.type, enabled=False):
        wide = one_pass(planes.flatten(1, 2), [plan.columns for plan in used])
        columns = wide.reshape(*planes.shape[:3], -1).transpose(2, 3)
        high = one_pass(columns.flatten(1, 2), [plan.rows for plan in used])
    found = high.reshape(*columns.shape[:3], -1).transpose(2, 3)
    images = _rounded(found, used)
    return images[:, 0] if stack.ndim == 3 else images.permute(0, 2, 3, 1)


def _fixed(lines: Tensor, taps: Sequence[Taps]) -> Tensor:
    """(n, R, L) uint8 and the taps of all or of each -> (n, R, count) uint8, as Pillow rounds them."""
    index, weight = _stacked(taps, lines.device)
    upper = (weight + (1 << (_HALF - 1))) >> _HALF
    halves = torch.cat([upper, weight - (upper << _HALF)], dim=1).float()  # none above 2 ** 11, which TF32 has
    dense = halves.new_zeros((*halves.shape[:2], lines.shape[2]))
    dense.scatter_add_(2, torch.cat([index, index], dim=1), halves)
    sums = lines.float() @ (dense[0] if len(taps) == 1 else dense).mT
    high, low = sums.to(torch.int32).chunk(2, dim=2)
    return (((high << _HALF) + low + (1 << (BITS - 1))) >> BITS).clamp_(0, 255).to(torch.uint8)


def _weighted(lines: Tensor, taps: Sequence[Taps]) -> Tensor:
    """(n, R, L) uint8 or float32 and the taps of all or of each -> (n, R, count) float32: products added one by one."""
    index, weight = _stacked(taps, lines.device)
    shape = (*lines.shape[:2], index.shape[1])
    total = torch.zeros(shape, device=lines.device)
    for number in range(index.shape[2]):
        picked = lines.gather(2, index[:, None, :, number].expand(shape))
        total += picked * weight[:, None, :, number]
    return total


def _rounded(found: Tensor, plans: Sequence[Plan]) -> Tensor:
    if plans[0].kind == "fixed":
        return found
    factor = torch.tensor([plan.factor for plan in plans], dtype=torch.float32)
    scaled = found * factor.to(found.device, non_blocking=True)[:, None, None, None]
    whole = torch.floor(scaled + 0.5) if plans[0].kind == "quarters" else torch.round(scaled)
    return whole.clamp_(0, 255).to(torch.uint8)


def _stacked(taps: Sequence[Taps], device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices and weights (m, count, T), T the most that any has; the added ones weigh nothing."""
    most = max(one.places.shape[1] for one in taps)
    shape = (len(taps), taps[0].places.shape[0], most)
    index, weight = np.zeros(shape, np.int32), np.zeros(shape, taps[0].weights.dtype)
    for number, one in enumerate(taps):
        index[number, :, : one.places.shape[1]] = one.places
        weight[number, :, : one.weights.shape[1]] = one.weights
    return torch.from_numpy(index).to(device).long(), torch.from_numpy(weight).to(device)
