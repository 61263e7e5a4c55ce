"""Plots: what they hold, that they are the same bytes each time, and when there is none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.store import ResultStore
from medbench.tables import class_bars, curves, plots, reliability_plot
from medbench.tables.analyses import analyse
from medbench.tables.comparisons import Comparison, find_comparisons
from medbench.tables.groups import group_table
from medbench.tables.reliability import reliabilities
from medbench.tables.text import MARK
from tests.core.record_maker import make_record
from tests.core.table_toys import keep, toy_registry, toy_task


def compare(*records: Record, **task: object) -> Comparison:
    registry = toy_registry(toy_task(**task))
    return find_comparisons(records, Specs(registry.tasks)).found[0]


def trials(count: int) -> list[Record]:
    return [
        make_record(f"m{index:02}", (value, value - 0.05, value + 0.05), fraction=at, floors={"prior": {"map": 0.2}})
        for index in range(count)
        for at, value in ((0.01, 0.3 + index / 50), (1.0, 0.4 + index / 50))
    ]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:  # type: ignore[type-arg]
    """The figures that are drawn during the test, in place of their bytes."""
    figures: list = []  # type: ignore[type-arg]
    monkeypatch.setattr(plots, "png", lambda figure: figures.append(figure) or b"drawn")
    return figures


def test_an_image_is_a_png_of_150_dots_an_inch_with_our_mark_and_no_date() -> None:
    image = Image.open(io.BytesIO(curves.efficiency_plot(compare(*trials(2))) or b""))
    assert round(image.info["dpi"][0]) == 150
    assert {name for name in image.info if isinstance(image.info[name], str)} == {"Software"}
    assert image.info["Software"] == MARK


def test_the_users_matplotlib_settings_change_nothing() -> None:
    import matplotlib as mpl

    found = compare(*trials(1))
    first = curves.efficiency_plot(found)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 20, "axes.facecolor": "red"}):
        assert curves.efficiency_plot(found) == first


def test_curves_have_a_line_a_method_and_dashed_floors_on_a_log_scale(drawn: list) -> None:  # type: ignore[type-arg]
    curves.efficiency_plot(compare(*trials(12)))
    axes = drawn[0].axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1 %", "100 %"]
    assert list(lines["m11@resnet50"].get_ydata()) == pytest.approx([52.0, 62.0])
    assert list(lines["floor: prior"].get_ydata()) == pytest.approx([20.0, 20.0])
    assert lines["floor: prior"].is_dashed()
    assert not lines["m11@resnet50"].is_dashed()
    looks = {(lines[name].get_color(), lines[name].get_marker()) for name in lines if name.startswith("m")}
    assert len(looks) == 12
    assert len(axes.collections) == 12


def test_one_fraction_alone_gives_no_curves() -> None:
    assert curves.efficiency_plot(compare(make_record())) is None


def test_phantom_says_so_first_however_long_the_title(drawn: list) -> None:  # type: ignore[type-arg]
    records = [make_record(fraction=at, phantom=True) for at in (0.1, 1.0)]
    curves.efficiency_plot(compare(*records, title="x" * 400))
    assert drawn[0].get_suptitle().startswith("generated data · xxx")


def test_more_methods_than_a_plot_holds_are_told_of(drawn: list) -> None:  # type: ignore[type-arg]
    found = compare(*trials(plots.SHOWN + 1))
    curves.efficiency_plot(found)
    names = [line.get_label() for line in drawn[0].axes[0].get_lines()]
    assert names[0] == f"m{plots.SHOWN}@resnet50"
    assert "m00@resnet50" not in names
    assert (
        plots.left_out_note(found.contenders) == f"the plots show the first {plots.SHOWN} of {plots.SHOWN + 1} methods"
    )


def test_a_panel_a_class_and_a_panel_a_method(tmp_path: Path, drawn: list) -> None:  # type: ignore[type-arg]
    store = ResultStore(tmp_path)
    for method, skill in (("mgca", 0.5), ("medst", 0.8)):
        keep(store, method, skill)
    comparison = compare(*store.read_all().records)
    findings = analyse(comparison, store)
    groups = group_table(comparison, findings)
    assert groups is not None
    class_bars.class_plot(groups)
    reliability_plot.reliability_plot(comparison, reliabilities(comparison, findings))
    classes = [axes for axes in drawn[0].axes if axes.get_visible()]
    assert [axes.get_title() for axes in classes] == ["nodule (n = 20)", "oedema (n = 20)", "mass (n = 20)"]
    bars = [bar.get_width() for bar in classes[0].patches]
    assert bars == [100 * (line.cells["class", "nodule", "map"].value or 0) for line in groups.lines if not line.floor]
    assert [axes.get_title() for axes in drawn[1].axes] == ["medst@resnet50", "mgca@resnet50"]
    colours = [drawn[1].axes[index].get_lines()[1].get_color() for index in (0, 1)]
    assert colours == [plots.colour(0), plots.colour(1)]


def test_no_probabilities_give_no_diagram() -> None:
    assert reliability_plot.reliability_plot(compare(make_record()), []) is None
