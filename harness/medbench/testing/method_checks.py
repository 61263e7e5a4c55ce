"""Holding a method to the contract: its spec, its loader, its model's capabilities, and what it makes of bad checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medbench import capabilities
from medbench.errors import MissingCheckpointError
from medbench.loading import resolve
from medbench.models import load_model
from medbench.phantom import PhantomRequest, write_phantom
from medbench.registry import Registry
from medbench.samples import PhantomSize
from medbench.selection import MethodChoice, select_methods
from medbench.settings import Settings
from medbench.specs import MethodSpec
from medbench.testing import answer_checks, encoder_checks
from medbench.testing.checkpoint_checks import check_bad_checkpoints
from medbench.testing.contract import PLUGIN_ERRORS, Check, Finding, LeftOut, Outcome, Report, attempt, in_words
from medbench.testing.encoder_checks import Subject
from medbench.testing.fresh import ask
from medbench.testing.guards import SharedState, check_network, check_state, no_network
from medbench.testing.questions import TEXTS, encoded_texts
from medbench.testing.spec_checks import check_light, check_method_spec, owner_of

_FROM_FOLDER = "read from the checkpoints folder (request.assets) alone"
_DRAW_ALL = "the spec claims it: let the phantom draw all that it needs"
CHECKS: Mapping[str, Callable[[Subject], Check]] = {
    "ImageEncoder": encoder_checks.check_image_encoder,
    "DenseImageEncoder": encoder_checks.check_dense_encoder,
    "TextEncoder": encoder_checks.check_text_encoder,
    "StudyEncoder": encoder_checks.check_study_encoder,
    "ImageTextMatcher": answer_checks.check_matcher,
    "QueryClassifier": answer_checks.check_classifier,
    "Grounder": answer_checks.check_grounder,
    "ReportGenerator": answer_checks.check_generator,
    "QuestionAnswerer": answer_checks.check_answerer,
    "Explainer": answer_checks.check_explainer,
}


def method_report(name: str, registry: Registry, *, checkpoints: Path | None = None) -> Report:
    """The checks of ``mine`` (every variant whose weights are there), ``mine@variant`` or ``family/model``.

    ``checkpoints`` is a checkpoints root with real weights; without it the method's phantom is drawn. Raises
    `UnknownNameError` where no plugin offers it.
    """
    method = name.partition("/")[0].partition("@")[0]
    spec = registry.method(method)
    with tempfile.TemporaryDirectory() as folder:
        root = checkpoints if checkpoints is not None else Path(folder) / "checkpoints"
        return Report.of(f"method {name}", _check(name, spec, registry, root, draw=checkpoints is None))


def _check(name: str, spec: MethodSpec, registry: Registry, checkpoints: Path, *, draw: bool) -> Check:
    owner = owner_of("method", spec.id, registry)
    if owner is not None:
        yield from check_light(owner)
    yield from check_method_spec(spec)
    where = f"method {spec.id}"
    if draw and spec.phantom is not None:
        found: list[Outcome] = []
        named = name.partition("@")[2]
        yield from _check_phantom(spec, checkpoints.parent, (named,) if named else (), found)
        if found:
            return
    bare = name == spec.id
    if bare and not spec.variants:
        yield LeftOut(where, f"it is a family of models: name one, {spec.id}/<model>", "whole")
        return
    drawn = draw and spec.phantom is not None
    tried = from_hub = 0
    for choice in select_methods(f"{name}@*" if bare else name, registry, checkpoints):
        source = choice.variant.checkpoint
        absent = source is not None and not (checkpoints / source.filename).is_file()
        if source is not None and absent and (bare or source.hub is None):
            from_hub += source.hub is not None
            if drawn and source.hub is None:
                yield LeftOut(choice.id, f"its phantom draws no {source.filename}")
            elif source.hub is not None:
                yield LeftOut(choice.id, "its weights come from a hub")
            else:
                yield LeftOut(choice.id, f"no weights at {source.filename} of the checkpoints folder")
            continue
        tried += 1
        settings = Settings(checkpoints=checkpoints, device="cpu")
        yield from check_variant(choice, settings, drawn=drawn)
        if tried == 1:
            yield from check_texts_elsewhere(choice, settings)
    if from_hub and not tried:
        yield LeftOut(where, "its weights come from a hub; give the folder of a copy of them", "whole")
    elif not tried:
        yield Finding(
            where,
            "no variant could be loaded",
            "let the spec's phantom draw a stand-in of the weights, or give the folder of the real ones",
        )


def check_variant(choice: MethodChoice, settings: Settings, *, drawn: bool = False) -> Check:
    """Load a variant twice, check every capability that it offers, then what it makes of bad checkpoints.

    ``drawn`` says that the method's phantom drew its files, so that none may be absent.
    """
    import torch

    where = choice.id
    package = choice.spec.loader.partition(":")[0].partition(".")[0]
    with no_network(package) as tried:
        shared = SharedState()
        owner = f"method '{choice.spec.id}'"
        loaded = attempt(where, "importing its loader", lambda: resolve(choice.spec.loader, owner))
        yield from check_state(where, shared, "importing its loader")
        models = (
            loaded
            if isinstance(loaded, Finding)
            else attempt(where, "loading it", lambda: [_load(choice, settings) for _ in range(2)])
        )
        yield from check_state(where, shared, "loading it")
        if isinstance(models, list):
            subject = Subject(where, *models)
            yield from _check_module(subject)
            training = _training(subject.model)
            yield from _check_capabilities(subject, choice, shared, drawn=drawn)
            if _training(subject.model) != training:
                yield Finding(where, "a call switched its mode", "leave train and eval mode to the task")
        elif isinstance(models, LeftOut):
            yield Finding(where, models.why, "its weights are there, but do not load")
        else:
            yield models
        if isinstance(models, list) and isinstance(models[0], torch.nn.Module):
            source = choice.variant.checkpoint
            if source is not None and (settings.checkpoints / source.filename).is_file():
                yield from check_bad_checkpoints(choice, settings)
    yield from check_network(where, tried, _FROM_FOLDER)


def check_texts_elsewhere(choice: MethodChoice, settings: Settings) -> Check:
    """Another process, in which texts hash otherwise, encodes them the same."""
    import torch

    if "TextEncoder" not in choice.variant.capabilities:
        return
    texts = list(encoder_checks.TEXTS)
    found = [
        attempt(choice.id, "encode_texts in a process of its own", call)
        for call in (
            lambda: encoded_texts(choice, settings, texts),
            lambda: ask(TEXTS, choice, settings, texts),
        )
    ]
    if isinstance(found[0], list) and isinstance(found[1], list):  # else it is said elsewhere
        first, second = (torch.tensor(one) for one in found)
        if first.shape != second.shape or not torch.allclose(first, second, rtol=1e-3, atol=1e-3):
            mend = "sort what comes from a set, and use no hash() of a text"
            yield Finding(choice.id, "encode_texts gives another answer in another process", mend)
    elif isinstance(found[0], list):
        yield from (one for one in found if isinstance(one, Finding))


def _check_phantom(spec: MethodSpec, folder: Path, variants: tuple[str, ...], found: list[Outcome]) -> Check:
    """Draw the weights, with the network and the process watched; a failure is kept in ``found`` too."""
    where = f"method {spec.id}"
    with no_network(str(spec.phantom).partition(":")[0].partition(".")[0]) as tried:
        shared = SharedState()
        drawn = attempt(where, "drawing its phantom", lambda: draw_weights(spec, folder, variants))
        yield from check_state(where, shared, "drawing its phantom")
    yield from check_network(where, tried, _FROM_FOLDER)
    if isinstance(drawn, Finding | LeftOut):
        found.append(drawn)
        yield drawn if isinstance(drawn, Finding) else Finding(where, drawn.why)


def _load(choice: MethodChoice, settings: Settings) -> Any:
    return load_model(choice, settings, seed=0, needed=choice.variant.capabilities)


def draw_weights(spec: MethodSpec, folder: Path, variants: tuple[str, ...] = ()) -> None:
    """The phantom of its weights in ``folder/checkpoints``, of those variants or of what it draws by itself."""
    size = PhantomSize(images=0, side=0, seed=0)
    write_phantom(PhantomRequest(folder, [], [spec], size, {spec.id: variants}), lambda _: None)


def _check_module(subject: Subject) -> Check:
    import torch

    model = subject.model
    if not isinstance(model, torch.nn.Module):
        yield Finding(subject.where, f"its loader gives a {type(model).__name__}", "give a torch.nn.Module")
        return
    training = _training(model)
    if training:
        yield Finding(
            subject.where, f"{len(training)} of its modules are in train mode (first: {training[0]})", "call .eval()"
        )
    elsewhere = {str(one.device) for one in (*model.parameters(), *model.buffers()) if one.device.type != "cpu"}
    if elsewhere:
        yield Finding(
            subject.where, f"it is loaded on {', '.join(sorted(elsewhere))}", "load on the CPU; the runner moves it"
        )


def _training(model: Any) -> list[str]:
    """The names of its modules in train mode."""
    found = model.named_modules() if hasattr(model, "named_modules") else ()
    return [name or "the model itself" for name, one in found if one.training]


def _check_capabilities(subject: Subject, choice: MethodChoice, shared: SharedState, *, drawn: bool) -> Check:
    preprocess = getattr(subject.model, "preprocess", None)
    if preprocess is not None:
        bad = list(encoder_checks.check_preprocess(subject.where, preprocess))
        yield from bad
        if bad:
            return
    for name in sorted(choice.variant.capabilities):
        try:
            for outcome in CHECKS[name](subject):
                lost = drawn and isinstance(outcome, LeftOut) and outcome.kind == "absent"
                yield Finding(subject.where, outcome.why, _DRAW_ALL) if lost else outcome  # type: ignore[union-attr]
        except MissingCheckpointError as error:
            said = f"{name}: {error}"
            yield Finding(subject.where, said, _DRAW_ALL) if drawn else LeftOut(subject.where, said, "absent")
        except PLUGIN_ERRORS as error:  # an attribute of the wrong kind breaks a check in any way
            yield Finding(
                subject.where, f"{name} cannot be checked: {in_words(error)}", "compare medbench.capabilities"
            )
        yield from check_state(subject.where, shared, name)
    claimed = choice.variant.capabilities
    for name in sorted(CHECKS.keys() - claimed):
        if isinstance(subject.model, getattr(capabilities, name)):
            yield LeftOut(subject.where, f"{name}: its model can do it, but the spec does not claim it")
