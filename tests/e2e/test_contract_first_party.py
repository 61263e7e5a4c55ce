"""The first-party plugins under the checks that third parties are held to."""

from __future__ import annotations

import pytest

from medbench.registry import Registry
from medbench.testing.dataset_checks import dataset_report
from medbench.testing.method_checks import method_report
from medbench.testing.task_checks import task_report

REGISTRY = Registry.load()
OURS = [plugin for plugin in REGISTRY.plugins if plugin.distribution == "medbench"]
OFFERS = {
    kind: [one.split()[1] for plugin in OURS for one in plugin.offers if one.startswith(f"{kind} ")]
    for kind in ("method", "dataset", "task")
}
OTHER_NETS = (
    "convirt@resnet50-edreismd",
    "medclip@vit",
    "cxr-clip@swint-m",
    "ptunifier@vit-b16-benchx",
    "refers@vit-b16-benchx",
    "clip@vit-b16",
)
"""Variants whose net or file is another than the default one's, where the phantom draws it when it is named."""
REPRESENTATIVE = ("kermany-knn", "kermany-linear", "kermany-zeroshot", "roco-retrieval", "ms-cxr-t-sentences")


@pytest.mark.parametrize("name", ["kermany", "vindr-cxr", "slake"])
def test_some_datasets_keep_the_contract(name: str) -> None:
    report = dataset_report(name, REGISTRY)
    assert not report.findings, report.text


@pytest.mark.parametrize("name", ["kermany-knn"])
def test_some_tasks_keep_the_contract(name: str) -> None:
    report = task_report(name, REGISTRY)
    assert not report.findings, report.text


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFERS["dataset"])
def test_every_dataset_keeps_the_contract(name: str) -> None:
    report = dataset_report(name, REGISTRY)
    assert not report.findings, report.text


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OFFERS["method"], *OTHER_NETS])
def test_every_method_keeps_the_contract(name: str) -> None:
    report = method_report(name, REGISTRY)
    assert not report.findings, report.text


@pytest.mark.slow
@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_more_tasks_keep_the_contract(name: str) -> None:
    report = task_report(name, REGISTRY)
    assert not report.findings, report.text
