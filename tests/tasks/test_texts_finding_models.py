"""CheXbert and RadGraph behind their extras: the form of the packages' own calls, and what is said where they are absent."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from medbench.errors import TrialError, UsageError
from medbench_tasks.texts import finding_models
from medbench_tasks.texts.finding_models import CheXbert, RadGraphF1
from medbench_tasks.texts.finding_phrases import OBSERVATIONS

CHEXBERT_ORDER = [
    "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia",
    "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices", "No Finding",
]  # fmt: skip


class FakeCheXbert:
    """As f1chexbert 0.0.2's ``F1CheXbert``: ``get_label`` gives 1, 0, -1 or a blank in its own order."""

    def __init__(self, device: str) -> None:
        assert device == "cpu"
        self.target_names = CHEXBERT_ORDER
        self.asked: list[str] = []

    def get_label(self, report: str, mode: str = "rrg") -> list[Any]:
        assert mode == "classification"
        self.asked.append(report)
        return [1 if name.lower() in report else "" for name in self.target_names[:-2]] + [-1, 0]


class FakeRadGraph:
    """As radgraph 0.1.18's ``F1RadGraph``: a mean, a list of rewards, two lists of annotations."""

    def __init__(self, reward_level: str, model_type: str, cuda: int) -> None:
        assert (reward_level, model_type, cuda) == ("partial", "radgraph-xl", -1)

    def __call__(self, *, refs: list[str], hyps: list[str]) -> tuple[float, list[float], list[Any], list[Any]]:
        rewards = [float(true == given) if true and given else 0.0 for true, given in zip(refs, hyps, strict=True)]
        return sum(rewards) / len(rewards), rewards, [], []


def install(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    """A module of that name for the time of the test."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(finding_models, "_version", lambda package: "9.9")


def test_chexbert_labels_come_in_the_order_of_the_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "f1chexbert", F1CheXbert=FakeCheXbert)
    labeller = CheXbert()
    labels = labeller.label(["edema and pneumonia ", "", "edema and pneumonia "])
    told = dict(zip(OBSERVATIONS, labels[0].tolist(), strict=True))
    assert {name for name, state in told.items() if state == 1} == {"Edema", "Pneumonia"}
    assert (told["Support Devices"], told["No Finding"], told["Atelectasis"]) == (-1, 0, -2)
    assert labels.shape == (3, 14)
    assert labeller._model.asked == ["edema and pneumonia", ""]
    assert labeller.version == "CheXbert (f1chexbert 9.9, StanfordAIMI/RRG_scorers chexbert.pth)"


def test_radgraph_scores_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "radgraph", F1RadGraph=FakeRadGraph)
    graph = RadGraphF1()
    assert graph.scores(["no edema", "edema", ""], ["no edema", "", "edema"]).tolist() == [1, 0, 0]
    assert "partial" in graph.version
    assert "radgraph-xl" in graph.version
    np.testing.assert_array_equal(graph.scores(["", "edema"], ["edema", ""]), [0, 0])


@pytest.mark.parametrize(("build", "extra"), [(CheXbert, "chexbert"), (RadGraphF1, "radgraph")])
def test_a_package_that_is_absent_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, build: type[CheXbert | RadGraphF1], extra: str
) -> None:
    monkeypatch.setattr(finding_models, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=rf"medbench\[{extra}\]"):
        build()


def test_weights_that_cannot_be_had_are_an_error_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: str) -> None:
        raise OSError("no connection to the hub\nsee the log")

    install(monkeypatch, "f1chexbert", F1CheXbert=refuse)
    with pytest.raises(TrialError, match=r"^CheXbert cannot be loaded: no connection to the hub - see"):
        CheXbert().label(["edema"])
