"""The command line. Each command lives in a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from medbench import __version__
from medbench.errors import MedbenchError
from medbench.untrusted import printable

COMMANDS = {
    "run": ("run", "Run methods on tasks, then print the leaderboard."),
    "plan": ("plan", "Show what a run would do: ready, done, blocked and why."),
    "list": ("catalogue", "List methods, datasets or tasks."),
    "show": ("catalogue", "Show all that is known of a method, dataset or task."),
    "plugins": ("catalogue", "List the installed plugins with their state."),
    "data": ("data", "Prepare, verify and look at datasets."),
    "leaderboard": ("leaderboard", "Build the leaderboard's Markdown, or check that it is fresh."),
    "tables": ("tables", "Build tables and plots of a results folder."),
    "report": ("report", "Write one HTML page to look at a results folder."),
    "compare": ("compare", "Compare two sets of records; fail where a number regressed."),
    "explain": ("explain", "Draw where a method looks in an image for a text."),
    "checkpoint": ("checkpoint", "Say which method a file of weights is of, and what would be loaded."),
    "cache": ("cache", "Look at the kept features of frozen encoders, and clear them out."),
    "rescore": ("rescore", "Compute metrics again from kept predictions."),
    "phantom": ("phantom", "Write generated datasets and checkpoints in their official raw forms."),
    "new-plugin": ("new_plugin", "Write a package for a method, dataset or task of your own."),
    "check-plugin": ("check_plugin", "Hold an installed plugin to the contract, and say what is wrong."),
    "doctor": ("doctor", "Say what works on this machine, and how to mend what does not."),
}


class _LazyGroup(click.Group):
    """Lists commands without importing them: help and start-up stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"medbench.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from medbench.errors import UnknownNameError

            raise UnknownNameError("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="medbench")
def cli() -> None:
    """Standard protocols for pretrained medical vision-language encoders.

    Exit codes: 0 well, 1 a failed trial, a stale leaderboard or a broken installation, 2 misuse,
    3 missing data or checkpoint.
    """


def main() -> None:
    """Run the command line; expected failures become one line on stderr and their exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except MedbenchError as error:
        sys.exit(_fail(f"error: {error}", error.exit_code))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_fail("interrupted; what was finished is kept, the same command goes on from there", 130))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> int:
    click.echo(printable(text, keep="\n"), err=True)  # a message may quote a file of a stranger
    return code
