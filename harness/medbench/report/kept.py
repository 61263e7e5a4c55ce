"""The kept predictions that the page needs: of the foremost methods of a table, one seed each, at its largest fraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError, PluginError, TrialError
from medbench.leaderboard.text import fraction_name
from medbench.records import Record
from medbench.report.sheets import Sheet
from medbench.report.texts import without_places
from medbench.specs import Recipe, TaskSpec
from medbench.store import ResultStore
from medbench.tables.comparisons import Contender
from medbench.trials import restore_recipe

if TYPE_CHECKING:
    import pyarrow as pa

CONTENDERS = 8
"""Methods of a table whose predictions are read."""


@dataclass(slots=True)
class Troubles:
    """What could not be read or analysed: ``lines`` in full for the terminal, ``shown`` without this machine's paths."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def told(self, line: str) -> None:
        """A line that medbench made."""
        self.lines.append(line)
        self.shown.append(without_places(line, self.folder))

    def aside(self, line: str) -> None:
        """A line for the terminal alone, of what the page says in its own place and in fewer words."""
        self.lines.append(line)

    def raised(self, what: str, error: Exception) -> None:
        """What went wrong with ``what``. Of a stranger's exception the page gets the kind alone: its text may say anything."""
        reason = " ".join(str(error).split())
        stranger = error.__cause__ if isinstance(error, PluginError) else error
        if stranger is None or isinstance(stranger, MedbenchError):
            self.told(f"{what}: {reason}")
        else:
            self.lines.append(
                f"{what}: {reason}" if stranger is not error else f"{what}: {type(error).__name__}: {reason}"
            )
            self.shown.append(without_places(f"{what}: {type(stranger).__name__}", self.folder))


@dataclass(frozen=True, slots=True)
class Kept:
    """The model's own predictions of one record, sorted by sample id, with the recipe that they were made under."""

    contender: Contender
    record: Record
    recipe: Recipe
    predictions: pa.Table

    @property
    def label(self) -> str:
        """For messages."""
        return label_of(self.record)


def label_of(record: Record) -> str:
    """``mgca@resnet50 on rsna-det, seed 0``."""
    return f"{record.method_id} on {record.task}, seed {record.seed}"


def foremost(sheet: Sheet) -> list[tuple[Contender, Record]]:
    """The first `CONTENDERS` by rank that have the largest fraction, each with its first seed."""
    fraction = sheet.table.fractions[-1]
    found = [(one, records[0]) for one in sheet.contenders if (records := one.at(fraction))]
    return found[:CONTENDERS]


def read_kept(sheet: Sheet, task: TaskSpec, store: ResultStore, troubles: Troubles) -> Sequence[Kept]:
    """Those of `foremost` whose predictions are there; damaged ones are told of and left out."""
    kept = []
    for contender, record in foremost(sheet):
        if not _kept(record, store):
            continue
        try:
            recipe = restore_recipe(task.recipe(record.recipe), record.recipe_values)
            kept.append(Kept(contender, record, recipe, _of_the_model(store.read_predictions(record))))
        except Exception as error:  # damaged files break their readers in any way; the other records go on
            troubles.raised(label_of(record), error)
    return kept


def kept_of(sheet: Sheet, kept: Sequence[Kept]) -> str:
    """Which trials ``kept`` are, in words: ``seed 0, 100 % of the training data``."""
    seeds = {one.record.seed for one in kept}
    if not seeds:
        return ""
    seed = f"seed {min(seeds)}" if len(seeds) == 1 else "the first seed of each method"
    fractions = sheet.table.fractions
    return f"{seed}, {fraction_name(fractions[-1])} of the training data" if len(fractions) > 1 else seed


def has_predictions(sheet: Sheet, store: ResultStore) -> bool:
    """Whether those of any of `foremost` are there."""
    return any(_kept(record, store) for _, record in foremost(sheet))


def _kept(record: Record, store: ResultStore) -> bool:
    return store.path(record.task, record.method_id, record.key).with_suffix(".parquet").exists()


def _of_the_model(predictions: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    from medbench.runner import MODEL

    rows = predictions.filter(pc.equal(predictions.column("source"), MODEL))
    if not rows.num_rows:
        raise TrialError("the predictions have no row of the model", fix="run the trial again")
    return rows.drop_columns(["source"]).sort_by("sample_id")
