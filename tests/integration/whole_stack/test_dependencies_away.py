"""A database that is away, a secret that is rotated, a lock somebody holds: said, and survived."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from runtime.adapters.store.orders import try_hold_client_key
from runtime.domain.names import TenantId
from runtime.sql import migrate
from tests.support.http_client import http
from tests.support.processes import ROOT, ServiceProcess, running
from tests.support.servers import running_servers
from tests.support.services_alone import orders_alone, receiver_alone
from tests.support.stack import Database, Shop, connect
from tests.support.waiting import eventually
from tests.support.webhooks import encoded, post_webhook

Start = Callable[[ServiceProcess], ServiceProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts one service on its own and waits until it is ready; stops it at the end."""
    with ExitStack() as started:
        yield lambda service: started.enter_context(running(service))


def test_while_the_database_is_away_a_webhook_is_told_to_come_again_and_never_received(
    tmp_path: Path, start: Start
) -> None:
    body = encoded()
    with running_servers(tmp_path / "first", with_kafka=False) as servers:
        migrate(servers.dsn)
        receiver = start(receiver_alone(servers.dsn, tmp_path))
    away = post_webhook(receiver, body)

    with (
        running_servers(tmp_path / "first", with_kafka=False) as servers,
        psycopg.connect(servers.dsn) as conn,
    ):
        stored = conn.execute("SELECT count(*) FROM bookstore_platform.stripe_events").fetchone()

    assert (away.status, away.body) == (503, b'{"error":"temporarily unavailable"}')
    assert away.headers["Retry-After"] == "1"
    assert stored == (0,)


def test_a_rotated_signing_secret_is_believed_without_a_restart(
    database: Database, tmp_path: Path, start: Start
) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_old")
    receiver = start(receiver_alone(database.dsn, tmp_path, STRIPE_WEBHOOK_SECRET_FILE=str(file)))
    before = statuses_of(receiver, "whsec_old", "whsec_new")

    file.write_text("whsec_new\nwhsec_old\n")
    during = statuses_of(receiver, "whsec_old", "whsec_new")
    file.write_text("whsec_new\n")
    after = statuses_of(receiver, "whsec_old", "whsec_new")

    assert (before, during, after) == ([200, 400], [200, 200], [400, 200])


def statuses_of(receiver: ServiceProcess, *secrets: str) -> list[int]:
    """What fresh events get, one signed with each of these secrets."""
    return [post_webhook(receiver, encoded(), secret=secret).status for secret in secrets]


@pytest.mark.parametrize(
    ("service", "variables", "named"),
    [
        ("payments-webhook-receiver", {"STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET"),
        (
            "payments-gateway",
            {"STRIPE_API_KEY": "sk_" + "live_x", "GATEWAY_TOKEN": "t"},
            "STRIPE_API_KEY",
        ),
    ],
)
def test_a_service_with_a_dangerous_setting_does_not_start(
    service: str, variables: dict[str, str], named: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "runtime", service],
        env={"PATH": os.environ["PATH"], "DB_DSN": "postgresql://nowhere", **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_orders_are_refused_while_the_database_is_away(tmp_path: Path, start: Start) -> None:
    with running_servers(tmp_path / "first", with_kafka=False) as servers:
        migrate(servers.dsn)
        api = start(orders_alone(servers.dsn, tmp_path))

    answer = http.request("GET", f"{api.url}/orders/x", headers={"Authorization": "Bearer t"})

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert b'"code": "unavailable"' in answer.body
    eventually(lambda: api.readiness() == {"database": False}, "it is not ready")


def test_a_key_whose_first_request_is_still_under_way_is_refused(shop: Shop) -> None:
    key = uuid4().hex
    with connect(shop.database.dsn) as first, first.transaction():
        held = try_hold_client_key(first, TenantId(shop.tenant_id), key)
        answer = shop.post(shop.body(), key)

    assert held
    assert (answer.status, answer.json["code"]) == (409, "key_in_progress")
    assert shop.post(shop.body(), key).status == 201
