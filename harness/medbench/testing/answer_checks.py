"""Checks of the capabilities that answer: matching, findings, grounding, reports, questions, explanations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from medbench.errors import UsageError
from medbench.testing.contract import PLUGIN_ERRORS, Check, Finding, LeftOut, attempt
from medbench.testing.encoder_checks import IMAGES, TEXTS, Subject
from medbench.testing.rows import RowFunction, check_rows

if TYPE_CHECKING:
    from torch import Tensor

FINDINGS = ("pneumonia", "effusion", "pneumothorax", "cardiomegaly")
QUESTIONS = ("Is there a pleural effusion?", "What is abnormal?", "In which lung is the opacity?")
CHOICES = ["yes", "no", "left lung"]


def check_matcher(subject: Subject) -> Check:
    """A score for each pair; one of either goes with all of the other."""
    images, texts = subject.images(), list(TEXTS[:IMAGES])
    yield from check_rows(
        _of_images(subject, "image_tokens", (None, None), lambda model, some: model.image_tokens(some))
    )

    def pairs(model: Any, rows: list[int]) -> Tensor:
        scores: Tensor = model.match(model.image_tokens(images[rows]), [texts[row] for row in rows])
        return scores

    yield from check_rows(
        RowFunction(
            subject.where, "match", "pair", IMAGES, (), partial(pairs, subject.model), partial(pairs, subject.again)
        )
    )
    for what, count, said in (
        ("one image and several texts", 1, texts),
        ("several images and one text", IMAGES, texts[:1]),
    ):
        scores = _inferred(
            subject,
            f"match of {what}",
            lambda count=count, said=said: subject.model.match(subject.model.image_tokens(images[:count]), said),  # type: ignore[misc]
        )
        if isinstance(scores, Finding | LeftOut):
            yield scores
        elif tuple(scores.shape) != (IMAGES,):
            yield Finding(subject.where, f"match of {what} gives shape {tuple(scores.shape)}, ({IMAGES},) is expected")


def check_classifier(subject: Subject) -> Check:
    """Probabilities of the findings it knows; one that it does not know is a `UsageError`."""
    known, complaints = _known_findings(subject, "classify")
    yield from complaints
    if not known:
        return
    yield from check_rows(
        _of_images(subject, "classify", (len(known),), lambda model, images: model.classify(images, known))
    )
    answer = _inferred(subject, "classify", lambda: subject.model.classify(subject.images(), known))
    if not isinstance(answer, Finding | LeftOut) and not bool(((answer >= 0) & (answer <= 1)).all()):
        yield Finding(subject.where, "classify gives numbers outside 0 to 1", "give probabilities")


def check_grounder(subject: Subject) -> Check:
    """A map for each finding that it knows."""
    known, complaints = _known_findings(subject, "ground")
    yield from complaints
    if known:
        shape = (len(known), None, None)
        yield from check_rows(_of_images(subject, "ground", shape, lambda model, images: model.ground(images, known)))


def check_generator(subject: Subject) -> Check:
    """A text for each study, whoever is beside it."""
    import torch

    views = subject.model.views
    if not isinstance(views, int) or views < 1:
        yield Finding(subject.where, f"views is {views!r}", "give how many images of a study it reads, 1 or more")
        return
    studies = torch.stack([subject.images()] * views, dim=1)

    def generate(model: Any, rows: list[int]) -> list[str]:
        found: list[str] = model.generate(studies[rows], beams=1, min_length=2, max_length=64)
        return found

    yield from _check_texts(subject, "generate", IMAGES, generate)


def check_answerer(subject: Subject) -> Check:
    """An answer to each question, generated or one of those given."""
    images = subject.images()

    def answer(model: Any, rows: list[int], answers: list[str] | None = None) -> list[str]:
        found: list[str] = model.answer(images[rows], [QUESTIONS[row] for row in rows], answers)
        return found

    yield from _check_texts(subject, "answer", IMAGES, answer)
    yield from _check_texts(subject, "answer among given ones", IMAGES, partial(answer, answers=CHOICES), CHOICES)


def check_explainer(subject: Subject) -> Check:
    """A map for each token, not negative and finite, by both targets."""
    import torch

    for target in ("logit", "nll"):
        maps = attempt(
            subject.where,
            f"explain ({target})",
            lambda target=target: subject.model.explain(subject.images(1), TEXTS[0], target=target),  # type: ignore[misc]
        )
        if isinstance(maps, Finding | LeftOut):
            yield maps
            continue
        if not maps:
            yield Finding(subject.where, f"explain ({target}) gives no token for '{TEXTS[0]}'")
        for token, relevance in maps:
            good = relevance.ndim == 2 and bool(torch.isfinite(relevance).all()) and bool((relevance >= 0).all())
            if not good:
                text = f"explain ({target}) gives for '{token}' something else than a map of finite numbers from 0 up"
                yield Finding(subject.where, text)


def _of_images(
    subject: Subject, name: str, shape: tuple[int | None, ...], call: Callable[[Any, Tensor], Tensor]
) -> RowFunction:
    images = subject.images()
    return RowFunction(
        subject.where,
        name,
        "image",
        IMAGES,
        shape,
        lambda rows: call(subject.model, images[rows]),
        lambda rows: call(subject.again, images[rows]),
    )


def _known_findings(subject: Subject, name: str) -> tuple[list[str], list[Finding | LeftOut]]:
    """Of `FINDINGS` those that the method knows; what it raises for others must be a `UsageError`."""
    import torch

    known, complaints = [], list[Finding | LeftOut]()
    images = subject.images(1)
    for finding in (*FINDINGS, "no such finding"):
        try:
            with torch.inference_mode():
                getattr(subject.model, name)(images, [finding])
            known.append(finding)
        except UsageError:
            continue
        except PLUGIN_ERRORS as error:
            text = f"{name} raised {type(error).__name__} for '{finding}'"
            complaints.append(Finding(subject.where, text, "raise UsageError for a finding that it does not know"))
    if not known and not complaints:
        complaints.append(LeftOut(subject.where, f"{name}: it knows none of {', '.join(FINDINGS)}"))
    return [finding for finding in known if finding != "no such finding"], complaints


def _check_texts(
    subject: Subject,
    name: str,
    count: int,
    call: Callable[[Any, list[int]], list[str]],
    among: Sequence[str] = (),
) -> Check:
    rows = list(range(count))
    found = _inferred(subject, name, lambda: call(subject.model, rows))
    if isinstance(found, Finding | LeftOut):
        yield found
        return
    if not isinstance(found, list) or len(found) != count or not all(isinstance(text, str) for text in found):
        yield Finding(subject.where, f"{name} gives {found!r:.80}, a list of {count} texts is expected")
        return
    if among and not set(found) <= set(among):
        yield Finding(
            subject.where, f"{name} gives '{next(one for one in found if one not in among)}', which is none of them"
        )
    for what, other in (
        ("when it is asked twice", lambda: call(subject.model, rows)),
        ("when the method is loaded again", lambda: call(subject.again, rows)),
        (f"in a batch of {count} than alone", lambda: [call(subject.model, [row])[0] for row in rows]),
    ):
        again = _inferred(subject, name, other)
        if isinstance(again, Finding | LeftOut):
            yield again
        elif again != found:
            row = next(row for row in rows if again[row] != found[row])
            text = f"{name} gives another text {what}: '{found[row]:.40}', '{again[row]:.40}'"
            yield Finding(subject.where, text, "it must be deterministic, and in eval mode")


def _inferred(subject: Subject, name: str, call: Callable[[], Any]) -> Any:
    import torch

    with torch.inference_mode():
        return attempt(subject.where, name, call)
