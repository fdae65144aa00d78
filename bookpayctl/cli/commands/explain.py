"""`explain`: what one check or invariant asks, and what goes wrong without it."""

from __future__ import annotations

from typing import Annotated

import typer

from bookpayctl.cli.output import fail, print_line
from bookpayctl.report.exit_code import ExitCode


def explain(identifier: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Say what a check asks, what it requires, and what goes wrong without it."""
    from bookpayctl.checks import CHECKS
    from bookpayctl.judge.invariants import INVARIANTS

    for item in CHECKS:
        if item.id == identifier.upper():
            print_line(f"{item.id}  {item.title}")
            print_line(f"asks      {item.question}")
            print_line(f"requires  {item.required}")
            print_line(f"why       {item.why}")
            print_line(f"fix       {item.fix}")
            return
    for invariant in INVARIANTS:
        if invariant.id == identifier.upper():
            print_line(f"{invariant.id}  {invariant.title}")
            print_line(f"asks      {' '.join((invariant.ask.__doc__ or '').split())}")
            print_line(f"requires  {invariant.required}")
            print_line(f"reads     {', '.join(invariant.needs) or 'PostgreSQL'}")
            return
    known = [item.id for item in CHECKS] + [invariant.id for invariant in INVARIANTS]
    fail(f"nothing is called {identifier!r}; there are {', '.join(known)}", ExitCode.USAGE)


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)
