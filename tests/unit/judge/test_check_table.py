"""Every module of a check is in the table, and every check has an id of its own."""

from __future__ import annotations

import pkgutil

from bookpayctl import checks
from bookpayctl.checks import CHECKS


def test_every_module_of_a_check_is_in_the_table() -> None:
    modules = {found.name for found in pkgutil.iter_modules(checks.__path__)}

    listed = {check.ask.__module__.rpartition(".")[2] for check in CHECKS}
    assert listed == modules


def test_ids_are_unique() -> None:
    ids = [check.id for check in CHECKS]

    assert len(set(ids)) == len(ids)
