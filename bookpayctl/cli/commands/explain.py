"""`explain`: what one check, invariant or drill asks, and what goes wrong without it."""

from __future__ import annotations

from typing import Annotated

import typer

from bookpayctl.cli.output import fail, print_line
from bookpayctl.report.exit_code import ExitCode


def explain(identifier: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Say what a check, invariant or drill asks, what it requires, and what it is for."""
    from bookpayctl.checks import CHECKS
    from bookpayctl.drills import find_drill
    from bookpayctl.drills.catalogue import CATALOGUE
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
            question = " ".join((invariant.ask.__doc__ or "").split())
            print_line(f"asks      {question.removeprefix(f'{invariant.id}: ')}")
            print_line(f"requires  {invariant.required}")
            print_line(f"reads     {', '.join(('postgresql', *invariant.needs))}")
            return
    # An item's id leads to its drill: crash-mid-charge/charged-once.
    drill = find_drill(identifier.partition("/")[0])
    if drill is not None:
        print_line(f"{drill.slug}")
        print_line(f"asks      {drill.question}")
        print_line(f"expects   {drill.expected}")
        print_line(f"risks     {drill.blast_radius}")
        print_line(f"strikes   {', '.join(drill.points)}")
        return
    known = [
        *(item.id for item in CHECKS),
        *(invariant.id for invariant in INVARIANTS),
        *(entry.slug for entry in CATALOGUE),
    ]
    fail(f"nothing is called {identifier!r}; there are {', '.join(known)}", ExitCode.USAGE)


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)
