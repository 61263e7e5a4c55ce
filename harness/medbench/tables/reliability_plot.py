"""The reliability diagram: a small panel a method, frequency against confidence, with the diagonal that calibration means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medbench.tables import plots
from medbench.tables.comparisons import Comparison, share_of_data, title_of
from medbench.tables.reliability import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 4
_LARGEST_DOT = 60.0


def reliability_plot(comparison: Comparison, found: Sequence[Reliability]) -> bytes | None:
    """PNG; a dot's area is its bin's share of the answers; None where no method gives probabilities."""
    shown = found[: plots.SHOWN]
    if not shown:
        return None
    columns = min(_COLUMNS, max(2, len(shown)))
    rows = -(-len(shown) // columns)
    with plots.house_style():
        figure = plots.new_figure(1.1 + rows * (0.35 + 0.92 * plots.WIDTH / columns), title_of(comparison))
        for axes, one in zip(plots.panels(figure, len(shown), columns), shown, strict=True):
            _draw(axes, one)
        figure.supxlabel(
            f"mean score, {share_of_data(comparison.largest)}; area of a dot: share of the answers", fontsize=9
        )
        figure.supylabel("how often it was right", fontsize=9)
        return plots.png(figure)


def _draw(axes: Axes, one: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color=plots.FLOOR_COLOUR, linestyle=plots.FLOOR_DASHES[0], linewidth=1)
    confidence = [each.confidence for each in one.bins]
    frequency = [each.frequency for each in one.bins]
    total = sum(each.n for each in one.bins)
    areas = [5 + _LARGEST_DOT * each.n / total for each in one.bins]
    axes.plot(confidence, frequency, color=plots.colour(one.place), linewidth=1.2)
    axes.scatter(
        confidence, frequency, s=areas, color=plots.colour(one.place), edgecolor="white", linewidth=0.5, zorder=3
    )
    axes.set_title(plots.plain(one.title, 34), fontsize=8)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_box_aspect(1)
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
