"""A judge that cannot say no proves nothing: known-bad stacks must be found out.

The runtime is sabotaged from outside, by a module that Python imports at start, or by a trigger in
the database, so that the sabotage does not depend on how the runtime is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.command_line import CommandLine, environment_that_is_up, verdicts
from tests.support.sabotage import SABOTAGE

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def sabotaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    modules = tmp_path_factory.mktemp("sabotage")
    (modules / "sitecustomize.py").write_text(SABOTAGE)
    home = tmp_path_factory.mktemp("sabotaged")
    with environment_that_is_up(home, {"BOOKPAY_PYTHONPATH": str(modules)}) as found:
        yield found


@contextmanager
def trigger(shop: CommandLine, table: str, when: str, body: str) -> Iterator[None]:
    """A trigger that changes what the runtime writes, for as long as the block lasts."""
    shop.execute(
        f"CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER sabotage BEFORE {when} ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION sabotage()"
    )
    try:
        yield
    finally:
        shop.execute(f"DROP TRIGGER sabotage ON {table}; DROP FUNCTION sabotage()")


def test_a_release_of_stock_that_does_not_happen_fails_the_saga_check(
    sabotaged: CommandLine,
) -> None:
    with trigger(sabotaged, "reservations", "UPDATE", "RETURN OLD;"):
        document = sabotaged.ask("check", "--only", "BP-C005", "--timeout", "5s")

    assert document["exit"]["code"] == 1
    assert "not released" in document["items"][0]["observed"]


def test_a_receiver_that_believes_every_signature_fails_the_webhook_check(
    sabotaged: CommandLine,
) -> None:
    document = sabotaged.ask("check", "--only", "BP-C004")

    assert document["exit"]["code"] == 1
    assert "forged" in document["items"][0]["observed"]


def test_a_gateway_that_makes_up_its_keys_fails_the_key_check(sabotaged: CommandLine) -> None:
    document = sabotaged.ask("check", "--only", "BP-C003")

    assert document["exit"]["code"] == 1
    assert "no event_id" in document["items"][0]["observed"]


def test_a_gateway_that_makes_up_its_keys_charges_twice_and_the_drill_says_so(
    sabotaged: CommandLine,
) -> None:
    document = sabotaged.ask("drill", "crash-mid-charge", "--duration", "3s", "--timeout", "20s")

    found = verdicts(document)
    assert document["exit"]["code"] == 1
    assert found["crash-mid-charge/failpoint-hit"] == "holds"
    assert found["crash-mid-charge/process-restarted"] == "holds"
    assert found["crash-mid-charge/charged-once"] == "violated"
    assert found["I10"] == "violated"
    assert found["I24"] == "violated"


def test_an_event_marked_published_that_never_left_is_found(sabotaged: CommandLine) -> None:
    with trigger(sabotaged, "outbox", "INSERT", "NEW.published_at := now(); RETURN NEW;"):
        placed = sabotaged.ask("order", "place")
    document = sabotaged.ask("audit", "--age", "1s", "--timeout", "5s")

    observed = {item["id"]: item for item in document["items"]}
    assert document["exit"]["code"] == 1
    assert observed["I06"]["verdict"] == "violated"
    assert placed["order"]["event_id"] in observed["I06"]["evidence"][0]


def test_stock_that_a_hand_moved_is_found(sabotaged: CommandLine) -> None:
    sabotaged.execute(
        "UPDATE inventory SET on_hand = on_hand - 1, sold = sold + 1 WHERE sku = 'book-kafka'"
    )

    document = sabotaged.ask("audit", "--age", "1s", "--timeout", "5s")

    assert verdicts(document)["I17"] == "violated"
