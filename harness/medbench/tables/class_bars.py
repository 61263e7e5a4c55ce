"""Bars by class: one panel a class, one bar a method with its interval, floors as dashed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench.tables import plots
from medbench.tables.comparisons import share_of_data, title_of
from medbench.tables.groups import GroupKey, GroupLine, GroupTable, metric_spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUPING = "class"
_COLUMNS = 4
_MOST_CLASSES = 48


def class_plot(table: GroupTable) -> bytes | None:
    """PNG of the classes under the metric that the table shows for them; None where there is none by class."""
    if GROUPING not in table.groupings:
        return None
    keys = table.keys_of(GROUPING)[:_MOST_CLASSES]
    methods = [line for line in table.lines if not line.floor][: plots.SHOWN]
    floors = [line for line in table.lines if line.floor]
    metric = metric_spec(table.comparison, table.shown_metric(GROUPING))
    columns = min(_COLUMNS, len(keys))
    rows = -(-len(keys) // columns)
    with plots.house_style():
        figure = plots.new_figure(1.3 + rows * (0.75 + 0.17 * len(methods)), title_of(table.comparison))
        for axes, key in zip(plots.panels(figure, len(keys), columns), keys, strict=True):
            _draw(axes, table, key, methods, floors)
        figure.supxlabel(plots.plain(f"{metric.title} (%), {share_of_data(table.comparison.largest)}", 90), fontsize=9)
        if floors:
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower right", fontsize=8, ncols=4)
        return plots.png(figure)


def classes_left_out(table: GroupTable) -> str:
    """What a page says where there are more classes than panels; empty where there are not."""
    count = len(table.keys_of(GROUPING)) if GROUPING in table.groupings else 0
    return f"the plot shows the first {_MOST_CLASSES} of {count} classes" if count > _MOST_CLASSES else ""


def _draw(axes: Axes, table: GroupTable, key: GroupKey, methods: list[GroupLine], floors: list[GroupLine]) -> None:
    for index, line in enumerate(methods):
        cell = line.cells.get(key)
        if cell is None or cell.value is None:
            axes.text(0.0, index, " undefined" if cell else " none", va="center", fontsize=6, color="#555555")
            continue
        below, above = plots.error_sizes(cell.value, cell.low, cell.high)
        bar: dict[str, Any] = {"color": plots.colour(line.place or 0), "height": 0.78}
        axes.barh(index, 100 * cell.value, xerr=[[below], [above]], error_kw={"elinewidth": 0.9}, **bar)
    for index, line in enumerate(floors):
        cell = line.cells.get(key)
        value = cell.value if cell is not None else None
        dashes = plots.FLOOR_DASHES[index % len(plots.FLOOR_DASHES)]
        # A floor that is undefined here is drawn out of sight, so that every panel has the same legend.
        at = float("nan") if value is None else 100 * value
        label = plots.plain(f"floor: {line.title}")
        axes.axvline(at, color=plots.FLOOR_COLOUR, linestyle=dashes, linewidth=1.2, label=label)
    axes.set_title(f"{plots.plain(key[1], 25)} (n = {table.size(key)})", fontsize=8)
    axes.set_yticks(range(len(methods)), [plots.plain(line.title, 30) for line in methods], fontsize=7)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
