"""Label-efficiency curves: the ranking metric against the fraction of the training data, with bands and floors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench.leaderboard.cells import Cell
from medbench.leaderboard.table import Line
from medbench.leaderboard.text import fraction_name
from medbench.tables import plots
from medbench.tables.comparisons import Comparison, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW = 5
_FEW_BANDS, _MANY_BANDS = 0.14, 0.06
"""How opaque a band is among at most `_FEW` methods, and among more, where bands overlap."""


def efficiency_plot(comparison: Comparison) -> bytes | None:
    """PNG; a line a method with its 95 % interval as a band, floors dashed; None where there is one fraction alone."""
    if len(comparison.fractions) < 2:
        return None
    shown = comparison.contenders[: plots.SHOWN]
    height = max(4.6, 0.21 * (len(shown) + len({line.name for line in comparison.floors})) + 1.2)
    with plots.house_style():
        figure = plots.new_figure(height, title_of(comparison))
        axes = figure.subplots()
        strength = _FEW_BANDS if len(shown) <= _FEW else _MANY_BANDS
        for index, contender in enumerate(shown):
            points = _points(comparison, contender.line)
            _draw(axes, points, index, plots.plain(contender.title))
            _draw_band(axes, points, plots.colour(index), strength)
        names = list(dict.fromkeys(line.name for line in comparison.floors))
        for line in comparison.floors:
            _draw_floor(axes, _points(comparison, line), names.index(line.name), plots.plain(f"floor: {line.name}"))
        _scale(axes, comparison)
        handles, labels = axes.get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))  # a floor on which records do not agree has several lines
        figure.legend(list(once.values()), list(once), loc="outside right upper", fontsize=8)
        return plots.png(figure)


def _points(comparison: Comparison, line: Line) -> list[tuple[float, Cell, float]]:
    """Fraction, cell and value in percent, where the line has one."""
    found = [(at, comparison.cell(line, at)) for at in comparison.fractions]
    return [(at, cell, 100 * cell.value) for at, cell in found if cell is not None and cell.value is not None]


def _draw(axes: Axes, points: list[tuple[float, Cell, float]], index: int, label: str) -> None:
    style: dict[str, Any] = {"color": plots.colour(index), "linewidth": 1.5, "label": label}
    style |= {"marker": plots.marker(index), "markersize": 6.5, "markeredgecolor": "white", "markeredgewidth": 0.6}
    axes.plot([at for at, _, _ in points], [y for _, _, y in points], **style)


def _draw_band(axes: Axes, points: list[tuple[float, Cell, float]], colour: str, strength: float) -> None:
    bounded = [
        (at, 100 * cell.low, 100 * cell.high)
        for at, cell, _ in points
        if cell.low is not None and cell.high is not None
    ]
    ats, lows, highs = ([one[part] for one in bounded] for part in range(3))
    axes.fill_between(ats, lows, highs, color=colour, alpha=strength, linewidth=0)
    if len(bounded) == 1:  # a band of one point cannot be seen
        axes.vlines(ats, lows, highs, color=colour, linewidth=1.2)


def _draw_floor(axes: Axes, points: list[tuple[float, Cell, float]], index: int, label: str) -> None:
    dashes = plots.FLOOR_DASHES[index % len(plots.FLOOR_DASHES)]
    style: dict[str, Any] = {
        "color": plots.FLOOR_COLOUR,
        "linestyle": dashes,
        "linewidth": 1.2,
        "label": label,
        "zorder": 1.5,
    }
    if len(points) == 1:
        axes.axhline(points[0][2], **style)
    else:
        axes.plot([at for at, _, _ in points], [y for _, _, y in points], **style)


def _scale(axes: Axes, comparison: Comparison) -> None:
    axes.set_xscale("log")
    axes.set_xticks(comparison.fractions, [fraction_name(at) for at in comparison.fractions])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.04)
    axes.set_xlabel("share of the training data")
    axes.set_ylabel(plots.plain(f"{comparison.metric.title} (%)"))
