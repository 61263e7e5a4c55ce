"""Whether run-length counts are those of a mask, without decoding it: pycocotools writes past its memory where they are not."""

from __future__ import annotations

from medbench.samples import Mask

_FIRST = 48
"""COCO writes each number as characters of six bits from this one on: five of the number, and whether more follow."""


def mask_fault(mask: Mask) -> str:
    """What is wrong with a mask's counts, or ''."""
    if not isinstance(mask.counts, bytes):
        return f"has counts of type {type(mask.counts).__name__}, bytes are needed"
    runs = _runs(mask.counts)
    if runs is None:
        return "has counts that are no COCO compressed run lengths"
    if min(runs, default=0) < 0 or sum(runs) != mask.height * mask.width:
        return f"has run lengths that sum to {sum(runs)}, not to {mask.height} x {mask.width}"
    return ""


def _runs(counts: bytes) -> list[int] | None:
    """The lengths of background and foreground in turn; from the fourth on they are told as differences to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for byte in counts:
        bits = byte - _FIRST
        if not 0 <= bits < 64:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # the number is negative
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return None if shift else runs
