"""Programs nobody here wrote: stripe-node and the Stripe CLI, unmodified, against the twin.

They are installed from npm outside the repository, once, into a cache directory; without node or
npm, or without a registry, these tests are skipped and say why.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.twin import API_KEY, TwinProcess, new_key
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import Receiver

PACKAGES = ("stripe@23.1.0", "@stripe/cli@1.52.0")
INSTALL_SECONDS_MAX = 240
# Every event of the CLI that touches nothing but what the twin has.
TRIGGERS = (
    "balance.available",
    *(f"charge.{name}" for name in ("captured", "failed", "refunded", "succeeded")),
    *("charge.refund.updated", "charge.dispute.closed"),
    *("charge.dispute.created", "charge.dispute.updated"),
    *(f"customer.{name}" for name in ("created", "deleted", "updated")),
    *("customer.source.created", "customer.source.updated"),
    *("payment_intent.amount_capturable_updated", "payment_intent.canceled"),
    *("payment_intent.created", "payment_intent.payment_failed", "payment_intent.processing"),
    *("payment_intent.partially_funded", "customer_cash_balance_transaction.created"),
    *("payment_intent.requires_action", "payment_intent.succeeded"),
    *("payment_method.attached", "payment_method.detached", "payment_method.updated"),
    *(
        f"setup_intent.{name}"
        for name in ("canceled", "created", "requires_action", "setup_failed", "succeeded")
    ),
)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A folder with the packages, made once per machine; skips when that cannot be."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not installed")
    folder = Path(tempfile.gettempdir()) / f"bookpay-npm-{os.getuid()}"
    marker = folder / "installed"
    if not marker.exists() or marker.read_text() != " ".join(PACKAGES):
        folder.mkdir(exist_ok=True)
        try:
            done = subprocess.run(
                [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", *PACKAGES],
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install {PACKAGES} within {INSTALL_SECONDS_MAX} s")
        if done.returncode != 0:
            pytest.skip(f"npm cannot install {PACKAGES}: {done.stderr[-300:]}")
        marker.write_text(" ".join(PACKAGES))
    return folder / "node_modules"


def run_node(node_modules: Path, script: str, *arguments: str) -> Any:
    """The JSON that a script prints."""
    done = subprocess.run(
        ["node", "-e", script, *arguments],
        cwd=node_modules.parent,
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(node_modules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CLIENT = """
const Stripe = require('stripe');
const [port, key] = process.argv.slice(1);
const stripe = new Stripe('sk_test_node', {host: '127.0.0.1', port, protocol: 'http',
                                           telemetry: false, maxNetworkRetries: 0});
const card = {amount: 1500, currency: 'usd', confirm: true, payment_method: 'pm_card_visa',
              payment_method_types: ['card'], metadata: {event_id: key}};
(async () => {
  const out = {};
  const first = await stripe.paymentIntents.create(card, {idempotencyKey: key});
  const second = await stripe.paymentIntents.create(card, {idempotencyKey: key});
  out.same = first.id === second.id;
  out.replayed = second.lastResponse.headers['idempotent-replayed'];
  out.status = first.status;
  try { await stripe.paymentIntents.create({...card, amount: 1}, {idempotencyKey: key}); }
  catch (error) { out.mismatch = error.type; }
  try { await stripe.paymentIntents.create({...card,
          payment_method: 'pm_card_visa_chargeDeclined'}); }
  catch (error) { out.declined = [error.type, error.code, error.decline_code,
                                  error.payment_intent.status]; }
  const refund = await stripe.refunds.create({payment_intent: first.id, amount: 500});
  out.refund = refund.status;
  out.listed = [];
  for await (const intent of stripe.paymentIntents.list({limit: 1})) out.listed.push(intent.id);
  out.listed = out.listed.length;
  const full = await stripe.paymentIntents.retrieve(first.id, {expand: ['latest_charge']});
  out.refunded = full.latest_charge.amount_refunded;
  console.log(JSON.stringify(out));
})().catch(error => { console.error(error); process.exit(1); });
"""


def test_stripe_node_pays_replays_and_refunds(twin: TwinProcess, node_modules: Path) -> None:
    out = run_node(node_modules, CLIENT, twin.api.rsplit(":", 1)[1], new_key())

    assert out == {
        "same": True,
        "replayed": "true",
        "status": "succeeded",
        "mismatch": "StripeIdempotencyError",
        "declined": [
            "StripeCardError",
            "card_declined",
            "generic_decline",
            "requires_payment_method",
        ],
        "refund": "succeeded",
        "listed": 2,
        "refunded": 500,
    }


VERIFIER = """
const stripe = require('stripe')('sk_test_node');
const [body, header, secret] = process.argv.slice(1);
const event = stripe.webhooks.constructEvent(Buffer.from(body, 'base64'), header, secret);
let wrong;
try { stripe.webhooks.constructEvent(Buffer.from(body, 'base64'), header, 'whsec_other'); }
catch (error) { wrong = error.type; }
console.log(JSON.stringify({type: event.type, id: event.data.object.id, wrong}));
"""


def test_stripe_node_verifies_a_webhook(
    hooked: TwinProcess, receiver: Receiver, node_modules: Path
) -> None:
    made = hooked.charge(new_key()).json
    received = eventually(lambda: receiver.events("payment_intent.succeeded"), "the event")[0]

    out = run_node(
        node_modules,
        VERIFIER,
        base64.b64encode(received.body).decode(),
        received.headers["Stripe-Signature"],
        "whsec_suite",
    )

    assert out == {
        "type": "payment_intent.succeeded",
        "id": made["id"],
        "wrong": "StripeSignatureVerificationError",
    }


def trigger(
    twin: TwinProcess, node_modules: Path, home: Path, event_type: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(node_modules / ".bin" / "stripe"),
            *("trigger", event_type, "--api-base", twin.api),
            *("--api-key", API_KEY),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "STRIPE_CLI_TELEMETRY_OPTOUT": "true",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("event_type", TRIGGERS)
def test_the_stripe_cli_triggers_an_event(
    twin: TwinProcess, node_modules: Path, tmp_path: Path, event_type: str
) -> None:
    done = trigger(twin, node_modules, tmp_path, event_type)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trigger succeeded!" in done.stdout + done.stderr
    assert twin.get("/v1/events", type=event_type, limit=1).json["data"]


@pytest.mark.parametrize("event_type", ["product.created", "account.updated", "payout.created"])
def test_a_trigger_of_what_the_twin_has_not_ends_with_stripes_404(
    twin: TwinProcess, node_modules: Path, tmp_path: Path, event_type: str
) -> None:
    done = trigger(twin, node_modules, tmp_path, event_type)

    assert done.returncode != 0
    assert "Unrecognized request URL (POST: /v1/" in done.stdout + done.stderr
    assert "Traceback" not in twin.log.read_text()
