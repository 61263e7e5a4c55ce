"""One process that carries trials out, one after the other, under the claim that keeps others off them."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from medbench.errors import MedbenchError, StoreError
from medbench.executors.base import Outcome
from medbench.executors.events import encodable
from medbench.executors.group import carry_out
from medbench.files import write_bytes_atomically
from medbench.lifecycle import Announcer
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter
from medbench.registry import Registry
from medbench.runner import Manifests
from medbench.settings import Settings
from medbench.store import ResultStore


@dataclass(slots=True)
class Worker:
    """Carries trials out here. It keeps what trials share: the manifests, and which trackers have failed.

    ``leaving`` says of a `SystemExit` whether it ends this process, as a scheduler asked; else it is a failure of the trial.
    """

    registry: Registry
    settings: Settings
    leaving: Callable[[SystemExit], bool] = lambda error: False
    _manifests: Manifests = field(init=False)
    _announcer: Announcer = field(init=False)

    def __post_init__(self) -> None:
        self._manifests = Manifests(self.registry, self.settings)
        self._announcer = Announcer(self.registry, self.settings)

    def attempt(
        self, planned: PlannedTrial, phases: PhaseReporter, *, started: Callable[[], None], wait: bool
    ) -> Outcome | None:
        """Run a trial; None where another process holds it and it is not waited for.

        ``started`` is called once it is ours and not done yet. Whatever the trial raises is in the outcome; a defect's
        traceback is kept in the results folder.
        """
        store = ResultStore(self.settings.results)
        task, method, key = planned.trial.task.id, planned.trial.choice.id, str(planned.key)
        begun = False
        complaints: list[str] = []
        try:
            with store.claim(task, method, key, wait=wait) as ours:
                if not ours:
                    return None
                if store.exists(task, method, key):
                    outcome = Outcome(planned, "elsewhere", store.read(task, method, key))
                else:
                    started()
                    begun = True
                    complaints += self._announcer.announce("medbench_trial_started", trial=planned.trial, key=key)
                    outcome = Outcome(planned, "finished", carry_out(planned, self._manifests, phases))
        except MedbenchError as error:
            outcome = Outcome(planned, "failed", message=encodable(str(error)), exit_code=error.exit_code)
        except BaseException as error:
            if not self._is_defect(error):  # Ctrl-C: no tracker may go on showing the trial as running
                if begun:
                    self.tell_lost(planned, "interrupted")
                raise
            # a defect in one trial must not cost the others
            outcome = Outcome(planned, "failed", message=self._keep_traceback(error, key), exit_code=1)
        if begun:
            complaints += [*self._manifests.remarks(), *self._tell_end(outcome, key)]
            outcome = replace(outcome, message=encodable("; ".join(filter(None, [outcome.message, *complaints]))))
        return outcome

    def _is_defect(self, error: BaseException) -> bool:
        """Whether a library of the trial raised it; some call `sys.exit`."""
        return isinstance(error, Exception) or (isinstance(error, SystemExit) and not self.leaving(error))

    def tell_lost(self, planned: PlannedTrial, message: str) -> list[str]:
        """Tell the plugins that a trial which had begun will not end; gives their complaints."""
        return self._announcer.announce(
            "medbench_trial_failed", trial=planned.trial, key=str(planned.key), message=message
        )

    def _tell_end(self, outcome: Outcome, key: str) -> list[str]:
        if outcome.state == "finished":
            return self._announcer.announce("medbench_trial_finished", record=outcome.record)
        return self.tell_lost(outcome.planned, outcome.message)

    def _keep_traceback(self, error: BaseException, key: str) -> str:
        summary = encodable(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        path = Path(self.settings.results) / ".failures" / f"{key}.txt"
        try:
            write_bytes_atomically(path, encodable("".join(traceback.format_exception(error))).encode())
        except StoreError:
            return summary
        return f"{summary} - the traceback is in {self._beside_results(path)}"

    def _beside_results(self, path: Path) -> Path:
        """A path from where the results folder is: trackers hear of failures too, and absolute paths tell who one is."""
        return path.absolute().relative_to(Path(self.settings.results).absolute().parent)
