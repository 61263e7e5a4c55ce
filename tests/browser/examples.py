"""Examples of every kind: answers, boxes, masks, heat maps, reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medbench.report.payload import BoxView, ExampleView, LayerView, PictureView
from medbench.report.pictures import MaskPictures
from tests.browser import pictures

REPORT = (
    "The heart is normal in size. The lungs are clear of focal consolidation.\nNo pneumothorax or pleural effusion.\n"
    * 4
)


def answers(methods: Sequence[str]) -> tuple[ExampleView, ...]:
    """Questions with short answers, a picture beside them."""
    return _each(
        methods,
        lambda method, seed, right: ExampleView(
            method=method,
            sample_id=f"patient{seed:05d}/study1/view1",
            right=right,
            measure="exact match",
            score=float(right),
            truth=LayerView(text="Yes, on the left"),
            answer=LayerView(text="Yes, on the left" if right else "No"),
            image=pictures.film(seed),
            width=160,
            height=160,
            question="Is there a pleural effusion?",
        ),
    )


def boxes(methods: Sequence[str]) -> tuple[ExampleView, ...]:
    """True and answered boxes; one sample has no true box, one picture is absent."""

    def one(method: str, seed: int, right: bool) -> ExampleView:
        across, down = pictures.centre(seed)
        truth = BoxView(across - 0.12, down - 0.12, 0.24, 0.24, "opacity")
        shift = 0.02 if right else 0.2
        answer = BoxView(across - 0.12 + shift, down - 0.1, 0.22, 0.25, "opacity", 0.87)
        hidden = seed % 5 == 3
        return ExampleView(
            method=method,
            sample_id=f"sample-{seed}",
            right=right,
            measure="IoU",
            score=0.72 if right else 0.11,
            truth=LayerView(boxes=() if seed % 7 == 6 else (truth,)),
            answer=LayerView(boxes=(answer,)),
            image="" if hidden else pictures.film(seed),
            image_note="The picture is not on this machine." if hidden else "",
            width=160,
            height=160,
        )

    return _each(methods, one)


def masks(methods: Sequence[str]) -> tuple[ExampleView, ...]:
    """True and answered masks."""
    return _each(
        methods,
        lambda method, seed, right: ExampleView(
            method=method,
            sample_id=f"1.2.276.0.7230010.3.1.4.{seed}",
            right=right,
            measure="Dice",
            score=0.91 if right else 0.23,
            truth=_masked(pictures.mask(seed, truth=True)),
            answer=_masked(pictures.mask(seed, truth=False, shift=0.01 if right else 0.12)),
            image=pictures.film(seed),
            width=160,
            height=160,
            by_half=True,
        ),
    )


def _masked(mask: MaskPictures) -> LayerView:
    return LayerView(overlay=mask.fill, outline=mask.edge)


def pairs(methods: Sequence[str]) -> tuple[ExampleView, ...]:
    """Two images and two sentences."""
    return _each(
        methods,
        lambda method, seed, right: ExampleView(
            method=method,
            sample_id=f"early{seed}..late{seed}",
            right=right,
            truth=LayerView(text="Edema: improving"),
            answer=LayerView(text="Edema: improving" if right else "Edema: stable"),
            image=pictures.film(seed),
            width=160,
            height=160,
            previous=PictureView(pictures.film(seed + 50), 160, 200),
            texts=("The oedema has receded.", "Less oedema than before.")[: seed % 3],
        ),
    )


def heats(methods: Sequence[str]) -> tuple[ExampleView, ...]:
    """A phrase, its true box and a heat map."""

    def one(method: str, seed: int, right: bool) -> ExampleView:
        across, down = pictures.centre(seed)
        truth = BoxView(across - 0.12, down - 0.12, 0.24, 0.24)
        return ExampleView(
            method=method,
            sample_id=f"dicom-{seed}",
            right=right,
            measure="CNR",
            score=1.31 if right else -0.2,
            truth=LayerView(boxes=(truth,)),
            answer=LayerView(overlay=pictures.heat(seed, shift=0 if right else 0.3)),
            image=pictures.film(seed),
            question="Opacity in the middle field",
            width=160,
            height=160,
        )

    return _each(methods, one)


def reports(methods: Sequence[str]) -> tuple[ExampleView, ...]:
    """Texts alone."""
    return _each(
        methods,
        lambda method, seed, right: ExampleView(
            method=method,
            sample_id=f"CXR{seed}",
            right=right,
            measure="ROUGE-L",
            score=0.512345 if right else 0.0812,
            truth=LayerView(text=REPORT),
            answer=LayerView(text=REPORT[:200] if right else "Normal chest."),
            by_half=True,
        ),
    )


def hostile(names: Sequence[str]) -> tuple[ExampleView, ...]:
    """Attacks in every field, the addresses of pictures among them."""
    evil = "javascript:window.broken=3"
    return tuple(
        ExampleView(
            method=name,
            sample_id=name,
            right=index % 2 == 0,
            measure=name,
            score=0.5,
            image=evil,
            image_note=name,
            question=name,
            texts=(name, name),
            previous=PictureView(evil, 10, 10),
            by_half=index > 2,
            truth=LayerView(text=name, boxes=(BoxView(-4.0, 0.5, 9.0, 0.1, name, 0.5),), overlay=evil, outline=evil),
            answer=LayerView(text=name, overlay="data:text/html,<script>window.broken=4</script>"),
        )
        for index, name in enumerate(names)
    )


def _each(methods: Sequence[str], one: Callable[[str, int, bool], ExampleView]) -> tuple[ExampleView, ...]:
    seeds = range(1, 13)
    return tuple(one(method, seed, seed <= 6) for method in methods for seed in seeds)
