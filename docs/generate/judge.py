"""What is asked, of what, and what the answers come to: the tables of docs/judge.md."""

from __future__ import annotations

from functools import cmp_to_key

from bookpayctl.checks import CHECKS
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.forgery import CASES
from bookpayctl.judge.invariants import INVARIANTS, Invariant
from bookpayctl.report.exit_code import MEANINGS, REASONS, ExitCode, code_of, worst
from bookpayctl.report.verdict import MEANINGS as VERDICT_MEANINGS
from bookpayctl.report.verdict import Verdict
from docs.generate.markdown import code, one_line, table

LEDGERS = {
    "history": "client history",
    "log": "Kafka",
    "stripe": "Stripe",
    "requests": "Stripe's request journal (the twin's, or the recording tap's)",
    "keys": "Stripe, or the recording tap",
    "topics": "Kafka",
    "deliveries": "Stripe's deliveries (the twin's)",
}


def invariants() -> str:
    """Every invariant of the audit, with the question that it asks and what it reads."""
    return table(
        ("id", "name", "question", "required", "reads"),
        [(i.id, i.title, question(i), i.required, _ledgers(i)) for i in INVARIANTS],
    )


def question(invariant: Invariant) -> str:
    """The docstring of the function that asks, without the id in front."""
    return one_line(invariant.ask.__doc__).removeprefix(f"{invariant.id}: ")


def _ledgers(invariant: Invariant) -> str:
    return ", ".join(["PostgreSQL", *(LEDGERS[need] for need in invariant.needs)])


def checks() -> str:
    """The checklist."""
    return table(
        ("id", "name", "question", "required", "what goes wrong without it"),
        [(c.id, c.title, c.question, c.required, c.why) for c in CHECKS],
    )


def drills() -> str:
    """The drills, in the order of `drill list`, each with the points that it can strike at."""
    return table(
        ("drill", "runs on", "question", "expected", "strikes at", "blast radius"),
        [
            (
                code(drill.slug),
                ", ".join(drill.platforms),
                drill.question,
                drill.expected,
                "<br>".join(f"{code(point)}: {words}" for point, words in drill.points.items()),
                drill.blast_radius,
            )
            for drill in map(load_drill, CATALOGUE)
        ],
    )


def webhook_cases() -> str:
    """What `webhook forge` sends."""
    return table(("id", "what is sent"), [(case.id, case.title) for case in CASES])


def verdicts() -> str:
    """From best to worst, with the exit code that one alone comes to."""
    return table(
        ("verdict", "means", "exit code"),
        [(code(v.value), VERDICT_MEANINGS[v], _code(v)) for v in Verdict],
    )


def _code(verdict: Verdict) -> str:
    lax, strict = code_of(verdict), code_of(verdict, strict=True)
    return f"{int(lax)}" if lax is strict else f"{int(lax)}, {int(strict)} with `--strict`"


def exit_codes() -> str:
    """Every exit code, the one that wins over all others first."""
    ranked = sorted(ExitCode, key=cmp_to_key(_first_wins))
    return table(
        ("code", "`exit.reason`", "means"),
        [(str(int(c)), code(REASONS[c]), MEANINGS[c]) for c in ranked],
    )


def _first_wins(one: ExitCode, other: ExitCode) -> int:
    return -1 if worst([one, other]) is one else 1
