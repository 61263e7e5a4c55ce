"""Payloads made by hand: one with everything that the page can show, a hostile one, and one of 10,000 records."""

from __future__ import annotations

import random
from functools import cache

from msgspec.structs import replace

from medbench.leaderboard.text import percent
from medbench.report.payload import DiagramView, GroupView, LineView, Payload, TableView, Value
from tests.browser import examples
from tests.browser.maker import FRACTIONS, METHODS, Maker, Sheet

RECIPE = {
    "name": "standard",
    "values": {"epochs": 100, "optimizer": {"name": "adamw", "lr": 0.0005}, "sizes": [224, 224]},
}
VERSIONS = {"python": "3.11.2", "torch": "2.11.0", "numpy": "2.4.6"}
RESTRICTED = "mimic-cxr may not be handed on: its pictures and reports are not in this file."
HOSTILE = (
    "<script>window.broken = 1</script>",
    '"><img src=x onerror="window.broken = 2">',
    "\u202egnitteg\u202c \u0645\u0631\u062d\u0628\u0627",
    "x" * 10_000,
    "a|b`c`\n{{payload}} ${1} \u2028 </script><!--",
    "constructor",
    "y" * 79 + "\U0001f600" * 9,
)


@cache
def rich() -> Payload:
    """Several tables of both kinds of data, every kind of example, groups and a diagram."""
    maker = Maker(7)
    tables = (
        maker.table(
            Sheet(
                "chexpert-linear",
                "CheXpert, linear probe",
                "chexpert",
                "linear-probe",
                ("auroc", "f1", "ece"),
                FRACTIONS,
            ),
            groups=_groups(maker.random),
            examples=examples.answers(METHODS[:2]),
            kept_of="seed 0, 100 % of the training data",
            notes=("The labels of the validation split are by radiologists.",),
        ),
        maker.table(
            Sheet("chexpert-linear", "CheXpert, linear probe", "chexpert", "linear-probe", ("auroc",), recipe="mgca")
        ),
        maker.table(
            Sheet("rsna-det", "RSNA pneumonia, detection", "rsna", "detection", ("map", "ap50")),
            examples=examples.boxes(METHODS[:2]),
        ),
        maker.table(
            Sheet("rsna-det", "RSNA pneumonia, detection", "rsna", "detection", ("map",), version=0, set_aside=True)
        ),
        maker.table(
            Sheet("siim-seg", "SIIM pneumothorax, segmentation", "siim", "segmentation", ("dice",)),
            examples=examples.masks(METHODS[:1]),
        ),
        maker.table(
            Sheet("mscxr-ground", "MS-CXR, phrase grounding", "mscxr", "grounding", ("cnr", "miou")),
            examples=examples.heats(METHODS[:1]),
        ),
        maker.table(
            Sheet(
                "iu-report",
                "IU X-ray, report generation",
                "iu-xray",
                "report-generation",
                ("bleu4", "rougel", "meteor"),
            ),
            examples=examples.reports(METHODS[-1:]),
        ),
        maker.table(
            Sheet("temporal", "MS-CXR-T, change of pairs", "ms-cxr-t", "temporal", ("accuracy",), ceiling=True),
            examples=examples.pairs(METHODS[:1]),
        ),
        maker.table(
            Sheet("mimic-zeroshot", "MIMIC-CXR, zero-shot", "mimic-cxr", "zero-shot", ("auroc",)),
            examples_note=RESTRICTED,
        ),
        maker.table(
            Sheet(
                "rsna-det",
                "RSNA pneumonia, detection",
                "rsna",
                "detection",
                ("map",),
                phantom=True,
                methods=METHODS[:2],
            )
        ),
    )
    diagram = DiagramView(
        recipe="standard",
        phantom=False,
        methods=METHODS,
        mean_ranks=(1.71, 2.29, 3.0, 4.14, 4.86, 5.57, 6.86, 7.71, 8.86),
        tasks=("chexpert-linear", "rsna-det", "siim-seg", "mscxr-ground", "iu-report", "mimic-zeroshot", "vqa-rad"),
        critical=4.54,
        friedman_p=0.00002,
        cliques=((0, 5), (2, 7), (4, 8)),
        note="Seven tasks are few for nine methods.",
    )
    return payload(tables, maker, (diagram,), problems=("results/rsna-det/odd.json: schema 1 is older than 3",))


def payload(
    tables: tuple[TableView, ...], maker: Maker, diagrams: tuple[DiagramView, ...] = (), problems: tuple[str, ...] = ()
) -> Payload:
    """The whole page."""
    return Payload(
        title="medbench report",
        medbench="0.5.0",
        tables=tables,
        diagrams=diagrams,
        records=tuple(maker.records),
        recipes=(RECIPE,),
        versions=(VERSIONS,),
        problems=problems,
    )


def _groups(rng: random.Random) -> tuple[GroupView, ...]:
    findings = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural effusion")

    def view(grouping: str, groups: tuple[str, ...]) -> GroupView:
        values = tuple(tuple(_group_value(rng, 0.9 - 0.03 * row) for _ in groups) for row in range(4))
        sizes = tuple(rng.randrange(40, 600) for _ in groups)
        return GroupView(grouping, "AUROC", "percent", METHODS[:4], groups, sizes, values)

    return (
        view("class", findings),
        view("sex", ("female", "male")),
        view("age", ("under 40", "40 to 59", "60 to 79", "80 and over")),
    )


def _group_value(rng: random.Random, level: float) -> Value:
    value = level - rng.uniform(0, 0.12)
    return Value(value=value, text=percent(value), low=value - 0.03, high=value + 0.025)


def hostile() -> Payload:
    """Every name is an attack."""
    maker = Maker(3)
    nasty = HOSTILE
    tables = tuple(
        maker.table(
            Sheet(
                name,
                name,
                name,
                name,
                (name, "constructor"),
                FRACTIONS if index == 0 else (1.0,),
                methods=nasty,
                recipe=name,
            ),
            notes=nasty,
            groups=(
                GroupView(
                    name,
                    name,
                    "percent",
                    nasty,
                    nasty,
                    (1,) * len(nasty),
                    ((Value(value=0.5, text="50.0"),) * len(nasty),) * len(nasty),
                ),
            ),
            examples=examples.hostile(nasty),
            examples_note=name,
            kept_of=name,
        )
        for index, name in enumerate(nasty)
    )
    ranks = tuple(float(1 + index) for index in range(len(nasty)))
    diagram = DiagramView(nasty[0], False, nasty, ranks, nasty, 2.0, 0.2, ((0, 1), (3, 5)), note=nasty[1])
    found = payload(tables, maker, (diagram,), problems=nasty)
    recipe = {"name": nasty[0], "values": {nasty[1]: nasty[0], "__proto__": {"x": nasty[1]}}}
    return replace(found, title=nasty[0], recipes=(recipe,), versions=({nasty[0]: nasty[1]},), notices=nasty)


def large(records: int = 10_000) -> Payload:
    """A table of many methods among many tables."""
    maker = Maker(5)
    many = tuple(f"method-{index:04d}" for index in range(1000))
    tables = [maker.table(Sheet("big", "A big table", "big", "linear-probe", ("auroc",), methods=many))]
    while len(maker.records) < records:
        index = len(tables)
        tables.append(
            maker.table(
                Sheet(f"task-{index:03d}", f"Task {index}", "set", "detection", ("map",), FRACTIONS, methods=many[:10])
            )
        )
    return payload(tuple(tables), maker)


def wide() -> Payload:
    """Metrics of long names, none of them above the floor; a record of all of the data beside figures at other fractions."""
    maker = Maker(9)
    titles = tuple(
        f"Metric {index} at a threshold of the other folds' patients (as released by its authors)" for index in range(9)
    )
    table = maker.table(Sheet("wide", "A wide table", "set", "linear-probe", titles))
    lines = [
        replace(line, cells=tuple(cell and replace(cell, not_above_floor=line.kind == "method") for cell in line.cells))
        for line in table.lines
    ]
    order = (1.0, 0.01, 0.1)  # as a page of before had them: each reported fraction after our own
    columns = tuple(replace(table.columns[0], fraction=fraction) for fraction in order)
    curve = LineView(
        "Theirs",
        "reported",
        tuple(Value(value=0.6 + 0.1 * one, text=percent(0.6 + 0.1 * one)) for one in order),
        source="P",
    )
    own = replace(table.lines[0], cells=(table.lines[0].cells[0], None, None))
    return payload(
        (
            replace(table, lines=tuple(lines)),
            replace(table, task="curve", title="A curve", columns=columns, lines=(curve, own), ranking=0),
        ),
        maker,
    )


def empty() -> Payload:
    """No record at all."""
    return replace(payload((), Maker(1)), notices=("There is no record in results.",))
