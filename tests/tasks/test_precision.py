"""In which numbers a trial's nets compute."""

from __future__ import annotations

import pytest
import torch

from medbench.protocols import Compute
from medbench_tasks.precision import DTYPES, autocast, autocast_on
from medbench_tasks.training import FitReport, training_notes


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_net_computes_in_the_precision_that_is_asked(precision: str, dtype: torch.dtype) -> None:
    layer, inputs = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with torch.no_grad(), autocast(Compute(precision=precision)):
        assert layer(inputs).dtype == dtype == DTYPES[precision]
    with torch.no_grad(), autocast_on("cpu", precision):
        assert layer(inputs).dtype == dtype


def test_the_notes_of_a_training_are_its_finite_numbers() -> None:
    report = FitReport(epochs=3, best_epoch=2, best_score=0.25 + 1e-9, seconds=1.5)
    assert training_notes(report, train_images=7) == {
        "epochs": 3, "best_epoch": 2, "best_validation_score": 0.25, "train_seconds": 1.5, "train_images": 7,
    }  # fmt: skip
    undefined = FitReport(epochs=3, best_epoch=3, best_score=float("nan"), seconds=1.5)
    assert "accuracy" not in training_notes(undefined, score="accuracy")
    assert training_notes(report, score="accuracy")["accuracy"] == 0.25
