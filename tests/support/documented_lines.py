"""Lines of the pages and helps as a test can type them, and the exit codes that are right for each.

A new page's lines belong into these tables where they name what is not there by itself, take
minutes, or may rightly end with something else than 0.
"""

from __future__ import annotations

import re
import shutil
from typing import Final

from tests.support.console_blocks import Typed

NOT_TYPED: Final = {
    "make demo": "`bookpayctl demo` is typed here, which is what it runs",
    "make test": "it is what runs this",
    "make setup": "it made what this runs with",
    "bookpayctl simulate --mutants": "two minutes; tests/unit/simulation has some of them",
    "bookpayctl certify --profile": "minutes to hours; test_certificates.py has one of them",
    "stripe trigger": "Stripe's own program, which is no part of this",
}
# As much is seen in seconds as in the minutes that a person wants to look on.
SHORTER: Final = {
    "--duration 30s": "--duration 3s",
    "--duration 2m": "--duration 15s",
    "--wait 5m": "--wait 5s",
    # And so young a log has not come so far.
    "--from 2:1500": "--from 2:0",
    "--seeds 1000": "--seeds 20",
}

# Where the right answer is not 0 alone.
ANSWERS: Final[dict[str, set[int]]] = {
    # What contradicts still does.
    "webhook quarantine release": {6},
    # Nothing was compared on that day.
    "shadow report --day": {5},
    # No order may be so old yet; and the lies that were sent before are found.
    "audit --age 30s": {0, 1, 5},
    "verify ": {0, 1, 5},
    "bookpayctl report ": {0, 1, 5},
    # No order may have come to that partition.
    "--from 2:0": {0, 5},
    # In so short a storm not every process of a busy machine is killed, and none is no proof.
    "drill run kill-storm --duration 15s": {0, 3},
    # In so few seeds not everything that can happen happens.
    "bookpayctl simulate": {0, 5},
    # What others brought into this shop may wait for a person.
    "check --category operations --strict": {0, 4},
    # What this machine lacks a little of is a warning.
    "doctor --strict": {0, 4},
}
# What stands in place of a word on a page, by the command it is typed with; the first counts.
STANDS_FOR: Final = (
    ("order cancel", "ORDER", "another paid order"),
    ("refund retry", "ORDER", "order whose refund failed"),
    ("order", "ORDER", "paid order"),
    ("webhook send", "ord_...", "processing order"),
    ("stripe deliver", "EVENT", "event"),
    ("stripe complete", "PI", "waiting PaymentIntent"),
    ("dlq show", "17", "dead letter"),
    ("replay", "ord_30VcD9fYK00680c3", "paid order"),
    ("verify", "20261129-101500-audit-3f2a", "run of an audit"),
    ("report", "20261129-101500-audit-3f2a", "run of an audit"),
    ("runs diff", "20261129-101500-audit-3f2a", "run of an audit"),
    ("runs diff", "20261129-103000-audit-77c1", "run of an audit"),
    ("webhook quarantine release", "3 4", "two lies"),
    ("webhook quarantine release", "3", "lie"),
    ("webhook quarantine discard", "4", "other lie"),
)


def right(typed: str) -> set[int]:
    """The exit codes with which a line has done what its page says."""
    return next((codes for words, codes in ANSWERS.items() if words in typed), {0})


def wrong(typed: list[Typed]) -> list[str]:
    return [
        f"{one.line}: exit {one.code}: {one.err[-1500:]}{one.out[-1500:]}"
        for one in typed
        if one.code not in right(one.line)
    ]


def filled(line: str, made: dict[str, str]) -> str:
    """The line with what there is in place of what it names."""
    for long, short in SHORTER.items():
        line = line.replace(long, short)
    for command, word, what in STANDS_FOR:
        if line.startswith(f"bookpayctl {command} "):
            line = re.sub(rf"(?<![\w.]){re.escape(word)}(?![\w.])", made.get(what, word), line)
    return line


def is_typed(line: str) -> bool:
    missing = line.startswith("curl ") and shutil.which("curl") is None
    return not missing and not any(line.startswith(words) for words in NOT_TYPED)
