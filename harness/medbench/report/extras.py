"""What stands beside a table from kept predictions: groups and examples, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medbench.errors import PluginError
from medbench.loading import resolve
from medbench.protocols import Exhibits
from medbench.report.groups import group_views
from medbench.report.kept import Kept, Troubles, has_predictions, kept_of, read_kept
from medbench.report.payload import ExampleView, GroupView
from medbench.report.sheets import Sheet
from medbench.report.shelf import Shelf
from medbench.specs import TaskSpec
from medbench.store import ResultStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What the page is to hold: ``examples`` right and as many wrong ones a method, 0 for none.

    ``restricted`` embeds pictures and texts also of data that may not be handed on.
    """

    title: str = "medbench report"
    predictions: bool = True
    examples: int = 3
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Extras:
    """``examples_note`` says why there is no example, or no picture; ``restricted`` that examples may not be handed on.

    ``kept_of`` says which trials of each method the groups and examples are of.
    """

    groups: tuple[GroupView, ...] = ()
    examples: tuple[ExampleView, ...] = ()
    examples_note: str = ""
    restricted: bool = False
    kept_of: str = ""


@dataclass(frozen=True, slots=True)
class ExtrasMaker:
    """Makes them from the predictions in ``store`` and the data on ``shelf``; trouble costs its own part alone."""

    store: ResultStore
    shelf: Shelf
    options: ReportOptions
    troubles: Troubles

    def extras(self, sheet: Sheet) -> Extras:
        """Those of one table."""
        reason = self._absence(sheet)
        if reason or sheet.task is None:
            return Extras(examples_note=reason)
        try:
            protocol = resolve(sheet.task.loader, f"task '{sheet.task.id}'")
        except PluginError as error:
            self.troubles.raised(f"the predictions on {sheet.task.id} cannot be analysed", error)
            return Extras(examples_note="its protocol cannot be loaded")
        kept = read_kept(sheet, sheet.task, self.store, self.troubles)
        groups = group_views(sheet.task, protocol, kept, self.troubles)
        return replace(self._with_examples(sheet.task, protocol, kept, groups), kept_of=kept_of(sheet, kept))

    def _absence(self, sheet: Sheet) -> str:
        """Why no predictions of this table are read; '' where they are."""
        if not self.options.predictions:
            return "made without predictions"
        if sheet.task is None or sheet.heading.set_aside:
            return "its task is not installed in the version of these records"
        return "" if has_predictions(sheet, self.store) else "no predictions are kept here"

    def _with_examples(
        self, task: TaskSpec, protocol: object, kept: Sequence[Kept], groups: tuple[GroupView, ...]
    ) -> Extras:
        if not kept:
            return Extras(groups, examples_note="no predictions could be read")
        if not self.options.examples:
            return Extras(groups, examples_note="made without examples")
        if not isinstance(protocol, Exhibits):
            return Extras(groups, examples_note="its protocol offers no examples")
        refusal = self.shelf.refusal(kept[0].record)
        if refusal and not self.options.restricted:
            return Extras(groups, examples_note=f"{refusal}; --with-restricted shows examples, for your own eyes")
        from medbench.report.examples import ExampleMaker

        maker = ExampleMaker(task, self.shelf, self.troubles)
        views = maker.views(protocol, kept, self.options.examples)
        return Extras(groups, views, _note(views), restricted=bool(refusal and views))


def _note(views: Sequence[ExampleView]) -> str:
    """Why there is no example, or why none of their pictures is shown; a single picture's absence is said beside it."""
    if not views:
        return "its protocol gave no examples"
    return "" if any(one.image for one in views) else next((one.image_note for one in views if one.image_note), "")
