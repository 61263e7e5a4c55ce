"""``medbench run``: prepare, run, print the leaderboard."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Sequence

import click

from medbench.cli.options import Settings, load_registry, print_json, request_options, running_options, settings_options
from medbench.cli.plan import plan_as_json, show_plan, summarise
from medbench.errors import MedbenchError, UsageError
from medbench.executors.seats import check_devices, find_seats, until_invalid
from medbench.lifecycle import Announcer, check_trackers
from medbench.plan import Plan, Request, build_plan
from medbench.progress import Reporter, make_reporter
from medbench.registry import Registry
from medbench.settings import turn_on
from medbench.store import ResultStore


@click.command("run")
@request_options
@settings_options
@running_options
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--strict", is_flag=True, help="Run nothing unless everything can run.")
@click.option("--allow-incomplete", is_flag=True, help="Go on although over 5 % of a dataset's images are unusable.")
@click.option("--track", default="", metavar="NAMES", help="Trackers beside those of the settings: mlflow,tensorboard.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines for machines.")
def run_command(
    request: Request,
    settings: Settings,
    dry_run: bool,
    strict: bool,
    allow_incomplete: bool,
    track: str,
    as_json: bool,
) -> int:
    """Run methods on tasks, then print the leaderboard.

    What is done is not run again; what is blocked is said first and the rest goes on.
    """
    settings = turn_on(settings, track)
    check_devices(settings)
    registry = load_registry(settings)
    check_trackers(registry, settings)
    plan = build_plan(request, registry, settings)
    if dry_run:
        print_json(plan_as_json(plan)) if as_json else show_plan(plan)
        return _blocked_code(plan)
    if strict and (error := _first_error(plan)) is not None:
        _say_blocked(plan, make_reporter(as_json=as_json))
        raise error
    restrict_devices(settings)
    if settings.executor == "local":  # jobs for which the GPUs are too few are refused before hours of preparation
        find_seats(settings, len(plan.of_state("ready")))
    with make_reporter(as_json=as_json) as reporter:
        said = _say_blocked(plan, reporter)
        if plan.unprepared and plan.of_state("ready"):
            failed = _prepare(plan, reporter, allow_incomplete=allow_incomplete)
            if strict and failed:
                raise next(iter(failed.values()))
            plan = build_plan(request, registry, settings)
            _say_blocked(plan, reporter, said)  # a split may turn out not to be there only now
            if strict and (error := _first_error(plan)) is not None:
                raise error
        else:
            failed = {}
        reporter.message(summarise(plan))
        code = _run(plan, failed, registry, settings, reporter)
    if not as_json:
        _print_leaderboard(plan, registry, settings)
    return code or _blocked_code(plan)


def restrict_devices(settings: Settings) -> None:
    """Let libraries see only the device that was asked for; must come before torch looks for GPUs.

    A device without a number leaves all GPUs in sight: the executor shares them out among its workers.
    """
    kind, _, number = settings.device.partition(":")
    if kind == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif number:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = [str(index) for index in range(int(number) + 1)] if visible is None else until_invalid(visible)
        if int(number) >= len(devices):
            raise UsageError(f"cuda:{number} is not among the visible GPUs ('{visible}')", fix="medbench doctor")
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[int(number)]


def _prepare(plan: Plan, reporter: Reporter, *, allow_incomplete: bool) -> dict[str, MedbenchError]:
    from medbench.cli.data import say_problems
    from medbench.preparation import prepare

    failed: dict[str, MedbenchError] = {}
    for files in plan.unprepared:
        reporter.message(f"preparing {files.spec.id}")
        try:
            info = prepare(files, reporter, allow_incomplete=allow_incomplete, say=reporter.message)
            say_problems(info, reporter.message)
        except MedbenchError as error:
            failed[files.spec.id] = error
            reporter.message(f"error: {error}")
    return failed


def _run(
    plan: Plan, failed: dict[str, MedbenchError], registry: Registry, settings: Settings, reporter: Reporter
) -> int:
    from medbench.executors import executor_of

    trials = [planned for planned in plan.of_state("ready") if planned.key is not None]
    # An executor loads numpy and pyarrow at least: not where all is done.
    outcomes = executor_of(registry, settings).run(trials, reporter) if trials else []
    store = ResultStore(settings.results)
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    records += [store.read(one.trial.task.id, one.trial.choice.id, str(one.key)) for one in plan.of_state("done")]
    for problem in Announcer(registry, settings).announce("medbench_run_finished", records=records):
        reporter.message(f"warning: {problem}")
    codes = [outcome.exit_code for outcome in outcomes if outcome.exit_code]
    codes += [error.exit_code for error in failed.values()]
    return codes[0] if codes and len(set(codes)) == 1 else int(bool(codes))


def _print_leaderboard(plan: Plan, registry: Registry, settings: Settings) -> None:
    wanted = {(planned.trial.task.id, planned.trial.recipe_label) for planned in plan.trials}
    loaded = ResultStore(settings.results).read_all()
    for problem in loaded.problems:
        click.echo(f"warning: {problem}", err=True)
    chosen = [record for record in loaded.records if (record.task, record.recipe_label) in wanted]
    if chosen:
        from medbench.leaderboard.pages import table_text
        from medbench.leaderboard.table import Specs

        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo(table_text(chosen, Specs(registry.tasks, registry.methods, registry.datasets), width))


def _say_blocked(plan: Plan, reporter: Reporter, said: Collection[str] = ()) -> list[str]:
    """Say, but for what was ``said``, why trials are not run; gives all that there is to say."""
    reasons = dict.fromkeys(f"blocked: {planned.reason}" for planned in plan.of_state("blocked"))
    reasons |= dict.fromkeys(
        f"not applicable: {planned.trial.task.id}: {planned.reason}" for planned in plan.of_state("not-applicable")
    )
    reasons |= dict.fromkeys(f"left out: {task} has no such recipe" for task in plan.without_recipe)
    for reason in reasons:
        if reason not in said:
            reporter.message(reason)
    return list(reasons)


def _first_error(plan: Plan) -> MedbenchError | None:
    errors: Sequence[MedbenchError] = [one.error for one in plan.of_state("blocked") if one.error is not None]
    return errors[0] if errors else None


def _blocked_code(plan: Plan) -> int:
    error = _first_error(plan)
    return error.exit_code if error is not None else 0
