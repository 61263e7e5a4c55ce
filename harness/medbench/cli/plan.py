"""``medbench plan``, and the plan as it is shown by ``run`` too."""

from __future__ import annotations

from typing import Any

import click

from medbench.cli.options import Settings, load_registry, print_json, request_options, settings_options
from medbench.plan import Plan, PlannedTrial, Request, State, build_plan
from medbench.progress import duration

_STATES: tuple[State, ...] = ("ready", "done", "blocked", "not-applicable")


@click.command("plan")
@request_options
@settings_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def plan_command(request: Request, settings: Settings, as_json: bool) -> None:
    """Show what a run would do: what is ready, done, blocked and why."""
    plan = build_plan(request, load_registry(settings), settings)
    if as_json:
        print_json(plan_as_json(plan))
    else:
        show_plan(plan)


def show_plan(plan: Plan) -> None:
    """Print a line a trial, then totals."""
    for planned in plan.trials:
        estimate = f"  about {duration(planned.estimate_s)}" if planned.state == "ready" and planned.estimate_s else ""
        phantom = " [phantom]" if planned.phantom else ""
        reason = f"  {planned.reason}" if planned.reason else ""
        click.echo(f"{planned.state:<15} {planned.trial.label}{phantom}{estimate}{reason}")
    for task in plan.without_recipe:
        click.echo(f"{'left out':<15} {task} has no such recipe")
    click.echo(summarise(plan))


def summarise(plan: Plan) -> str:
    """``4 trials: 3 ready, 1 done; about 12 min and 3.1 MB by past records (1 trial without any)``."""
    counts = ", ".join(f"{len(plan.of_state(state))} {state}" for state in _STATES if plan.of_state(state))
    ready = plan.of_state("ready")
    known = [planned for planned in ready if planned.estimate_s is not None]
    if not ready:
        return f"{len(plan.trials)} trials: {counts}"
    if not known:
        return f"{len(plan.trials)} trials: {counts}; no past records to estimate time and disk from"
    seconds = sum(planned.estimate_s or 0 for planned in known)
    size = sum(planned.estimate_bytes or 0 for planned in known) / 1e6
    rest = f" ({len(ready) - len(known)} without past records)" if len(known) < len(ready) else ""
    return f"{len(plan.trials)} trials: {counts}; about {duration(seconds)} and {size:.1f} MB by past records{rest}"


def plan_as_json(plan: Plan) -> list[dict[str, Any]]:
    """The plan as plain values."""
    return [_trial_as_json(planned) for planned in plan.trials]


def _trial_as_json(planned: PlannedTrial) -> dict[str, Any]:
    trial = planned.trial
    return {
        "task": trial.task.id,
        "method": trial.choice.id,
        "recipe": trial.recipe_name,
        "fraction": trial.fraction,
        "seed": trial.seed,
        "state": planned.state,
        "reason": planned.reason,
        "key": planned.key,
        "phantom": planned.phantom,
        "estimate_s": planned.estimate_s,
        "estimate_bytes": planned.estimate_bytes,
    }
