"""What a driver and a worker process tell each other, as messages, and how the driver tells on what it hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from medbench.executors.orders import Answer, Order
from medbench.protocols import PhaseReporter

Item = TypeVar("Item")

_EVERY_S = 0.5
"""Steps are told no more often: thousands a second would keep the driver busy."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the driver sends a worker: an order, and whether to wait where another process holds its trial."""

    order: Order
    wait: bool


class Started(msgspec.Struct, frozen=True, tag=True):
    """The trial of that key is the worker's now."""

    key: str


class Phase(msgspec.Struct, frozen=True, tag=True):
    """As `PhaseReporter.phase`."""

    key: str
    name: str
    total: int | None


class Steps(msgspec.Struct, frozen=True, tag=True):
    """As `PhaseReporter.advance`."""

    key: str
    steps: int
    note: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The trial ended; ``last`` says that its worker ends with it, unfit for another."""

    answer: Answer
    last: bool = False


class Held(msgspec.Struct, frozen=True, tag=True):
    """Another process holds the trial of that key, and it was not to be waited for."""

    key: str


Event = Started | Phase | Steps | Held | Ended


def encodable(text: str) -> str:
    """A text that can be sent as UTF-8: of bytes in it that are none, as in the names of files, the escapes."""
    return text.encode(errors="backslashreplace").decode()


def to_bytes(event: Event) -> bytes:
    """An event as JSON on one line."""
    return msgspec.json.encode(event)


def from_bytes(data: bytes) -> Event:
    """What `to_bytes` wrote."""
    event: Event = msgspec.json.decode(data, type=Event)
    return event


@dataclass(slots=True)
class Teller:
    """A `PhaseReporter` that sends what it is told of the trial ``key`` as events; steps are gathered for half a second."""

    key: str
    send: Callable[[Event], None]
    _steps: int = 0
    _note: str = ""
    _sent: float = field(default_factory=time.monotonic)

    def phase(self, name: str, total: int | None = None) -> None:
        self._flush()
        self.send(Phase(self.key, encodable(name), total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._steps += steps
        self._note = encodable(note) or self._note
        if time.monotonic() - self._sent >= _EVERY_S:
            self._flush()

    def track(self, items: Iterable[Item], name: str, total: int | None = None) -> Iterator[Item]:
        self.phase(name, total)
        for item in items:
            yield item
            self.advance()
        self._flush()

    def _flush(self) -> None:
        if self._steps:
            self.send(Steps(self.key, self._steps, self._note))
        self._steps, self._note = 0, ""
        self._sent = time.monotonic()


def retell(event: Phase | Steps, phases: PhaseReporter) -> None:
    """Tell a phase or its steps to a reporter in this process."""
    if isinstance(event, Phase):
        phases.phase(event.name, event.total)
    else:
        phases.advance(event.steps, event.note)
