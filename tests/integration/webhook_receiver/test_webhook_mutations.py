"""Mutated webhooks against the real receiver, half of them signed again after the mutation.

Whatever is sent, the answer is one of a few; what is accepted has a signature that an HMAC made
here agrees with; what is refused leaves no row.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookpayctl.clients.raw_http import exchange
from bookpayctl.forgery.case import ForgeryInput, Post, encode
from tests.support.processes import ServiceProcess, running
from tests.support.services_alone import receiver_alone
from tests.support.signing import signature
from tests.support.stack import WEBHOOK_SECRET, Database

# No 5xx at all: the database is there, so not even a 503 has a reason.
ALLOWED = {200, 400, 413, 415, 431}
SEED = json.dumps(
    {
        "id": "evt_seed",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": {"id": "pi_seed", "metadata": {"event_id": "x"}, "amount": 1}},
    }
).encode()


@pytest.fixture(scope="module")
def own(create_database: Callable[..., str]) -> Iterator[Database]:
    fresh = Database(create_database())
    yield fresh
    fresh.conn.close()


@pytest.fixture(scope="module")
def receiver(own: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(receiver_alone(own.dsn, tmp_path_factory.mktemp("receiver"))) as service:
        yield service


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = ("id", "object", "type", "livemode", "account", "api_version", "request", "data")


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """A good event with an id of its own, up to two of its fields replaced by anything."""
    changes = draw(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=2))
    document = {**json.loads(SEED), "id": f"evt_{uuid4().hex}", **changes}
    return json.dumps(document).encode("utf-8", "surrogatepass")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A seed with bytes changed, an event with odd fields, any JSON, or anything at all."""
    match draw(st.integers(0, 3)):
        case 0:
            body = bytearray(SEED)
            for _ in range(draw(st.integers(1, 6))):
                at = draw(st.integers(0, len(body) - 1))
                body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
            return bytes(body)
        case 1:
            return draw(events())
        case 2:
            return json.dumps(draw(json_values)).encode("utf-8", "surrogatepass")
        case _:
            return draw(st.binary(max_size=200))


@st.composite
def headers(draw: st.DrawFn, body: bytes) -> bytes:
    """A sound signature over the mutated body, or a mutated one, or one for another body."""
    good = sound(body)
    if draw(st.booleans()):
        return good
    changed = bytearray(sound(draw(st.sampled_from([body, SEED]))))
    at = draw(st.integers(0, len(changed) - 1))
    # Line ends would end the header itself; what may follow them has cases of its own.
    changed[at : at + draw(st.integers(0, 3))] = re.sub(rb"[\r\n\x00]", b"", draw(st.binary()))
    return bytes(changed)


def sound(body: bytes) -> bytes:
    return signature(body, secret=WEBHOOK_SECRET).encode()


def agrees(header: bytes, body: bytes) -> bool:
    """Whether a v1 in this header is the HMAC over its t and this body; written for this test."""
    fields = [item.split(b"=", 1) for item in header.strip().split(b",") if b"=" in item]
    stamps = [value for name, value in fields if name == b"t"]
    signatures = {value for name, value in fields if name == b"v1"}
    return len(stamps) == 1 and mac(stamps[0], body) in signatures


def mac(stamp: bytes, body: bytes) -> bytes:
    return (
        hmac.new(WEBHOOK_SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest().encode()
    )


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_mutated_webhook_is_accepted_only_with_a_signature_that_agrees(
    receiver: ServiceProcess, own: Database, data: st.DataObject
) -> None:
    body = data.draw(bodies())
    header = data.draw(headers(body))
    material = ForgeryInput(
        WEBHOOK_SECRET, int(time.time()), f"127.0.0.1:{receiver.port}", "/stripe/webhook"
    )
    before = count(own)

    heard = exchange("127.0.0.1", receiver.port, encode(material, Post(body, (header,))))

    assert heard.status in ALLOWED, heard
    if heard.status == 200:
        assert agrees(header, body)
    else:
        assert count(own) == before
        assert set(json.loads(heard.body)) == {"error"}


def count(database: Database) -> tuple[int, int, int]:
    (row,) = database.rows(
        "SELECT (SELECT count(*) FROM stripe_events), (SELECT count(*) FROM webhook_quarantine),"
        " (SELECT count(*) FROM webhook_parked)"
    )
    return row[0], row[1], row[2]


def test_the_mutations_reached_both_sides_of_the_door(
    receiver: ServiceProcess, own: Database
) -> None:
    """A generator that only makes refusals, or only acceptances, would have shown nothing."""
    stored, quarantined, _ = count(own)

    # Which mutations come is chance; a dozen or more on each side is usual, a handful was seen.
    assert stored > 0
    assert quarantined > 0
    assert "Traceback" not in receiver.log
