"""The chapter's hands-on commands, typed into a shell beside a stack: sections 3 to 6.

With our paths and our image. What it calls a placeholder is filled with what this stack has, so
that it goes on as before; stripe-mock stands in for nothing here, because it keeps no ledger.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.targets.servers.postgres import wheel_installation
from tests.support.cluster import UP_SECONDS_MAX, TestCluster, run_long
from tests.support.command_line import CommandLine
from tests.support.manifests.rendering import MANIFESTS
from tests.support.processes import Child, free_port
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on the PATH"),
    pytest.mark.timeout(900),
]

SPACE: Final = "bookstore-platform-payments"
EVENT: Final = "11111111-1111-1111-1111-111111111111"
DEPLOYMENTS: Final = (
    *("outbox-publisher", "payments-worker"),
    *("payments-webhook-receiver", "payments-gateway"),
)
SECONDS_MAX: Final = 300
GONE_SECONDS_MAX: Final = 120.0
LIST: Final = f"kubectl -n {SPACE} set env deployment/payments-gateway --list"

PLACE_ORDER: Final = f"""psql "$DB_DSN" <<'SQL'
BEGIN;
INSERT INTO orders (id, tenant_id, total_cents, currency, status)
VALUES ('order-001', 'acme-books', 4999, 'usd', 'pending');

INSERT INTO bookstore_platform.outbox
  (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)
VALUES
  ('{EVENT}', 'orders', 'order-001',
   'OrderPlaced',
   '{{"event_id":"{EVENT}","order_id":"order-001","amount_cents":4999,"currency":"usd","customer_id":"cust_demo"}}'::jsonb,
   'acme-books');
COMMIT;
SQL
"""


PUBLISHED: Final = f"SELECT published_at FROM bookstore_platform.outbox WHERE event_id = '{EVENT}'"
STATUS: Final = "SELECT status FROM orders WHERE id = 'order-001'"


@dataclass(frozen=True)
class Shell:
    """Where the commands are typed."""

    variables: dict[str, str]
    folder: Path

    def type(self, line: str) -> str:
        """What a line prints; it must end well."""
        done = subprocess.run(
            ["/bin/bash", "-c", f"set -o pipefail; {line}"],
            env={**os.environ, **self.variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def shell(
    cluster: TestCluster, in_cluster: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """A shell in a folder with our manifests; afterwards `up` has the stack as it was."""
    folder = tmp_path_factory.mktemp("chapter")
    shutil.copytree(MANIFESTS, folder / "manifests")
    for file in (folder / "manifests" / "base").glob("*.yaml"):
        file.write_text(file.read_text().replace("bookpay:dev", cluster.image))
    programs = wheel_installation() / "bin"
    path = cluster.variables.get("PATH", os.environ["PATH"])
    yield Shell({**cluster.variables, "PATH": f"{path}:{programs}"}, folder)
    up = ("up", "--on", "kube", "--image", cluster.image, "--timeout", f"{UP_SECONDS_MAX}s")
    again = run_long(in_cluster, *up)
    assert again.returncode == 0, again.stderr


@contextmanager
def forwarded(shell: Shell, service: str, port: int) -> Iterator[int]:
    """`kubectl port-forward` to a service, in the background as it is typed."""
    local = free_port()
    words = ["kubectl", "-n", SPACE, "port-forward", f"svc/{service}", f"{local}:{port}"]
    # A log of its own: what an earlier one said is no word of this one.
    child = Child(f"forward-{service}", shell.folder / f"forward-{service}-{local}.log")
    child.launch(words, {**os.environ, **shell.variables})
    try:
        eventually(lambda: "Forwarding from" in child.log, lambda: child.log)
        yield local
    finally:
        child.stop()


def test_section_3_secrets_are_made_and_the_gateway_is_told_where_stripe_is(shell: Shell) -> None:
    for name, key in (("stripe-api-key", "api-key"), ("stripe-webhook-secret", "webhook-secret")):
        shell.type(
            f"VALUE=$(kubectl -n {SPACE} get secret {name} -o jsonpath='{{.data.{key}}}'"
            " | base64 -d) &&"
            f' kubectl -n {SPACE} create secret generic {name} --from-literal={key}="$VALUE"'
            " --dry-run=client -o yaml | kubectl apply -f -"
        )
    base = shell.type(f"{LIST} | sed -n 's/^STRIPE_API_BASE=//p'").strip()
    assert base

    shell.type(f'kubectl -n {SPACE} set env deployment/payments-gateway STRIPE_API_BASE="{base}"')

    assert f"STRIPE_API_BASE={base}" in shell.type(LIST)


def test_section_4_each_file_is_applied_and_rolls_out(shell: Shell) -> None:
    for name in DEPLOYMENTS:
        shell.type(f"kubectl apply -f manifests/base/{name}.yaml")

    for name in DEPLOYMENTS:
        shell.type(f"kubectl -n {SPACE} rollout status deployment/{name} --timeout=240s")
    # One on its way out still works, and what it says goes with it.
    leaving = "'{.items[*].metadata.deletionTimestamp}'"
    eventually(
        lambda: not shell.type(f"kubectl -n {SPACE} get pods -o jsonpath={leaving}").strip(),
        "the pods of before are gone",
        GONE_SECONDS_MAX,
    )
    # Where Stripe is was said before, and still counts.
    assert re.search("^STRIPE_API_BASE=http", shell.type(LIST), re.MULTILINE)


def test_section_5_an_order_written_by_hand_is_paid(shell: Shell) -> None:
    with forwarded(shell, "postgres", 5432) as port:
        dsn = shell.type(
            f"kubectl -n {SPACE} get secret bookpay-database -o jsonpath='{{.data.dsn}}'"
            f" | base64 -d | sed 's#@[^/]*#@127.0.0.1:{port}#'"
        )
        typing = Shell({**shell.variables, "DB_DSN": dsn}, shell.folder)
        typing.type(PLACE_ORDER)

        published = eventually(lambda: answer(typing, PUBLISHED), "its event is published")
        status = eventually(
            lambda: "" if (now := answer(typing, STATUS)) == "pending" else now, "it is settled"
        )

    assert published
    assert status == "paid"
    # The kubelet writes a line some time after it was said.
    logs = f"kubectl -n {SPACE} logs -l app=payments-worker --tail=400"
    assert eventually(lambda: EVENT in shell.type(logs), "a worker said so")


def answer(shell: Shell, statement: str) -> str:
    return shell.type(f'psql "$DB_DSN" -Atc "{statement}"').strip()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", '{"error":"missing stripe-signature header"}'),
        ('-H "Stripe-Signature: t=1700000000,v1=deadbeef"', '{"error":"invalid signature"}'),
    ],
    ids=["unsigned", "forged"],
)
def test_section_6_a_webhook_that_nobody_signed_is_refused(
    shell: Shell, header: str, expected: str
) -> None:
    with forwarded(shell, "payments-webhook-receiver", 8080) as port:
        said = shell.type(
            f'curl -s -X POST {header} -H "Content-Type: application/json"'
            ' -d \'{"type":"payment_intent.succeeded"}\''
            f" http://localhost:{port}/stripe/webhook"
        )

    assert said == expected
