"""`explain`: what one question or drill asks, and what goes wrong without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from bookpayctl.cli.options import OutputOption
from bookpayctl.cli.output import Document, OutputFormat, fail, print_json, print_line
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.judge.rules import Invariant


def explain(
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Such as BP-C004, I10, R03, W07 or outage.")
    ],
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say what a question or drill asks, what it requires, and what turns it red.

    Example: bookpayctl explain BP-C004
    """
    found = _told(identifier)
    if found is None:
        fail(f"nothing is called {identifier!r}; there are {', '.join(_known())}", ExitCode.USAGE)
    if output is OutputFormat.JSON:
        print_json(explanation(*found))
        return
    title, lines = found
    print_line(title)
    for label, text in lines.items():
        print_line(f"{label:<9} {text}")


def explanation(title: str, lines: Mapping[str, str]) -> Document:
    """One answer as a document."""
    return Document("Explanation", ExitCode.PASS, "explained", {"title": title, **lines})


def _told(identifier: str) -> tuple[str, dict[str, str]] | None:
    """Title and labelled lines of what has this name; None when nothing has."""
    from bookpayctl.checks import CHECKS
    from bookpayctl.drills import find_drill
    from bookpayctl.forgery import CASES
    from bookpayctl.judge.rules import rules

    for item in CHECKS:
        if item.id == identifier.upper():
            lines = {"asks": item.question, "requires": item.required, "why": item.why}
            return f"{item.id}  {item.title}", {
                **lines,
                "fix": item.fix,
                "category": item.category.value,
                "controls": _controls(item.id),
            }
    for rule in (*rules(), *_of_replays()):
        if rule.id == identifier.upper():
            return f"{rule.id}  {rule.title}", {
                "asks": rule.asks,
                "requires": rule.required,
                "examines": rule.examines,
                **({"excuses": rule.excuses.replace(" of {money}", "")} if rule.excuses else {}),
                "reads": ", ".join(" or ".join(names) for names in rule.reads),
                "controls": _controls(rule.id),
            }
    for case in CASES:
        if case.id == identifier.upper():
            asked = f"bookpayctl webhook forge --case {case.id}"
            return f"{case.id}  {case.title}", {"sends": asked, "controls": _controls(case.id)}
    # An item's id leads to its drill: crash-mid-charge/charged-once.
    drill = find_drill(identifier.partition("/")[0])
    if drill is None:
        return None
    lines = {"asks": drill.question, "expects": drill.expected}
    return drill.slug, {
        **lines,
        "risks": drill.blast_radius,
        "strikes": ", ".join(drill.points),
        "controls": _controls(drill.slug),
    }


def _controls(question: str) -> str:
    """What is wrong on purpose and turns it red, or why nothing does."""
    from bookpayctl.controls.catalogue import controls_of, why_uncertified

    return ", ".join(controls_of(question)) or why_uncertified(question)


def _of_replays() -> list[Invariant]:
    """What the modes of `replay` that only read ask of a log."""
    from bookpayctl.replay.comparing import COMPARISONS, questions

    return [found for one in COMPARISONS.values() for found in questions(one.prefix)]


def _known() -> list[str]:
    from bookpayctl.checks import CHECKS
    from bookpayctl.drills.catalogue import CATALOGUE
    from bookpayctl.forgery import CASES
    from bookpayctl.judge.rules import rules

    return [
        *(item.id for item in CHECKS),
        *(rule.id for rule in (*rules(), *_of_replays())),
        *(case.id for case in CASES),
        *(entry.slug for entry in CATALOGUE),
    ]


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)
