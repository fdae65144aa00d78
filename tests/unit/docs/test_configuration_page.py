"""docs/configuration.md names every variable that the programs read, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import typer.main

from bookpayctl.cli.app import build_app
from bookpayctl.targets.settings import SETTINGS, VARIABLES
from docs.generate import configuration
from runtime.meanings import MEANINGS

ROOT = Path(__file__).resolve().parents[3]

# Written by `up` for the processes it starts, so that leftovers are found; nobody sets it.
INTERNAL = {"BOOKPAY_ENVIRONMENT_ID"}


def test_every_setting_that_the_runtime_asks_for_has_a_meaning_and_no_other_has() -> None:
    assert sorted(MEANINGS) == list(configuration.asked_for())


def test_every_setting_of_the_runtime_is_read_by_a_service() -> None:
    unread = [asked.name for asked, services in configuration.asked_for().values() if not services]

    assert unread == []


def test_a_setting_that_a_shared_adapter_reads_belongs_to_the_services_that_use_it() -> None:
    _, services = configuration.asked_for()["KAFKA_BOOTSTRAP_SERVERS"]

    assert sorted(services) == ["notifier", "orders-service", "outbox-publisher", "payments-worker"]


def test_the_table_says_what_the_code_asks_for() -> None:
    page = configuration.runtime().splitlines()

    lease = next(row for row in page if "`BOOKPAY_LEASE_SECONDS`" in row)
    key = next(row for row in page if "`STRIPE_API_KEY`" in row)

    assert "| seconds, 0.1 to 3,600 | `60` | " in lease
    assert "| secret | **must be set** | payments-gateway | " in key


def test_every_variable_named_in_the_code_is_on_the_page() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()

    named = {
        name
        for folder in ("runtime", "bookpayctl")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in re.findall(r"\bBOOKPAY_[A-Z][A-Z_]*[A-Z]\b", node.value)
    }

    assert len(named) > 20, "too few variables were found for this to mean anything"
    assert sorted(name for name in named - INTERNAL if f"`{name}`" not in page) == []


def test_a_variable_of_bookpayctl_is_no_setting_at_the_same_time() -> None:
    assert {setting.variable for setting in SETTINGS} & VARIABLES.keys() == set()


def test_every_flag_of_a_setting_can_be_typed_at_up_or_down() -> None:
    group = typer.main.get_command(build_app())
    typed = {
        option
        for name in ("up", "down")
        for parameter in group.commands[name].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }

    assert [s.key for s in SETTINGS if s.flag and s.flag not in typed] == []
