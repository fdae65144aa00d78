"""What is asked, of what, and what the answers come to: the tables of docs/judge.md."""

from __future__ import annotations

from functools import cmp_to_key

from bookpayctl.checks import CHECKS
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.forgery import CASES
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.rules import Invariant, rules
from bookpayctl.report.exit_code import MEANINGS, REASONS, ExitCode, code_of, worst
from bookpayctl.report.verdict import MEANINGS as VERDICT_MEANINGS
from bookpayctl.report.verdict import Verdict
from docs.generate.markdown import code, table

LEDGERS = {"log": "Kafka", "stripe": "Stripe", "client": "client history"}
"""Where a table is read, by how its name begins; the others are PostgreSQL's."""

WITNESSES = {
    "stripe_requests": "Stripe's request journal (the twin's, or the recording tap's)",
    "stripe_deliveries": "Stripe's deliveries (the twin's)",
}


def invariants() -> str:
    """Every invariant of the audit, with the question that it asks and what it reads."""
    return table(
        ("id", "name", "question", "required", "examined", "left out, counted", "reads"),
        [
            (r.id, r.title, r.asks, r.required, r.examines, _left_out(r), _ledgers(r))
            for r in rules()
        ],
    )


def _left_out(rule: Invariant) -> str:
    return rule.excuses.replace(" of {money}", "")


def _ledgers(rule: Invariant) -> str:
    found = [" or ".join(dict.fromkeys(map(_ledger, names))) for names in rule.reads]
    return ", ".join(dict.fromkeys(found))


def _ledger(table_name: str) -> str:
    ledger = LEDGERS.get(table_name.partition("_")[0], "PostgreSQL")
    return WITNESSES.get(table_name, ledger)


def ledgers() -> str:
    """Every canonical table with its columns."""
    return "\n\n".join(
        f"### `{found.name}`\n\n{found.meaning}\n\n"
        + table(
            ("column", "type", "meaning"),
            [(code(c.name), c.type, c.meaning) for c in found.columns],
        )
        for found in tables().values()
    )


def checks() -> str:
    """The checklist, and what an operator asks besides."""
    return table(
        ("id", "category", "name", "question", "required", "what goes wrong without it"),
        [(c.id, c.category, c.title, c.question, c.required, c.why) for c in CHECKS],
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
