"""kill -9 at any moment: what was answered is there, what was executed is known, webhooks come."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.twin import CARD, TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import Receiver


class PayingClient(threading.Thread):
    """Charges with new keys until the twin is gone; keeps what was answered and what was not.

    `http.client` instead of the pool the other tests use: ten thousand charges should be over soon.
    """

    def __init__(self, twin: TwinProcess) -> None:
        super().__init__(daemon=True)
        self.address = twin.api.removeprefix("http://")
        self.answered: dict[str, bytes] = {}
        self.unknown: list[str] = []

    def run(self) -> None:
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=30)) as connection:
            while True:
                key = new_key()
                try:
                    connection.request("POST", "/v1/payment_intents", body(key), headers(key))
                    # A response that is cut short holds the socket, and the connection does not.
                    with connection.getresponse() as answer:
                        content = answer.read()
                except (http.client.HTTPException, OSError):
                    self.unknown.append(key)
                    return
                assert answer.status == 200
                self.answered[key] = content


def body(key: str) -> bytes:
    return urlencode({**CARD, "metadata[event_id]": key}).encode()


def headers(key: str) -> dict[str, str]:
    return {
        "Authorization": "Bearer sk_test_suite",
        "Content-Type": "application/x-www-form-urlencoded",
        "Idempotency-Key": key,
    }


# The last one is the size that the requirement names; it takes most of this module's time.
@pytest.mark.parametrize("charges", [50, 1_500, 10_000])
def test_a_killed_twin_remembers_every_answered_charge(tmp_path: Path, charges: int) -> None:
    twin = TwinProcess(tmp_path)
    clients = [PayingClient(twin) for _ in range(8)]
    for client in clients:
        client.start()
    eventually(lambda: sum(len(c.answered) for c in clients) >= charges, "charges", 120)
    twin.kill()
    for client in clients:
        client.join(timeout=60)
    answered = {key: body for client in clients for key, body in client.answered.items()}
    unknown = [key for client in clients for key in client.unknown]

    again = TwinProcess(tmp_path)
    executed = [row["idempotency_key"] for row in again.rows("/executions?kind=charge")]
    # All that were answered last, when the twin died, and some of the others.
    asked_again = [*list(answered)[:200], *list(answered)[-200:]]
    replayed = {key: again.charge(key, **{"metadata[event_id]": key}) for key in asked_again}
    resolved = [again.charge(key, **{"metadata[event_id]": key}) for key in unknown]
    after = [row["idempotency_key"] for row in again.rows("/executions?kind=charge")]
    balance = again.get("/v1/balance").json["pending"][0]["amount"]
    again.stop()

    assert set(answered) <= set(executed)
    assert set(executed) <= set(answered) | set(unknown)
    assert len(executed) == len(set(executed))
    assert all(answer.body == answered[key] for key, answer in replayed.items())
    assert all(answer.headers["Idempotent-Replayed"] == "true" for answer in replayed.values())
    assert all(answer.json["status"] == "succeeded" for answer in resolved)
    assert sorted(after) == sorted([*answered, *unknown])
    assert balance == len(after) * 1912
    assert_books_agree(tmp_path / "ledger.sqlite3")


def assert_books_agree(path: Path) -> None:
    """Executions, objects, events and saved answers tell one story, charge by charge."""
    database = sqlite3.connect(path)
    executed = set(database.execute("SELECT charge, payment_intent, amount FROM executions"))
    charges = set(
        database.execute(
            "SELECT id, payment_intent, json_extract(body, '$.amount') FROM objects "
            "WHERE kind = 'charge' AND json_extract(body, '$.status') = 'succeeded'"
        )
    )
    paid = {
        row[0]
        for row in database.execute(
            "SELECT id FROM objects WHERE kind = 'payment_intent' "
            "AND json_extract(body, '$.status') = 'succeeded'"
        )
    }
    told = [
        row[0]
        for row in database.execute(
            "SELECT object_id FROM events WHERE type = 'payment_intent.succeeded'"
        )
    ]
    saved = {row[0] for row in database.execute("SELECT json_extract(body, '$.id') FROM keys")}
    owned = database.execute("SELECT sum(net) FROM balances").fetchone()[0]
    moved = database.execute(
        "SELECT sum(json_extract(body, '$.net')) FROM objects WHERE kind = 'balance_transaction'"
    ).fetchone()[0]
    integrity = database.execute("PRAGMA integrity_check").fetchone()[0]
    database.close()
    assert executed == charges
    assert paid == {row[1] for row in executed}
    assert sorted(told) == sorted(paid)
    assert saved == paid
    assert owned == moved
    assert integrity == "ok"


def test_webhooks_that_were_not_acknowledged_come_after_a_crash(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.status = 500
    (tmp_path / "secret").write_text("whsec_suite\n")
    arguments = ("--endpoint", receiver.url, "--secret-file", str(tmp_path / "secret"))
    twin = TwinProcess(tmp_path / "twin", *arguments)
    made = twin.charge(new_key()).json
    eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "an attempt")
    twin.kill()
    receiver.received.clear()
    receiver.status = 200

    again = TwinProcess(tmp_path / "twin", *arguments)

    eventually(lambda: receiver.events("payment_intent.succeeded", made["id"]), "the event again")
    eventually(lambda: again.ask("GET", "/status")["webhooks_owed"] == 0, "nothing owed")
    again.stop()


def test_time_and_faults_survive_a_crash(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    twin.ask("POST", "/clock/advance", {"seconds": 90_000})
    twin.fault("reject", count=2)
    refused = twin.charge(new_key()).status
    parameters = {"payment_method": "pm_usBankAccount_success"}
    debit = {**parameters, "payment_method_types[]": "us_bank_account"}
    twin.kill()

    again = TwinProcess(tmp_path)
    statuses = [again.charge(new_key()).status for _ in range(2)]
    processing = again.charge(new_key(), **debit).json
    again.kill()
    third = TwinProcess(tmp_path)
    third.ask("POST", "/clock/advance", {"seconds": 10})

    def settled() -> bool:
        path = f"/v1/payment_intents/{processing['id']}"
        return bool(third.get(path).json["status"] == "succeeded")

    eventually(settled, "the debit that was planned before the crash")
    offset = third.ask("GET", "/clock")["offset_seconds"]
    third.stop()
    assert (refused, statuses) == (503, [503, 200])
    assert processing["status"] == "processing"
    assert offset == 90_010


def test_a_full_disk_stops_the_twin_and_nothing_answered_is_lost(tmp_path: Path) -> None:
    # A file may grow to 4 MiB and no further, which is a full disk as far as SQLite can tell.
    twin = TwinProcess(tmp_path, before=("bash", "-c", 'ulimit -f 4096; exec "$@"', "limited"))
    client = PayingClient(twin)

    client.start()
    client.join(timeout=60)
    code = twin.child.wait_end()
    again = TwinProcess(tmp_path)
    executed = {row["idempotency_key"] for row in again.rows("/executions?kind=charge")}
    again.stop()

    assert code == 1
    assert "the twin stops" in twin.log.read_text()
    assert len(client.answered) > 20
    assert set(client.answered) <= executed


def test_two_twins_never_share_a_ledger(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)

    with pytest.raises(AssertionError, match="another twin uses"):
        TwinProcess(tmp_path)

    twin.stop()


def test_history_cannot_be_revised(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    twin.charge(new_key())
    twin.stop()
    database = sqlite3.connect(tmp_path / "ledger.sqlite3")

    for statement in ("UPDATE executions SET amount = 1", "DELETE FROM requests"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)

    database.close()


def test_a_request_under_way_ends_before_a_stop(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    key = new_key()
    fault = twin.fault("slow", match={"key": key}, numbers={"seconds": 1})
    answers: list[int] = []
    client = threading.Thread(target=lambda: answers.append(twin.charge(key).status))
    client.start()
    eventually(lambda: twin.rows(f"/fault-hits?fault_id={fault}"), "the request is under way")

    code = twin.stop()
    client.join(timeout=60)

    assert (code, answers) == (0, [200])


# What a ledger was before it had sums of balances, numbers of changes and a version.
EARLIER = """
DROP INDEX objects_changed_idx;
ALTER TABLE objects DROP COLUMN changed;
DROP TABLE balances;
UPDATE objects SET body = json_set(body, '$.card', NULL, '$.sepa_debit', NULL)
    WHERE kind = 'payment_method';
UPDATE objects SET kind = 'customer' WHERE kind = 'deleted_customer';
PRAGMA user_version = 0;
"""


def test_a_ledger_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    twin = TwinProcess(tmp_path)
    twin.charge(new_key(), **{"metadata[a]": "b"})
    details = {"type": "us_bank_account", "us_bank_account[account_number]": "000123456789"}
    bank = twin.post("/v1/payment_methods", details).json["id"]
    gone = twin.post("/v1/customers").json["id"]
    twin.get(f"/v1/customers/{gone}", method="DELETE")
    before = twin.get("/v1/balance").json
    twin.stop()
    (tmp_path / "search.sqlite3").unlink(missing_ok=True)
    database = sqlite3.connect(tmp_path / "ledger.sqlite3")
    database.executescript(EARLIER)
    database.close()

    again = TwinProcess(tmp_path)
    paid = {"payment_method": bank, "payment_method_types[]": "us_bank_account"}
    debit = again.charge(new_key(), **paid)
    again.ask("POST", "/clock/advance", {"seconds": 61})
    found = again.get("/v1/payment_intents/search", query="metadata['a']:'b'").json["data"]
    after = again.get("/v1/balance").json
    customers = again.get("/v1/customers").json["data"]
    again.stop()

    assert debit.status == 200, debit.body
    assert len(found) == 1
    assert after["pending"][0]["amount"] >= before["pending"][0]["amount"] == 1912
    assert customers == []
