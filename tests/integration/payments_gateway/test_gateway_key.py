"""Stripe's key is rolled while charges are made: no charge fails of it, and nobody restarts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.processes import ServiceProcess, running
from tests.support.services_alone import gateway_alone
from tests.support.stack import Database, post_charge
from tests.support.twin import Twin, running_twin
from tests.support.waiting import eventually

OLD, NEW = "sk_test_old", "sk_test_new"
SENDERS = 4


@pytest.fixture
def stripe(tmp_path: Path) -> Iterator[Twin]:
    """A Stripe at which both keys are good, until one of them is revoked."""
    keys = tmp_path / "keys-of-the-account"
    keys.write_text(f"{OLD}\n{NEW}\n")
    with running_twin(tmp_path / "twin", "--key-file", str(keys)) as twin:
        yield twin


def replace(file: Path, text: str) -> None:
    """A reader sees the old file or the new one, as with a mounted Kubernetes Secret."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)


def outcome(gateway: ServiceProcess) -> str:
    """What becomes of a charge of its own."""
    return str(post_charge(gateway, uuid4()).json["outcome"])


def revoke(stripe: Twin, key: str) -> None:
    stripe.ask("POST", "/keys", {"key": key, "account": "acct_twin", "expired": True})


def test_a_key_that_is_rolled_under_load_fails_no_charge(
    database: Database, stripe: Twin, tmp_path: Path
) -> None:
    file = tmp_path / "api-key"
    file.write_text(OLD)
    stop = threading.Event()
    outcomes: list[str] = []

    def charge_until_stopped() -> None:
        while not stop.is_set():
            outcomes.append(outcome(gateway))

    def wait_for_charges(more: int) -> None:
        wanted = len(outcomes) + more
        eventually(lambda: len(outcomes) >= wanted, f"{more} more charges")

    service = gateway_alone(database.dsn, tmp_path, stripe_api_base=stripe.api, key_file=file)
    with running(service) as gateway, ThreadPoolExecutor(SENDERS) as threads:
        senders = [threads.submit(charge_until_stopped) for _ in range(SENDERS)]
        try:
            wait_for_charges(20)
            replace(file, f"{NEW}\n")
            # What was read with the old key is on its way for less than a charge of each takes.
            wait_for_charges(3 * SENDERS)
            revoke(stripe, OLD)
            wait_for_charges(20)
        finally:
            stop.set()
        for sender in senders:
            sender.result()

    assert set(outcomes) == {"settled"}


@pytest.mark.parametrize("broken", ["", "sk_" + "live_secretpart"], ids=["empty", "live"])
def test_a_key_that_cannot_be_used_leaves_the_last_one_and_is_said_once(
    database: Database, stripe: Twin, tmp_path: Path, broken: str
) -> None:
    file = tmp_path / "api-key"
    file.write_text(OLD)
    service = gateway_alone(database.dsn, tmp_path, stripe_api_base=stripe.api, key_file=file)
    with running(service) as gateway:
        replace(file, broken)
        during = [outcome(gateway) for _ in range(5)]
        replace(file, NEW)
        after = outcome(gateway)

    assert during == ["settled"] * 5
    assert after == "settled"
    assert gateway.log.count("the new Stripe key (the last good one stays) is unavailable") == 1
    assert "secretpart" not in gateway.log
