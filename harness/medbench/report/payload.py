"""What the report page is told, as one JSON document: the contract between Python, which computes, and the page, which shows.

Values are as records hold them (shares of 1 where ``unit`` is percent); the page formats them. Texts are raw: the page sets
them as text, never as HTML. Lists refer to each other by index, so that nothing stands twice.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number with its 95 % interval, its deviation over ``seeds``, and what is to be said of it.

    ``text`` is the value as the leaderboard prints it, so that the page shows the same digits. ``tied`` means best, or not
    significantly worse than the best.
    """

    value: float | None = None
    text: str = ""
    low: float | None = None
    high: float | None = None
    deviation: float | None = None
    seeds: int = 1
    notes: tuple[str, ...] = ()
    not_above_floor: bool = False
    tied: bool = False
    records: tuple[int, ...] = ()
    """Indices into `Payload.records`: those that it is the mean of."""
    p_value: float | None = None
    """Of no difference from the best of the column, by a paired bootstrap, Holm-corrected."""
    untested: str = ""
    """Why there is no such p-value, where one could be expected."""
    difference: float | None = None
    """Of a reported figure: our value minus it, where the two may be compared."""
    comparable: bool = True
    """Whether it may stand on one axis with the others of its column; a reported figure that may not is in no chart."""


class ColumnView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric at a data fraction."""

    metric: str
    title: str
    fraction: float
    unit: Literal["percent", "plain"] = "percent"
    higher_is_better: bool | None = None
    as_released: bool = False


class LineView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row: ``cells[i]`` belongs to ``columns[i]`` of its table, None where there is none."""

    name: str
    kind: Literal["method", "floor", "ceiling", "reported"]
    cells: tuple[Value | None, ...]
    qualifier: str = ""
    rank: int | None = None
    contamination: str = ""
    test_n: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    source: str = ""
    """Where a reported row was printed."""


class GroupView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric by group: ``values[i][j]`` is of ``methods[i]`` in ``groups[j]``, None where there is none."""

    grouping: str
    metric: str
    unit: Literal["percent", "plain"]
    methods: tuple[str, ...]
    groups: tuple[str, ...]
    sizes: tuple[int | None, ...]
    values: tuple[tuple[Value | None, ...], ...]


class BoxView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A box in shares of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float
    label: str = ""
    score: float | None = None


class LayerView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A truth or an answer to be drawn over the picture.

    ``overlay`` is a data URI of a PNG with alpha (a mask, a heat map), ``outline`` one of a mask's edge, which never fades.
    """

    text: str = ""
    boxes: tuple[BoxView, ...] | None = None
    overlay: str = ""
    outline: str = ""


class PictureView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A further picture of a sample, ``image`` as a data URI."""

    image: str
    width: int
    height: int


class ExampleView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One test sample. ``image`` is a data URI, '' where it is not here; ``image_note`` then says why, where it should be.

    ``width`` and ``height`` are the picture's (or the masks') proportions in pixels, 0 where nothing is known of them.
    ``texts`` are what the data say of the sample where that is asked about, ``previous`` the earlier image of a pair.
    ``by_half`` says that the protocol knows no right and wrong: ``right`` then means the better half.
    """

    method: str
    sample_id: str
    right: bool
    truth: LayerView
    answer: LayerView
    score: float | None = None
    measure: str = ""
    image: str = ""
    image_note: str = ""
    question: str = ""
    width: int = 0
    height: int = 0
    texts: tuple[str, ...] = ()
    previous: PictureView | None = None
    by_half: bool = False


class TableView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One table of the leaderboard. ``ranking`` indexes the column that ranks; curves are drawn from the cells by fraction."""

    task: str
    title: str
    dataset: str
    protocol: str
    recipe: str
    split: str
    version: int
    data: str
    phantom: bool
    set_aside: bool
    columns: tuple[ColumnView, ...]
    lines: tuple[LineView, ...]
    ranking: int | None = None
    notes: tuple[str, ...] = ()
    groups: tuple[GroupView, ...] = ()
    examples: tuple[ExampleView, ...] = ()
    examples_note: str = ""
    """Why there is no example, or why their pictures are not shown (data that may not be handed on)."""
    kept_of: str = ""
    """Which trials of each method the groups and examples are of: a seed, and a fraction where there are several."""


class DiagramView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A critical-difference diagram (Demsar, JMLR 7, 2006): mean ranks over tasks, and groups that are not told apart.

    ``critical`` is Nemenyi's difference at 0.05; ``friedman_p`` the p-value of no difference at all. ``cliques`` are pairs of
    positions (first, last) in ``methods``, which are sorted by mean rank. Without ``methods``, ``note`` says why there is no
    diagram.
    """

    recipe: str
    phantom: bool
    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    tasks: tuple[str, ...]
    critical: float
    friedman_p: float
    cliques: tuple[tuple[int, int], ...]
    note: str = ""


class RecordView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a click on a number shows. ``recipe``, ``versions`` index `Payload.recipes` and `Payload.versions`."""

    key: str
    task: str
    method: str
    fraction: float
    seed: int
    split: str
    recipe: int
    versions: int
    checkpoint: str
    manifest: str
    train_n: int
    test_n: int
    medbench: str
    device: str
    precision: str
    started: str
    duration_s: float
    peak_memory_mib: float
    images_per_second: float | None = None
    revision: str | None = None
    phantom: bool = False
    metrics: dict[str, tuple[float | None, float | None, float | None]] = {}
    """Value, low and high by name."""
    notes: dict[str, float] = {}


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole page."""

    title: str
    medbench: str
    tables: tuple[TableView, ...]
    diagrams: tuple[DiagramView, ...]
    records: tuple[RecordView, ...]
    recipes: tuple[dict[str, Any], ...]
    """``{"name": label, "values": {...}}``, each once."""
    versions: tuple[dict[str, str], ...]
    problems: tuple[str, ...] = ()
    """What could not be read or analysed, one line each, shown at the foot of the page."""
    notices: tuple[str, ...] = ()
    """What must be read before anything else, shown at the head of the page (that it must not be handed on)."""
