"""The records as the page shows them on a click: what is the same in many of them stands once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from medbench.leaderboard.rows import trial_of
from medbench.records import Record
from medbench.report.payload import RecordView
from medbench.report.texts import finite, shown_name, shown_values


@dataclass(slots=True)
class RecordBook:
    """Views of records, with their recipes and versions; ``places`` gives a record's index by its trial."""

    views: list[RecordView] = field(default_factory=list)
    recipes: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, str]] = field(default_factory=list)
    places: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def indices(self, records: Iterable[Record]) -> tuple[int, ...]:
        """Where these records stand in ``views``."""
        return tuple(self.places[trial_of(record)] for record in records)


def record_book(records: Sequence[Record]) -> RecordBook:
    """The book of records, each trial of which stands once among them."""
    book = RecordBook()
    recipes: dict[str, int] = {}
    versions: dict[str, int] = {}
    for record in records:
        recipe = recipes.setdefault(repr((record.recipe_label, record.recipe_values)), len(book.recipes))
        if recipe == len(book.recipes):
            name = shown_name(record.recipe_label)
            book.recipes.append({"name": name, "values": shown_values(record.recipe_values)})
        library = versions.setdefault(repr(sorted(record.provenance.versions.items())), len(book.versions))
        if library == len(book.versions):
            book.versions.append(shown_values(record.provenance.versions))
        book.places[trial_of(record)] = len(book.views)
        book.views.append(_view(record, recipe, library))
    return book


def _view(record: Record, recipe: int, versions: int) -> RecordView:
    where = record.provenance
    return RecordView(
        key=shown_name(record.key),
        task=shown_name(record.task),
        method=shown_name(record.method_id),
        fraction=record.fraction,
        seed=record.seed,
        split=shown_name(record.split),
        recipe=recipe,
        versions=versions,
        checkpoint=shown_name(record.checkpoint_sha256 or ""),
        manifest=shown_name(record.manifest_sha256),
        train_n=record.subset.n,
        test_n=record.test_n,
        medbench=shown_name(where.medbench),
        device=shown_name(where.device),
        precision=shown_name(where.precision),
        started=shown_name(where.started),
        duration_s=where.duration_s,
        peak_memory_mib=where.peak_memory_mib,
        images_per_second=finite(where.images_per_second),
        revision=None if where.revision is None else shown_name(where.revision),
        phantom=record.phantom,
        metrics={
            shown_name(name): (finite(one.value), finite(one.low), finite(one.high))
            for name, one in record.metrics.items()
        },
        notes={shown_name(name): value for name, value in record.notes.items()},
    )
