"""``medbench doctor``: what works here, and the line that mends what does not."""

from __future__ import annotations

import click

from medbench.cli.options import Settings, print_json, settings_options
from medbench.doctor import examine
from medbench.registry import Registry


@click.command("doctor")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor_command(settings: Settings, as_json: bool) -> int:
    """Say what works on this machine. Exit 1 where something that is installed is broken."""
    findings = examine(Registry.load(), settings)
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            mend = f"\n        mend: {finding.mend}" if finding.mend else ""
            click.echo(f"{finding.state:<7} {finding.subject}: {finding.detail}{mend}")
    return 1 if any(finding.state == "broken" for finding in findings) else 0
