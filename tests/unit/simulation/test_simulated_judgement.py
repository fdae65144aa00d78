"""The quick checker and the judge's SQL say the same, and sabotages of the protocol are found."""

from __future__ import annotations

from typing import Final

import pytest

from bookpayctl.judge.rules import rules
from bookpayctl.report.verdict import Verdict
from bookpayctl.simulation.checker import INVARIANTS, allowed_steps
from bookpayctl.simulation.judged import disagreements
from bookpayctl.simulation.mutants import MUTANTS, Mutant
from bookpayctl.simulation.trying import mutant_item, seeds_until_found
from bookpayctl.simulation.verdict import try_seed

ORDERS: Final = 40
SEEDS_MAX: Final = 40

RED: Final = {
    "random-key": "I10",
    "mark-before-acknowledgement": "I06",
    "release-twice": "I16",
    "no-amount-match": "I30",
    "offset-before-effect": "I26",
}
"""Sabotages that are found in few seeds, and an invariant that each turns red."""
ALSO_FOUND: Final = (
    "client-key-ignored",
    "finalise-on-500",
    "refund-without-key",
    "skip-release",
    "answer-before-insert",
    "search-instead-of-list",
)

BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}


def test_the_judge_and_the_checker_agree_where_nothing_is_wrong() -> None:
    verdict, _, ledgers = try_seed(100, ORDERS)

    assert verdict.findings == {}
    assert list(disagreements(ledgers, verdict.findings)) == []


@pytest.mark.parametrize("name", RED)
def test_the_judge_and_the_checker_agree_on_what_a_sabotage_has_done(name: str) -> None:
    verdict, ledgers = next(
        (verdict, ledgers)
        for verdict, _, ledgers in (
            try_seed(seed, ORDERS, BY_NAME[name].decisions) for seed in range(SEEDS_MAX)
        )
        if RED[name] in verdict.findings
    )

    assert list(disagreements(ledgers, verdict.findings)) == []


def test_a_difference_between_them_is_told() -> None:
    _, _, ledgers = try_seed(100, ORDERS)

    assert list(disagreements(ledgers, {"I10": ()})) == [
        "I10: holds by SQL, violated by the checker"
    ]


@pytest.mark.parametrize("name", ALSO_FOUND)
def test_a_sabotage_of_the_protocol_is_found(name: str) -> None:
    assert seeds_until_found(BY_NAME[name], 0, orders=ORDERS, most=SEEDS_MAX) is not None


def test_a_sabotage_that_no_seed_finds_is_violated() -> None:
    mutant = Mutant("harmless", "nothing is put wrong", BY_NAME["random-key"].decisions)

    item = mutant_item(mutant, [3, None, 2], 10)

    assert item.verdict is Verdict.VIOLATED
    assert item.observed == "median 3 seeds (2, 3, never)"


def test_the_checkers_ids_are_the_judges_and_so_is_its_transition_relation() -> None:
    assert set(INVARIANTS) <= {rule.id for rule in rules()}
    assert ("payment", "failed", "refunding") in allowed_steps()
    assert ("payment", "", "pending") in allowed_steps()
    assert ("payment", "succeeded", "failed") not in allowed_steps()
