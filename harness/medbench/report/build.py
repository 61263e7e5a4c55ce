"""From records and kept predictions to the report's payload. The same records and data give the same payload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medbench import __version__
from medbench.leaderboard.rows import unique_records
from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.report.diagrams import build_diagrams
from medbench.report.extras import ExtrasMaker, ReportOptions
from medbench.report.kept import Troubles
from medbench.report.payload import Payload
from medbench.report.record_views import record_book
from medbench.report.sheets import build_sheets
from medbench.report.shelf import Shelf
from medbench.report.tables import table_view
from medbench.report.texts import shown_name
from medbench.settings import Settings
from medbench.store import ResultStore

_EMPTY = "There is no record of these tasks in the folder."
_RESTRICTED = (
    "This page holds pictures and texts of data that may not be handed on. Keep it to yourself, as you keep the data."
)


@dataclass(frozen=True, slots=True)
class Report:
    """The payload, and in full what could not be read or analysed, one line each."""

    payload: Payload
    damage: tuple[str, ...]


def build_report(
    records: Sequence[Record],
    specs: Specs,
    store: ResultStore,
    settings: Settings,
    options: ReportOptions,
    *,
    problems: Sequence[str] = (),
    tell: Callable[[str], object] = lambda line: None,
) -> Report:
    """The report of ``records``. Whatever is missing or damaged costs its own part alone.

    ``store`` holds the predictions, ``settings`` say where the data lie; ``problems`` are those of reading the records;
    ``tell`` hears which table is being worked on.
    """
    troubles = Troubles(store.root)
    for line in problems:
        troubles.told(line)
    unique = unique_records(records)
    book = record_book(unique)
    sheets = build_sheets(unique, specs)
    maker = ExtrasMaker(store, Shelf(specs.datasets, settings, troubles.aside), options, troubles)
    tables, restricted = [], False
    for sheet in sheets:
        tell(f"{sheet.heading.task}, recipe {sheet.heading.recipe}")
        extras = maker.extras(sheet)
        restricted = restricted or extras.restricted
        tables.append(table_view(sheet, book, extras))
    payload = Payload(
        title=shown_name(options.title),
        medbench=__version__,
        tables=tuple(tables),
        diagrams=build_diagrams([one for sheet in sheets if (one := sheet.comparison) is not None]),
        records=tuple(book.views),
        recipes=tuple(book.recipes),
        versions=tuple(book.versions),
        problems=tuple(troubles.shown),
        notices=(*([_RESTRICTED] if restricted else []), *([] if unique else [_EMPTY])),
    )
    return Report(payload, tuple(troubles.lines))
