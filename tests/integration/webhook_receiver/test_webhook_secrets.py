"""Signing secrets that change under load, or change into something that is none."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.adapters.store import webhooks
from tests.support.processes import ServiceProcess, running
from tests.support.services_alone import receiver_alone
from tests.support.stack import Database
from tests.support.waiting import eventually
from tests.support.webhooks import encoded, post_webhook


def receiver_reading(file: Path, database: Database) -> ServiceProcess:
    """A receiver that takes its signing secrets from this file."""
    return receiver_alone(database.dsn, file.parent, STRIPE_WEBHOOK_SECRET_FILE=str(file))


def post(receiver: ServiceProcess, secret: str) -> int:
    """The status of a fresh event that is signed with this secret."""
    return post_webhook(receiver, encoded(), secret=secret).status


def replace(file: Path, text: bytes) -> None:
    """A reader sees the old file or the new one, as with a mounted Kubernetes secret."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(text)
    os.replace(fresh, file)


def warnings(receiver: ServiceProcess) -> list[str]:
    lines = [json.loads(line) for line in receiver.log.splitlines()]
    return [line["msg"] for line in lines if line["level"] != "INFO"]


def wait_for_answer(receiver: ServiceProcess, secret: str, status: int) -> None:
    eventually(
        lambda: post(receiver, secret) == status, f"an event signed with {secret} gets {status}"
    )


def wait_for_events(database: Database, *, more: int) -> None:
    wanted = stored_events(database) + more
    eventually(lambda: stored_events(database) > wanted, "events flow")


def stored_events(database: Database) -> int:
    return int(database.value("SELECT count(*) FROM stripe_events"))


def test_a_rotation_under_load_refuses_no_good_event(database: Database, tmp_path: Path) -> None:
    """Three rotations, each with a time of two secrets; Stripe signs with one that is active."""
    file = tmp_path / "secret"
    file.write_bytes(b"whsec_0")
    signing, stop = ["whsec_0"], threading.Event()

    def send_until_stopped() -> list[int]:
        statuses = []
        while not stop.is_set():
            statuses.append(post(receiver, signing[0]))
        return statuses

    with (
        running(receiver_reading(file, database)) as receiver,
        ThreadPoolExecutor(4) as threads,
    ):
        senders = [threads.submit(send_until_stopped) for _ in range(4)]
        try:
            for n in range(3):
                old, new = f"whsec_{n}", f"whsec_{n + 1}"
                replace(file, f"{old}\n{new}\n".encode())
                wait_for_answer(receiver, new, 200)
                signing[0] = new
                # What was signed with the old one is on its way for less than a request takes.
                wait_for_events(database, more=20)
                replace(file, f"{new}\n".encode())
                wait_for_answer(receiver, old, 400)
        finally:
            stop.set()
        statuses = [status for sender in senders for status in sender.result()]

    assert set(statuses) == {200}
    assert len(statuses) > 60


@pytest.mark.parametrize(
    "broken", [b"", b"\n", b"whsec_new,\n", b"\xff\xfe"], ids=["empty", "blank", "half", "bytes"]
)
def test_a_rotation_that_goes_wrong_keeps_the_last_secrets_and_says_so_once(
    database: Database, tmp_path: Path, broken: bytes
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"whsec_old")
    with running(receiver_reading(file, database)) as receiver:
        replace(file, broken)
        during = [post(receiver, "whsec_old") for _ in range(20)]
        forged = [post(receiver, secret) for secret in ("", "whsec_new", "\ufffd\ufffd")]
        said = warnings(receiver)
        replace(file, b"whsec_new")
        after = [post(receiver, secret) for secret in ("whsec_old", "whsec_new")]

    assert during == [200] * 20
    assert forged == [400] * 3
    assert len(said) == 1
    assert "signing secret" in said[0]
    assert after == [400, 200]
    assert "Traceback" not in receiver.log
    assert "whsec_" not in receiver.log


@pytest.mark.parametrize("broken", [b"", b"\xff\xfe", b"a,,b"], ids=["empty", "bytes", "half"])
def test_a_receiver_without_a_sound_secret_does_not_start(
    database: Database, tmp_path: Path, broken: bytes
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(broken)
    service = receiver_reading(file, database)

    status = service.start().wait_end()

    assert status == 2
    assert "STRIPE_WEBHOOK_SECRET" in service.log
    assert "Traceback" not in service.log


def test_the_age_of_an_early_webhook_is_the_environments(
    database: Database, tmp_path: Path
) -> None:
    """A drill that moves a day moves the window of early events too, and not their birthday."""
    database.run("""UPDATE environment_clock SET "offset" = interval '1 day'""")
    body = encoded(
        type="payment_intent.succeeded",
        data={
            "object": {
                "id": "pi_1",
                "object": "payment_intent",
                "amount": 100,
                "currency": "usd",
                "metadata": {"event_id": "11111111-2222-4333-8444-555555555555"},
            }
        },
    )
    with running(receiver_alone(database.dsn, tmp_path)) as receiver:
        answer = post_webhook(receiver, body)

    ages = database.rows(
        "SELECT extract(epoch FROM environment_now() - parked_at),"
        " extract(epoch FROM environment_now() - next_attempt_at) FROM webhook_parked"
    )
    assert answer.status == 200
    assert [(0 <= age < 60, 0 <= due < 60) for age, due in ages] == [(True, True)]


def test_a_reader_of_early_webhooks_measures_by_the_environments_clock(
    database: Database,
) -> None:
    database.run(
        "INSERT INTO stripe_events (event_id, type, body) VALUES ('evt_1', 'x', '\\x7b7d')"
    )
    with database.conn.transaction():
        webhooks.keep_early(database.conn, "evt_1", None, "early")
    database.run("""UPDATE environment_clock SET "offset" = interval '1 hour'""")

    with database.conn.transaction():
        (early,) = webhooks.claim_early(database.conn, limit=10)

    assert 3600 <= early.age_seconds < 4200
