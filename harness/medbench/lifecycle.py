"""How a run is told to the plugins: who is called, who is left alone, and what is said of one that fails.

A tracker costs no result. What it raises becomes a warning, said once; after three failures in a row it is left alone, so
that a server which hangs cannot hold up every trial.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from medbench.errors import MedbenchError, PluginError, UnknownNameError
from medbench.registry import Listener, Registry
from medbench.settings import Settings

PATIENCE = 3
_LONGEST = 300


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
        except Exception as error:
            raise PluginError(f"tracker '{name}' cannot start: {describe(error)}") from error


@dataclass(slots=True)
class Announcer:
    """Calls the life-cycle hooks for one run, or one part of it: it remembers who failed."""

    registry: Registry
    settings: Settings
    _failures: dict[str, int] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def announce(self, hook: str, **arguments: Any) -> list[str]:
        """Call a hook on every plugin that is to hear of it; gives the warnings that have not been said yet."""
        warnings = []
        for listener in self.registry.listeners(hook):
            if not self._hears(listener):
                continue
            try:
                listener.call(**arguments, settings=self.settings)
            except Exception as error:  # a tracker must never cost a result
                self._failures[listener.label] = self._failures.get(listener.label, 0) + 1
                if listener.label not in self._told:
                    self._told.add(listener.label)
                    warnings.append(f"{listener.label}: {hook} raised {describe(error)}")
            else:
                self._failures.pop(listener.label, None)
        return warnings

    def _hears(self, listener: Listener) -> bool:
        if listener.tracker is not None and listener.tracker not in self.settings.trackers:
            return False
        return self._failures.get(listener.label, 0) < PATIENCE


def describe(error: BaseException) -> str:
    """``ValueError: what it says``, on one line, at most 300 characters, without passwords of addresses in it."""
    text = re.sub(r"(?<=//)[^/@\s]+@", "", str(error))
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = f"{type(error).__name__}: {' '.join(printable.split())}"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
