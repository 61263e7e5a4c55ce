"""The checks of methods: each names the fault of a method that has it, and finds none in one that has none."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from medbench.registry import Registry
from medbench.selection import MethodChoice
from medbench.settings import Settings
from medbench.specs import MethodSpec
from medbench.testing.contract import Finding, Report
from medbench.testing.method_checks import check_texts_elsewhere, check_variant, method_report
from medbench.testing.spec_checks import check_light, check_method_spec
from tests.core import contract_methods as broken


def lines(spec: MethodSpec, checkpoints: Path) -> list[str]:
    choice = MethodChoice(spec, spec.variants[0])
    report = Report.of(spec.id, check_variant(choice, Settings(checkpoints=checkpoints, device="cpu")))
    return [one.line for one in report.findings]


def test_a_good_method_has_no_findings(tmp_path: Path) -> None:
    assert lines(broken.drawn("good"), tmp_path) == []


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("dropout", "encode_images gives another answer for the same image when it is asked twice"),
        ("drawnanew", "encode_images gives another answer for the same image when the method is loaded again"),
        ("wrongwidth", "encode_images gives shape (2, 8) for 2 images, (2, 9) is expected"),
        ("notfinite", "encode_images gives numbers that are not finite"),
        ("double", "encode_images gives torch.float64"),
        ("constant", "encode_images gives the same for 2 different images"),
        ("batchwise", "encode_images gives another answer for the same image in a batch of 2 than alone"),
        ("raises", "encode_images, in a batch of 2 raised IndexError"),
        ("nogradient", "encode_images gives an answer without a gradient though gradients are on"),
        ("switches", "a call switched its mode"),
        ("wrongstride", "map 0 of encode_pyramid has shape (2, 8, 4, 4)"),
        ("coarsefirst", "its strides are (8, 4): give the finest map first"),
        ("badpreprocess", "preprocess has mean (0.5, 0.5, 0.5), std (0.5, 0.0, 0.5)"),
        ("noemptytext", "encode_texts raised IndexError"),
        ("padded", "encode_texts gives another answer for the same text in a batch of 4 than alone"),
        ("seeds", "loading it changed torch's random generator"),
        ("online", "it asked the network for weights.invalid:443 from core/contract_methods.py line"),
    ],
)
def test_a_fault_is_named(model: str, words: str, tmp_path: Path) -> None:
    assert any(words in line for line in lines(broken.drawn(model), tmp_path))


def test_train_mode_is_named(tmp_path: Path) -> None:
    spec = replace(broken.drawn("good"), loader="tests.core.contract_methods:load_training")
    found = lines(spec, tmp_path)
    assert any("of its modules are in train mode (first: the model itself): call .eval()" in line for line in found)
    assert any("in a batch of 2 than alone" in line and "BatchNorm" in line for line in found)


def test_a_claim_that_the_model_does_not_keep_is_named(tmp_path: Path) -> None:
    spec = broken.drawn("good")
    variant = replace(spec.variants[0], capabilities=frozenset({"Grounder"}))
    assert any("claims Grounder" in line for line in lines(replace(spec, variants=(variant,)), tmp_path))


def test_a_loader_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    spec = replace(broken.drawn("good"), loader="tests.core.no_such_module:load")
    assert any("cannot import tests.core.no_such_module" in line for line in lines(spec, tmp_path))


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ("load_careful", []),
        ("load_beside", []),
        ("load_lenient", ["another method's checkpoint loads as if it were its own"]),
        ("load_partly", ["its own checkpoint with half of its tensors renamed loads as if it were its own"]),
        ("load_denying", ["of a truncated checkpoint it says that it is missing (broken has no file)"]),
        (
            "load_trusting",
            [
                "without its checkpoint it loads all the same",
                "code that a checkpoint holds was run",
                "a checkpoint of 64 bytes of noise raised",
            ],
        ),
    ],
)
def test_bad_checkpoints_end_in_one_line(loader: str, words: list[str], tmp_path: Path) -> None:
    broken.write_weights(tmp_path)
    found = lines(broken.weighted(loader), tmp_path)
    assert all(any(word in line for line in found) for word in words), found
    assert bool(found) == bool(words)


def offered(spec: MethodSpec) -> SimpleNamespace:
    """A registry of that method alone."""
    return SimpleNamespace(methods={spec.id: spec}, method=lambda name: spec, plugins=())


def _drawing(loader: str, phantom: str = "write_phantom") -> MethodSpec:
    spec = broken.weighted(loader)
    variant = replace(spec.variants[0], capabilities=frozenset({"ImageEncoder", "TextEncoder"}))
    return replace(spec, variants=(variant,), phantom=f"tests.core.contract_methods:{phantom}")


def test_what_the_phantom_ought_to_have_drawn_is_not_left_out() -> None:
    report = method_report("broken", offered(_drawing("load_novocabulary")))
    assert any("no vocabulary: the spec claims it: let the phantom draw" in one.line for one in report.findings)


def test_the_phantom_is_watched_as_the_loader_is() -> None:
    report = method_report("broken", offered(_drawing("load_careful", "write_phantom_online")))
    assert any("it asked the network for drawn.invalid from" in one.line for one in report.findings)
    assert any("drawing its phantom changed torch's random generator" in one.line for one in report.findings)


def test_answers_that_hang_on_the_process_are_named(tmp_path: Path) -> None:
    spec = replace(broken.drawn("good"), loader="tests.core.contract_methods:load_byhash")
    choice = MethodChoice(spec, spec.variants[0])
    (finding,) = check_texts_elsewhere(choice, Settings(checkpoints=tmp_path))
    assert "encode_texts gives another answer in another process" in finding.line
    good = broken.drawn("good")
    assert not list(check_texts_elsewhere(MethodChoice(good, good.variants[0]), Settings(checkpoints=tmp_path)))


def test_weights_of_a_hub_and_open_families_are_left_out_and_not_called_good(registry: Registry) -> None:
    spec = broken.weighted("load_careful")
    source = replace(spec.variants[0].checkpoint, hub="hub/one")
    report = method_report("broken", offered(replace(spec, variants=(replace(spec.variants[0], checkpoint=source),))))
    assert not report.findings, report.text
    assert not report.tried
    assert "its weights come from a hub" in report.text
    assert "keeps the contract" not in report.text
    family = replace(spec, variants=(), open_variants="tests.core.contract_methods:drawn")
    assert "keeps the contract" not in method_report("broken", offered(family)).text


def test_a_spec_that_says_little_is_named() -> None:
    spec = replace(broken.drawn("good"), licence=" ", code_url="github.com/x", pretrained_on=None)
    found = list(check_method_spec(spec))
    said = [one.line for one in found if isinstance(one, Finding)]
    assert any("licence is empty" in line for line in said)
    assert any("code_url 'github.com/x' is no address" in line for line in said)
    assert any("pretrained_on is None" in one.line for one in found)


def test_a_module_that_loads_torch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "heavy_plugin.py").write_text("import numpy\n")
    registry = Registry([importlib.metadata.EntryPoint("heavy", "heavy_plugin", "medbench")])
    (finding,) = check_light(registry.plugins[0])
    assert "its module heavy_plugin loads numpy when it is imported" in finding.line


def test_a_method_of_which_nothing_could_be_loaded_does_not_pass(registry: Registry) -> None:
    report = method_report("toy@weighted", registry)
    assert any("could be loaded" in one.line or "do not load" in one.line for one in report.findings), report.text


def test_the_toy_is_checked_variant_by_variant(registry: Registry) -> None:
    report = method_report("toy", registry)
    assert any(one.line.startswith("toy@mute: it offers no capability") for one in report.findings)
    assert any(one.line.startswith("toy@weighted: not checked: no weights at toy/weighted") for one in report.left_out)


def test_findings_are_single_lines_without_escapes() -> None:
    assert Finding("a\x1b[31m", "b\nc", "d").line == "a[31m: b c: d"
