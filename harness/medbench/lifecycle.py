"""How a run is told to the plugins: who is called, who is left alone, and what is said of one that fails.

A tracker costs no result. What it raises becomes a warning, said once; after three failures in a row it is left alone. It is
called in a thread of its own, always the same one, and one that does not answer in time is left alone at once: a server
that hangs cannot hold up the trials. Such a call may still go on, so the tracker is not asked again while it does, and the
end of the process does not wait for it.
"""

from __future__ import annotations

import contextvars
import queue
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from medbench.errors import MedbenchError, PluginError, UnknownNameError
from medbench.registry import Listener, Registry
from medbench.settings import Settings

PATIENCE = 3
TIME_LIMIT_S = 60.0
"""For one call of a tracker."""
TIME_A_RECORD_S = 2.0
"""More for each record of a run that has ended: a tracker may have to log them all."""
_LONGEST = 300
_LONGEST_READ = 10_000
_PASSWORD = re.compile(r"(?<=//)\S*@")
_SECRET = re.compile(
    r"([?&][^=&?\s]{0,40}(?:token|key|secret|passw|pwd|auth|signature|credential)[^=&?\s]{0,40}=)[^&\s]*", re.IGNORECASE
)


def check_trackers(registry: Registry, settings: Settings) -> None:
    """Ask each tracker that the settings name whether it can work.

    Raises `UnknownNameError` for a name that no plugin answers to, `PluginError` for one that two claim or whose plugin is
    at fault, and what the tracker itself has to say.
    """
    trackers = registry.listeners("medbench_tracker_ready")
    for name in settings.trackers:
        claims = [one for one in trackers if one.tracker == name]
        if not claims:
            raise UnknownNameError("tracker", name, {str(one.tracker) for one in trackers})
        if len(claims) > 1:
            owners = " and ".join(one.label for one in claims)
            raise PluginError(f"tracker '{name}' is claimed by {owners}", fix="uninstall one of them")
        try:
            claims[0].call(settings=settings)
        except MedbenchError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"tracker '{name}' cannot start: {describe(error)}") from error


@dataclass(slots=True, weakref_slot=True)
class Announcer:
    """Calls the life-cycle hooks for one run, or one part of it: it remembers who failed."""

    registry: Registry
    settings: Settings
    _failures: dict[str, int] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _workers: dict[str, _Worker] = field(default_factory=dict)

    def announce(self, hook: str, **arguments: Any) -> list[str]:
        """Call a hook on every plugin that is to hear of it; gives the warnings that have not been said yet."""
        warnings = []
        for listener in self.registry.listeners(hook):
            if not self._hears(listener):
                continue
            try:
                self._call(listener, {**arguments, "settings": self.settings})
            except (Exception, SystemExit) as error:  # a tracker must never cost a result, nor the exit code
                late = isinstance(error, _LateError)
                failures = PATIENCE if late else self._failures.get(listener.label, 0) + 1
                self._failures[listener.label] = failures
                if late or listener.label not in self._told:
                    self._told.add(listener.label)
                    said = str(error) if late else f"raised {describe(error)}"
                    warnings.append(f"{listener.label}: {hook} {said}")
            else:
                self._failures.pop(listener.label, None)
        return warnings

    def _hears(self, listener: Listener) -> bool:
        if listener.tracker is not None and listener.tracker not in self.settings.trackers:
            return False
        return self._failures.get(listener.label, 0) < PATIENCE

    def _call(self, listener: Listener, offered: dict[str, Any]) -> None:
        """A tracker in its thread, any other plugin here. Raises what it raises, and `_LateError`."""
        if listener.tracker is None:
            listener.call(**offered)
            return
        worker = self._workers.get(listener.label)
        if worker is None:
            if any(one.stuck for one in threading.enumerate() if isinstance(one, _Worker) and one.of == listener.label):
                raise _LateError("is left out: an earlier call of it has not ended")
            worker = self._workers[listener.label] = _Worker(listener.label)
            weakref.finalize(self, worker.jobs.put, None)
            worker.start()
        limit = TIME_LIMIT_S + TIME_A_RECORD_S * len(offered.get("records", ()))
        worker.call(lambda: listener.call(**offered), limit)


class _LateError(Exception):
    """A call that did not end in time."""


@dataclass(slots=True)
class _Job:
    work: Callable[[], object]
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class _Worker(threading.Thread):
    """The thread of one tracker: what its library keeps by thread, or in context variables, is there in its next call."""

    def __init__(self, label: str) -> None:
        super().__init__(name=f"tracker {label}", daemon=True)
        self.of = label
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._context = contextvars.copy_context()
        self._late: _Job | None = None

    @property
    def stuck(self) -> bool:
        """Whether a call that was given up still goes on."""
        return self._late is not None and not self._late.done.is_set()

    def call(self, work: Callable[[], object], limit: float) -> None:
        """Do it in the thread, and wait. Raises what it raises; `_LateError` after ``limit`` seconds."""
        job = _Job(work)
        self.jobs.put(job)
        if not job.done.wait(limit):
            self._late = job
            raise _LateError(f"has not ended after {limit:g} s; it is left alone from here on")
        if job.error is not None:
            raise job.error

    def run(self) -> None:
        """Work until there is a None."""
        while (job := self.jobs.get()) is not None:
            try:
                self._context.run(job.work)
            except BaseException as error:  # raised again where it is waited for
                job.error = error
            job.done.set()


def describe(error: BaseException) -> str:
    """``ValueError: what it says``, on one line, at most 300 characters, without passwords and tokens of addresses in it."""
    text = _SECRET.sub(r"\1...", _PASSWORD.sub("", str(error)[:_LONGEST_READ]))
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = f"{type(error).__name__}: {' '.join(printable.split())}"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
