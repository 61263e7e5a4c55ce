"""What a function of a model must do that answers row by row: one answer a row, finite, the same whoever is beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.testing.contract import Check, Finding, LeftOut, attempt

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-3
"""Largest difference between the same answer in two batches, as a share of the largest number in it."""


@dataclass(frozen=True, slots=True)
class RowFunction:
    """``call`` takes the numbers of ``count`` inputs (images, texts) and answers a row each, of ``shape`` (None = any).

    ``again`` is the same function of the model loaded a second time. ``thing`` is what a row is of, in words.
    """

    where: str
    name: str
    thing: str
    count: int
    shape: tuple[int | None, ...]
    call: Callable[[list[int]], Tensor]
    again: Callable[[list[int]], Tensor]

    @property
    def things(self) -> str:
        """``images``, ``studies``."""
        return "studies" if self.thing == "study" else f"{self.thing}s"


def check_rows(function: RowFunction) -> Check:
    """Shape, kind and finiteness; the same twice, after loading again, and one by one; other inputs give other answers."""
    import torch

    rows = list(range(function.count))
    answer = attempt(function.where, function.name, lambda: _inferred(function.call, rows))
    if isinstance(answer, Finding | LeftOut):
        yield answer
        return
    problem = _form(function, answer)
    if problem is not None:
        yield problem
        return
    if not torch.isfinite(answer).all():
        yield Finding(function.where, f"{function.name} gives numbers that are not finite")
        return
    for what, other, mend in (
        (
            "when it is asked twice",
            function.call,
            "is dropout in train mode, or something drawn? call .eval() in the loader",
        ),
        (
            "when the method is loaded again",
            function.again,
            "is a layer left as it was drawn, and not from the checkpoint?",
        ),
    ):
        yield from _compare(function, answer, lambda other=other: _inferred(other, rows), what, mend)  # type: ignore[misc]
    yield from _compare(
        function,
        answer,
        lambda: torch.cat([_inferred(function.call, [row]) for row in rows]),
        f"in a batch of {function.count} than alone",
        "is a BatchNorm in train mode? call .eval()"
        if function.thing == "image"
        else "is padding attended to? mask it; and call .eval()",
    )
    if function.count > 1 and all(torch.equal(answer[0], one) for one in answer[1:]):
        yield Finding(
            function.where,
            f"{function.name} gives the same for {function.count} different {function.things}",
            "does the answer depend on its input?",
        )


def _inferred(call: Callable[[list[int]], Tensor], rows: list[int]) -> Tensor:
    import torch

    with torch.inference_mode():
        return call(rows)


def _form(function: RowFunction, answer: object) -> Finding | None:
    import torch

    wanted = (function.count, *function.shape)
    said = "(" + ", ".join("any" if side is None else str(side) for side in wanted) + ")"
    if not isinstance(answer, torch.Tensor):
        return Finding(function.where, f"{function.name} gives a {type(answer).__name__}, not a tensor {said}")
    shape = tuple(answer.shape)
    if len(shape) != len(wanted) or any(want not in (None, have) for want, have in zip(wanted, shape, strict=True)):
        return Finding(
            function.where,
            f"{function.name} gives shape {shape} for {function.count} {function.things}, {said} is expected",
            "medbench.capabilities says what each side is",
        )
    if answer.dtype != torch.float32:
        return Finding(
            function.where, f"{function.name} gives {answer.dtype}", "give torch.float32 outside of autocast"
        )
    return None


def _compare(function: RowFunction, answer: Tensor, other: Callable[[], Tensor], what: str, mend: str) -> Check:
    found = attempt(function.where, f"{function.name}, {what.removesuffix(' than alone')}", other)
    if isinstance(found, Finding | LeftOut):
        yield found
        return
    if found.shape != answer.shape:
        yield Finding(function.where, f"{function.name} gives shape {tuple(found.shape)} {what}", mend)
        return
    difference = float((found - answer).abs().max())
    if not difference <= TOLERANCE * float(answer.abs().max()):
        text = f"{function.name} gives another answer for the same {function.thing} {what}"
        yield Finding(function.where, f"{text} (largest difference {difference:.2g})", mend)
