"""Optional finding labellers and graph scores that need a model of their own; each states its package and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from medbench.errors import TrialError, UsageError
from medbench_tasks.texts.assertion import State
from medbench_tasks.texts.finding_phrases import OBSERVATIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = "StanfordAIMI/RRG_scorers"
"""The repository that both packages fetch their weights from."""
_STATES: Mapping[object, State] = {1: State.PRESENT, 0: State.ABSENT, -1: State.UNCERTAIN, "": State.UNMENTIONED}


class CheXbert:
    """CheXbert (Smit et al., EMNLP 2020) through the package f1chexbert: the states of the 14 observations.

    Raises `UsageError` where the package is absent, and `TrialError` where its weights cannot be had.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._package = _package("f1chexbert", "chexbert")
        self._device = device

    @property
    def version(self) -> str:
        return f"CheXbert (f1chexbert {_version('f1chexbert')}, {WEIGHTS} chexbert.pth)"

    def label(self, reports: Sequence[str]) -> NDArray[np.int8]:
        """(N, 14) `State` of each of `OBSERVATIONS`; the same report is read once, and No Finding is present or unmentioned."""
        import numpy as np

        names = list(self._model.target_names)
        order = [names.index(name) for name in OBSERVATIONS]
        different = {report: self._states(report) for report in dict.fromkeys(reports)}
        return np.array([[different[report][column] for column in order] for report in reports], np.int8).reshape(
            -1, len(OBSERVATIONS)
        )

    def _states(self, report: str) -> list[State]:
        return [_STATES[answer] for answer in self._model.get_label(report.strip(), mode="classification")]

    @cached_property
    def _model(self) -> Any:
        return _built("CheXbert", lambda: self._package.F1CheXbert(device=self._device))


class RadGraphF1:
    """RadGraph F1 (Delbrouck et al., EMNLP Findings 2022) through the package radgraph: shared entities and relations.

    ``level`` is ``simple`` (entities), ``partial`` (entities, and whether they have relations) or ``complete`` (relations).
    Raises as `CheXbert` does.
    """

    def __init__(self, model_type: str = "radgraph-xl", level: str = "partial", cuda: int = -1) -> None:
        self._package = _package("radgraph", "radgraph")
        self._settings = {"reward_level": level, "model_type": model_type, "cuda": cuda}

    @property
    def version(self) -> str:
        kind, level = self._settings["model_type"], self._settings["reward_level"]
        return f"RadGraph F1 {level} (radgraph {_version('radgraph')}, {WEIGHTS} {kind})"

    def scores(self, references: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float64]:
        """(N,) the F1 of each pair as a share of 1; 0 where either text is empty."""
        import numpy as np

        if not any(true and given for true, given in zip(references, hypotheses, strict=True)):
            return np.zeros(len(hypotheses))
        _, each, *_ = self._model(refs=list(references), hyps=list(hypotheses))
        return np.array(each, np.float64)

    @cached_property
    def _model(self) -> Any:
        return _built("RadGraph", lambda: self._package.F1RadGraph(**self._settings))


def _package(name: str, extra: str) -> ModuleType:
    if find_spec(name) is None:
        raise UsageError(f"the package {name} is not installed", fix=f"pip install 'medbench[{extra}]'")
    return import_module(name)


def _built(title: str, build: Any) -> Any:
    """What ``build`` makes, from weights that the package fetches by itself when they are not in its cache."""
    try:
        return build()
    except (OSError, RuntimeError, ImportError) as error:
        raise TrialError(
            f"{title} cannot be loaded: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            fix=f"see that its cache holds the weights of {WEIGHTS}, or that the hub can be reached",
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
