"""Every module of a check is in the table, and every check has an id of its own."""

from __future__ import annotations

import pkgutil

from bookpayctl import checks
from bookpayctl.check import Category
from bookpayctl.checks import CHECKLIST, CHECKS

# What three checks ask where Debezium publishes; none by itself.
SHARED = {"bookpayctl.checks.capture"}


def test_every_module_of_a_check_is_in_the_table() -> None:
    found = pkgutil.walk_packages(checks.__path__, f"{checks.__name__}.")
    modules = {module.name for module in found if not module.ispkg}

    assert {check.ask.__module__ for check in CHECKS} == modules - SHARED


def test_an_id_tells_the_category() -> None:
    letters = {Category.CHECKLIST: "C", Category.OPERATIONS: "O"}

    for category, letter in letters.items():
        ids = [check.id for check in CHECKS if check.category is category]
        assert ids == [f"BP-{letter}{number:03}" for number in range(1, len(ids) + 1)]


def test_the_checklist_is_the_chapters_six_and_comes_first() -> None:
    assert CHECKS[:6] == CHECKLIST
    assert len(CHECKLIST) == 6


def test_ids_are_unique() -> None:
    ids = [check.id for check in CHECKS]

    assert len(set(ids)) == len(ids)
