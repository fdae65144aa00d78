"""One row that cannot be read: the rest goes on, and the row is named."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.twin import CARD, TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import Receiver


class Spoiled:
    """A stopped twin that owes an event and a debit, and whose ledger can be changed by hand."""

    def __init__(self, directory: Path, receiver: Receiver) -> None:
        self._data = directory / "twin"
        secret = directory / "secret"
        secret.write_text("whsec_suite\n")
        self._arguments = ("--endpoint", receiver.url, "--secret-file", str(secret))
        # Late enough that the debit is not decided before the ledger was changed.
        twin = TwinProcess(self._data, *self._arguments, "--debit-seconds", "600")
        self.debit = twin.post(
            "/v1/payment_intents", {**CARD, "payment_method": "pm_twin_card_slowSuccess"}, new_key()
        ).json["id"]
        self.paid = twin.charge(new_key()).json["id"]
        assert twin.stop() == 0

    def run(self, *statements: str) -> TwinProcess:
        """Change the ledger by these statements, and start a twin on it."""
        database = sqlite3.connect(self._data / "ledger.sqlite3")
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()
        return TwinProcess(self._data, *self._arguments, "--debit-seconds", "600")


@pytest.fixture
def spoiled(tmp_path: Path, receiver: Receiver) -> Spoiled:
    return Spoiled(tmp_path, receiver)


BROKEN = '\'{"id": "evt_broken", "type":\''
WITHOUT_URL = '\'{"id": "we_x", "status": "enabled", "url": 5}\''
EVENT = "'evt_broken', 'acct_twin', 0, 'charge.failed', 'ch_1'"
ENDPOINT = "(SELECT id FROM objects WHERE kind = 'webhook_endpoint')"
EVENTS = "INSERT INTO events (id, account, created, type, object_id, body)"
OUTGOING = "INSERT INTO outgoing (event_id, endpoint_id, attempts, due_at, state)"
TIMERS = "INSERT INTO timers (id, account, due_at, action, object_id, state)"
OBJECTS = "INSERT INTO objects (id, account, kind, created, body, changed)"
FAULTS = "INSERT INTO faults (id, definition, remaining, draws, active)"


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (
            [
                f"{EVENTS} VALUES ({EVENT}, {BROKEN})",
                f"{OUTGOING} VALUES ('evt_broken', {ENDPOINT}, 0, 0, 'due')",
            ],
            "event evt_broken",
        ),
        ([f"{OUTGOING} VALUES ('evt_when', {ENDPOINT}, 0, 'soon', 'due')"], "evt_when"),
        ([f"{OUTGOING} VALUES ('evt_when', {ENDPOINT}, 'few', 0, 'due')"], "evt_when"),
        ([f"{OUTGOING} VALUES ('evt_when', {ENDPOINT}, 0, 9e999, 'due')"], "evt_when"),
        (
            [f"{TIMERS} VALUES ('t_when', 'acct_twin', 'soon', 'settle_debit', 'pi_1', 'due')"],
            "t_when",
        ),
        (
            [f"{TIMERS} VALUES ('t_when', 'acct_twin', 9e999, 'settle_debit', 'pi_1', 'due')"],
            "t_when",
        ),
        ([f"{TIMERS} VALUES ('t_what', 'acct_twin', 0, 'explode', 'pi_1', 'due')"], "t_what"),
        (
            [
                f"{OBJECTS} VALUES ('pi_broken', 'acct_twin', 'payment_intent', 0, '{{', 1)",
                f"{TIMERS} VALUES ('t_1', 'acct_twin', 0, 'settle_debit', 'pi_broken', 'due')",
            ],
            "pi_broken",
        ),
        (
            [f"{OBJECTS} VALUES ('we_broken', 'acct_twin', 'webhook_endpoint', 0, '{{', 0)"],
            "webhook endpoint",
        ),
        (
            [f"{OBJECTS} VALUES ('we_x', 'acct_twin', 'webhook_endpoint', 0, {WITHOUT_URL}, 0)"],
            "we_x",
        ),
        ([f"{FAULTS} VALUES ('fault_1', '{{', NULL, 0, 1)"], "fault_1"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_holds_up_nothing(
    spoiled: Spoiled, receiver: Receiver, statements: list[str], named: str
) -> None:
    twin = spoiled.run(*statements)
    made = twin.charge(new_key()).json["id"]
    twin.ask("POST", "/clock/advance", {"seconds": 601})

    eventually(lambda: receiver.events("payment_intent.succeeded", made), "its event")
    eventually(
        lambda: twin.payment_intent(spoiled.debit)["status"] == "succeeded", "the debit settles"
    )
    eventually(lambda: named in json.dumps(twin.ask("GET", "/status")["set_aside"]), "it is named")
    found = twin.get("/v1/payment_intents/search", query="currency:'usd'").json["data"]
    assert twin.stop() == 0
    assert "is left aside" in twin.log.read_text()
    assert {spoiled.paid, spoiled.debit} <= {intent["id"] for intent in found}


@pytest.mark.parametrize("due_at", ["1e18", "-1e18"])
def test_a_time_that_is_far_away_holds_up_nothing(
    spoiled: Spoiled, receiver: Receiver, due_at: str
) -> None:
    twin = spoiled.run(
        f"{OUTGOING} VALUES ('evt_nobody', {ENDPOINT}, 0, {due_at}, 'due')",
        f"{TIMERS} VALUES ('t_1', 'acct_twin', {due_at}, 'settle_debit', 'pi_nobody', 'due')",
    )
    made = twin.charge(new_key()).json["id"]

    eventually(lambda: receiver.events("payment_intent.succeeded", made), "its event")
    assert twin.stop() == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://[::1",
        "http://a:99999/",
        "nonsense",
        "http://" + "a" * 300 + "/",
        "x://y/",
    ],
)
def test_an_endpoint_with_an_impossible_url_keeps_its_events_and_nobody_elses(
    spoiled: Spoiled, receiver: Receiver, url: str
) -> None:
    other = json.dumps(
        {
            "id": "we_other",
            "object": "webhook_endpoint",
            "status": "enabled",
            "url": url,
            "description": None,
            "enabled_events": ["*"],
            "twin_secrets": [{"value": "whsec_other", "expires_at": None}],
        }
    )
    twin = spoiled.run(
        f"{OBJECTS} VALUES ('we_other', 'acct_twin', 'webhook_endpoint', 0, '{other}', 0)"
    )
    made = twin.charge(new_key()).json["id"]

    eventually(lambda: receiver.events("payment_intent.succeeded", made), "its event")
    eventually(
        lambda: twin.rows("/deliveries", endpoint_id="we_other", outcome="no_answer"),
        "an attempt on record",
    )
    assert twin.stop() == 0
