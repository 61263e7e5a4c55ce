"""What every plot shares: the style, colours that colour-blind readers can tell apart, and PNG bytes without a date."""

from __future__ import annotations

import contextlib
import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from medbench.leaderboard.text import clean
from medbench.tables.text import MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 24
"""At most so many methods stand in one plot, the first by rank; the tables have them all."""
DPI = 150
WIDTH = 10.0
"""Inches."""
FLOOR_COLOUR = "#555555"
FLOOR_DASHES = ((0, (5, 2)), (0, (2, 2)), (0, (7, 2, 2, 2)), (0, (1, 1)))
# Paul Tol, Colour Schemes (SRON technical note 09-002), "muted", in an order that puts unlike ones side by side.
_COLOURS = ("#332288", "#CC6677", "#44AA99", "#882255", "#DDCC77", "#88CCEE", "#117733", "#AA4499", "#999933")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_LONGEST = 44
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name may hold any number of dollar signs
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """The style within which figures are made and saved, whatever the user's own matplotlib settings are."""
    import matplotlib as mpl
    import matplotlib.style

    with mpl.style.context("default"), mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(height: float, title: str) -> Figure:
    """A figure of the house's width and ``height`` inches, within `house_style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    # Left and in short lines, so that it stays clear of a legend beside the axes.
    lines = textwrap.wrap(plain(title, longest=110), 70)
    figure.suptitle("\n".join(lines), fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def panels(figure: Figure, count: int, columns: int) -> list[Axes]:
    """``count`` axes that share both scales, in rows of ``columns``."""
    rows = -(-count // columns)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat = [axes for row in grid for axes in row]
    for axes in flat[count:]:
        axes.set_visible(False)
    for column in range(columns):  # where the last row is short, the row above it shows the scale
        last = max((index for index in range(count) if index % columns == column), default=None)
        if last is not None:
            flat[last].tick_params(labelbottom=True)
    return flat[:count]


def png(figure: Figure) -> bytes:
    """The figure as PNG, the same bytes for the same figure, with our mark in its Software field."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": MARK})
    return buffer.getvalue()


def colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def marker(index: int) -> str:
    """Colours and markers repeat at different periods, so no two of the first 72 methods share both."""
    return _MARKERS[index % len(_MARKERS)]


def plain(text: str, longest: int = _LONGEST) -> str:
    """``text`` on one line, cut where it is too long for a plot."""
    text = clean(text)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return f" {text}" if text.startswith("_") else text  # a legend passes over names that start so


def error_sizes(value: float, low: float | None, high: float | None) -> tuple[float, float]:
    """How far an interval reaches below and above its value, in percent; 0 where it has no bounds."""
    if low is None or high is None:
        return 0.0, 0.0
    return max(100 * (value - low), 0.0), max(100 * (high - value), 0.0)


def left_out_note(shown: Sequence[object]) -> str:
    """What a page says where a plot does not hold everything; empty where it does."""
    return f"the plots show the first {SHOWN} of {len(shown)} methods" if len(shown) > SHOWN else ""
