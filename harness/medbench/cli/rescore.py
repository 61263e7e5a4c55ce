"""``medbench rescore``: metrics again from kept predictions, without a model."""

from __future__ import annotations

import click

from medbench.cli.options import Settings, load_registry, settings_options
from medbench.errors import MedbenchError, StoreError
from medbench.records import Record
from medbench.registry import Registry
from medbench.selection import select_tasks
from medbench.store import ResultStore


@click.command("rescore")
@settings_options
@click.option("--tasks", default="all", metavar="SELECTION", help="Tasks whose records are scored again.")
def rescore_command(settings: Settings, tasks: str) -> int:
    """Compute the metrics of every record again from its predictions; what cannot be scored is said and left as it is."""
    registry = load_registry()
    chosen = {task.id for task in select_tasks(tasks, registry)}
    store = ResultStore(settings.results)
    loaded = store.read_all()
    failures = list(loaded.problems)
    changed = unchanged = 0
    for record in loaded.records:
        if record.task not in chosen:
            if record.task not in registry.tasks:
                failures.append(f"{record.method_id} on {record.task}: no installed plugin has that task")
            continue
        try:
            if _rescore(record, registry, store):
                changed += 1
            else:
                unchanged += 1
        except Exception as error:  # damaged predictions break a scorer in any way; the other records go on
            kind = "" if isinstance(error, MedbenchError) else f"{type(error).__name__}: "
            failures.append(f"{record.method_id} on {record.task}: {kind}{' '.join(str(error).split())}")
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    click.echo(f"{changed} records changed, {unchanged} unchanged, {len(failures)} failed")
    return 1 if failures else 0


def _rescore(record: Record, registry: Registry, store: ResultStore) -> bool:
    from medbench.loading import resolve
    from medbench.replicates import replicates_of
    from medbench.runner import model_rows, rescored, score
    from medbench.trials import restore_recipe

    task = registry.task(record.task)
    if task.version != record.task_version:
        raise StoreError(f"its task version is {record.task_version}, installed is {task.version}", fix="run it again")
    recipe = restore_recipe(task.recipe(record.recipe), record.recipe_values)
    protocol = resolve(task.loader, f"task '{task.id}'")
    predictions = store.read_predictions(record)
    drawn = replicates_of(task, recipe, protocol, model_rows(predictions))
    new = rescored(record, score(task, recipe, protocol, predictions, ceilings=record.ceilings), drawn)
    if new == record:
        return False
    store.write_record(new)
    return True
