"""Every webhook an honest or a hostile sender may bring, W01 to W44, as one table.

The requests are made by `bookpayctl.forgery`; the answers below are written by hand from the
design's table. Each request goes over a plain socket to the real receiver on a database of its
own, which is read whole before and after: whatever is refused has changed nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from bookpayctl.clients.raw_http import RawAnswer, exchange
from bookpayctl.forgery import CASES
from bookpayctl.forgery.case import ForgedPayment, ForgeryInput, RowsLeft, Variant, encoded, honest
from tests.support.processes import ServiceProcess, running
from tests.support.servers import Servers
from tests.support.services_alone import receiver_alone
from tests.support.stack import ENVIRONMENT, PRICE_CENTS, WEBHOOK_SECRET, Database, connect
from tests.support.waiting import PATIENCE_SECONDS, eventually

OK = (200, b'{"received":true}')
MISSING = (400, b'{"error":"missing stripe-signature header"}')
INVALID = (400, b'{"error":"invalid signature"}')
TOLERANCE = (400, b'{"error":"timestamp outside tolerance"}')
BODY = (400, b'{"error":"invalid body"}')
LARGE = (413, b'{"error":"body too large"}')
HEADERS = (431, b'{"error":"header fields too large"}')
SLOW = (408, b'{"error":"request timeout"}')
METHOD = (405, b'{"error":"method not allowed"}')
PATH = (404, b'{"error":"not found"}')
TYPE = (415, b'{"error":"unsupported media type"}')
AWAY = (503, b'{"error":"temporarily unavailable"}')

Answer = tuple[int, bytes]
# stripe_events, webhook_quarantine, webhook_parked: rows an accepted request adds.
Rows = tuple[int, int, int]

# What every variant of a case must be answered with.
TABLE: dict[str, Answer] = {
    "W01": MISSING,
    "W02": MISSING,
    **dict.fromkeys(("W03", "W04", "W05", "W06", "W07", "W08", "W09", "W10"), INVALID),
    "W11": TOLERANCE,
    "W12": OK,
    "W13": TOLERANCE,
    "W14": INVALID,
    "W15": OK,
    "W16": INVALID,
    "W17": INVALID,
    "W18": OK,
    "W19": OK,
    "W20": METHOD,
    "W21": TYPE,
    **dict.fromkeys(("W23", "W24", "W25", "W26", "W27", "W28"), INVALID),
    **dict.fromkeys(("W29", "W30", "W32", "W33", "W34"), BODY),
    **dict.fromkeys(("W31", "W35", "W36", "W37", "W38", "W39", "W40", "W41", "W42"), OK),
    "W43": AWAY,
    "W44": BODY,
}

# Where one variant differs from its case. The reference leaves a choice in some; this is ours.
EXCEPTIONS: dict[tuple[str, str], Answer] = {
    ("W13", "299 s ahead"): OK,
    ("W16", "of 64 KiB"): HEADERS,
    ("W16", "with 10,000 items"): HEADERS,
    ("W20", "HEAD"): (405, b""),
    ("W21", "a charset beside the type"): OK,
    ("W22", "one byte over 1 MiB"): LARGE,
    ("W22", "1 TiB declared, nothing sent"): LARGE,
    ("W22", "chunks without end"): LARGE,
    ("W22", "more declared than sent, then closed"): BODY,
    ("W22", "less declared than sent"): INVALID,
    ("W22", "a negative length"): BODY,
    ("W22", "two lengths that differ"): BODY,
    ("W22", "a byte a second"): SLOW,
    ("W22", "a head and nothing more"): SLOW,
    ("W22", "half a head"): SLOW,
    ("W44", "another host"): PATH,
}


def answer_to(case_id: str, name: str) -> Answer:
    """The one right answer to a variant of a case."""
    if case_id == "W44" and name.startswith("the path "):
        return PATH
    return EXCEPTIONS.get((case_id, name)) or TABLE[case_id]


# What an accepted request adds, by case; one stored event where nothing is said.
ADDED: dict[str, Rows] = {
    "W19": (1, 1, 0),
    "W31": (0, 1, 0),
    "W35": (0, 1, 0),
    "W36": (0, 1, 0),
    "W37": (0, 0, 0),
    "W39": (1, 1, 0),
    "W40": (1, 1, 0),
    "W41": (1, 1, 0),
}
ADDED_EXCEPTIONS: dict[tuple[str, str], Rows] = {
    ("W35", "a quoted escape"): (1, 0, 0),
    ("W41", "a payment not here yet"): (1, 0, 1),
}

# Why an accepted request is in quarantine.
REASONS: dict[str, str] = {
    "the same id, another body": "same_id_other_body",
    **dict.fromkeys(("[]", "null", "a number", "a text", "true"), "not_an_object"),
    **dict.fromkeys(("NUL", "half a surrogate pair"), "unstorable_text"),
    **dict.fromkeys(("no id", "an id that is none"), "no_event_id"),
    **dict.fromkeys(("no type", "another object"), "not_an_event"),
    **dict.fromkeys(("no data", "no object in data"), "no_object"),
    **dict.fromkeys(("live mode", "no word on live mode"), "livemode"),
    "another account": "other_account",
    "a version before PaymentIntents": "api_version",
    "a version that is none": "api_version",
    **dict.fromkeys(("a cent less", "nothing", "the amount as text"), "amount"),
    **dict.fromkeys(
        ("a part received", "nothing received", "no word on what was received"), "amount_received"
    ),
    "a status that is none": "status",
    "live money inside": "livemode",
    **dict.fromkeys(("another currency", "the currency in capitals"), "currency"),
    "another PaymentIntent": "other_payment_intent",
    "another environment": "other_environment",
    "no metadata of ours": "not_ours",
    "an event_id that is none": "not_ours",
}

TABLES = (
    *("orders", "inventory", "outbox", "payments", "payment_events", "refunds"),
    *("stripe_events", "webhook_quarantine", "webhook_parked", "dead_letters"),
    *("outside_refunds", "disputes"),
)


@pytest.fixture(scope="module")
def shop_database(create_database: Callable[..., str]) -> Iterator[Database]:
    fresh = Database(create_database())
    yield fresh
    fresh.conn.close()


@pytest.fixture(scope="module")
def receiver(
    shop_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    with running(receiver_alone(shop_database.dsn, tmp_path_factory.mktemp("receiver"))) as service:
        yield service


@pytest.fixture(scope="module")
def payment(shop_database: Database) -> ForgedPayment:
    """A refunded payment: the end of every story, which no news may take back."""
    known = ForgedPayment(str(uuid4()), f"pi_{uuid4().hex}", PRICE_CENTS, "usd", ENVIRONMENT)
    shop_database.run(
        "INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,"
        " payment_intent_id) VALUES (%s, 'ord_1', 'acme', %s, 'usd', 'refunded', %s)",
        *(known.event_id, known.amount_cents, known.payment_intent_id),
    )
    return known


def material(receiver: ServiceProcess, payment: ForgedPayment) -> ForgeryInput:
    return ForgeryInput(
        WEBHOOK_SECRET, int(time.time()), f"127.0.0.1:{receiver.port}", "/stripe/webhook", payment
    )


def contents(database: Database) -> dict[str, tuple[int, str]]:
    """Every row of every table that a webhook could reach: how many, and a digest of them."""
    return {
        table: database.rows(
            f"SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
            f" FROM {table} t"
        )[0]
        for table in TABLES
    }


def added(before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]) -> Rows:
    """How many rows the three webhook tables have gained."""
    events, quarantined, parked = (
        after[table][0] - before[table][0]
        for table in ("stripe_events", "webhook_quarantine", "webhook_parked")
    )
    return events, quarantined, parked


def reason_of(database: Database, body: bytes) -> str:
    reason: str = database.value(
        "SELECT reason FROM webhook_quarantine WHERE body = %s ORDER BY id DESC LIMIT 1", body
    )
    return reason


def send(receiver: ServiceProcess, variant: Variant) -> RawAnswer:
    for earlier in variant.before:
        first = exchange("127.0.0.1", receiver.port, earlier)
        assert (first.status, first.body) == OK
    return exchange("127.0.0.1", receiver.port, variant.request)


def variants() -> list[tuple[str, str]]:
    """Every case and variant by name; each is built anew, with the time of its own sending."""
    sample = ForgeryInput("whsec_x", 1_760_000_000, "127.0.0.1:1", "/stripe/webhook")
    lied_about = replace(sample, payment=ForgedPayment(str(uuid4()), "pi_1", 100, "usd", "x"))
    return [
        (case.id, variant.name)
        for case in CASES
        if case.needs != "outage"
        for variant in case.variants(lied_about)
    ]


VARIANTS = variants()


def test_the_table_has_every_case_of_the_reference() -> None:
    assert [case.id for case in CASES] == [f"W{n:02}" for n in range(1, 45)]
    assert {case for case, _ in VARIANTS} == {case.id for case in CASES} - {"W43"}
    assert len(VARIANTS) == len(set(VARIANTS))


@pytest.mark.parametrize(("case_id", "name"), VARIANTS, ids=[" ".join(v) for v in VARIANTS])
def test_a_webhook_gets_its_exact_answer_and_changes_nothing_unless_it_is_accepted(
    receiver: ServiceProcess,
    shop_database: Database,
    payment: ForgedPayment,
    case_id: str,
    name: str,
) -> None:
    (case,) = (case for case in CASES if case.id == case_id)
    (variant,) = (v for v in case.variants(material(receiver, payment)) if v.name == name)
    before = contents(shop_database)

    heard = send(receiver, variant)

    after = contents(shop_database)
    assert heard.status is not None, heard
    assert (heard.status, heard.body) == answer_to(case_id, name)
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers.get("allow") == ("POST" if heard.status == 405 else None)
    assert heard.seconds < PATIENCE_SECONDS / 2
    if heard.status == 200:
        wanted = ADDED_EXCEPTIONS.get((case_id, name)) or ADDED.get(case_id, (1, 0, 0))
        assert added(before, after) == wanted
        if wanted[1]:
            assert reason_of(shop_database, variant.request.body) == REASONS[name]
        untouched = set(TABLES) - {"stripe_events", "webhook_quarantine", "webhook_parked"}
        assert {t: after[t] for t in untouched} == {t: before[t] for t in untouched}
    else:
        assert after == before


def test_what_the_tool_expects_of_each_case_is_what_is_written_here() -> None:
    """The tool's own expectations agree with the hand-written ones, row by row."""
    sample = ForgeryInput("whsec_x", 1_760_000_000, "127.0.0.1:1", "/stripe/webhook")
    lied_about = replace(sample, payment=ForgedPayment(str(uuid4()), "pi_1", 100, "usd", "x"))
    disagreements = []
    for case in CASES:
        for variant in case.variants(lied_about):
            answer = answer_to(case.id, variant.name)
            said = {(expected.status, expected.body or b"") for expected in variant.expected}
            rows = ADDED_EXCEPTIONS.get((case.id, variant.name)) or ADDED.get(case.id, (1, 0, 0))
            # The same id is stored by the request before, which is not the one counted here.
            events = rows[0] - (case.id == "W19")
            left = RowsLeft(events, *rows[1:]) if answer == OK else RowsLeft()
            if answer not in said or variant.left != left:
                disagreements.append((case.id, variant.name, said, variant.left))

    assert disagreements == []


def test_a_database_that_is_away_is_a_503_with_a_time_to_come_again(
    receiver: ServiceProcess, shop_database: Database, payment: ForgedPayment, servers: Servers
) -> None:
    """W43: whoever is told to come again comes again; nobody is told 200 without a row."""
    (case,) = (case for case in CASES if case.id == "W43")
    name = shop_database.value("SELECT current_database()")
    before = contents(shop_database)
    shop_database.conn.close()
    with psycopg.connect(servers.dsn, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (name,),
            )
            heard = [
                send(receiver, variant) for variant in case.variants(material(receiver, payment))
            ]
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    shop_database.conn = connect(shop_database.dsn)

    assert [(one.status, one.body) for one in heard] == [AWAY]
    assert heard[0].headers["retry-after"] == "1"
    assert contents(shop_database) == before
    receiver.wait_ready()
    body = encoded()
    eventually(
        lambda: (
            exchange(
                *("127.0.0.1", receiver.port),
                honest(material(receiver, payment), body),
            ).status
            == 200
        ),
        "the event is received when the database is back",
    )


def test_no_answer_of_the_receiver_was_a_surprise_to_itself(receiver: ServiceProcess) -> None:
    """Last of the file: after every case above, nothing was logged as an error of its own."""
    assert "Traceback" not in receiver.log
    assert "Exception in ASGI" not in receiver.log
