"""The example package under the checks that every plugin is held to, with its real weights."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path

import pytest

from medbench.registry import Registry
from medbench.testing.method_checks import method_report

SOURCE = Path(__file__).parents[1] / "third_party"
POINT = importlib.metadata.EntryPoint("small-encoders", "medbench_small_encoders", "medbench")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(SOURCE))
    return Registry([POINT])


@pytest.mark.parametrize("variant", ["cifar-resnet20", "cifar-resnet32", "mevf-autoencoder", "mevf-maml"])
def test_it_keeps_the_contract_with_its_real_weights(
    variant: str, registry: Registry, shared: Path, tmp_path: Path
) -> None:
    (tmp_path / "small-encoders").mkdir()
    for path in (shared / "data" / "encoders").glob("*.safetensors"):
        shutil.copy(path, tmp_path / "small-encoders")
    report = method_report(f"small-encoders@{variant}", registry, checkpoints=tmp_path)
    assert not report.findings, report.text


def test_without_weights_what_needs_none_is_checked_and_the_rest_named(registry: Registry) -> None:
    report = method_report("small-encoders", registry)
    assert not report.findings, report.text
    assert any("no weights at small-encoders/cifar10_resnet20" in one.line for one in report.left_out)
    assert any("pretrained_on is None" in one.line for one in report.left_out)
