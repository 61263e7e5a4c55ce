"""In which numbers a net computes: torch's type of each precision, and the autocast of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from medbench.protocols import Compute

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""By `medbench.protocols.Compute.precision`."""


def autocast(compute: Compute) -> torch.autocast:
    """The context in which a trial's nets run: off in single precision."""
    return autocast_on(compute.device, compute.precision)


def autocast_on(device: str, precision: str) -> torch.autocast:
    """The same for a net that knows its ``device`` type and ``precision`` alone."""
    dtype = DTYPES[precision]
    half = dtype != torch.float32
    return torch.autocast(device, dtype=dtype if half else None, enabled=half)
