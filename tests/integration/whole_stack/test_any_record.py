"""Whatever bytes stand in a topic, every consumer of it reads past them and does its work.

The records are events as a producer of ours writes them, with something in them that a schema-less
topic allows and a row, a type or a parser may not; and bytes that were never an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookpayctl.clients import kafka
from bookpayctl.clients.kafka_servers import KafkaServers
from runtime.domain.names import TOPICS_OF_GROUP, Topic
from tests.support.stack import PRICE_CENTS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

Headers = list[tuple[str, bytes | None]]

READ_BY = {
    topic: [group for group, topics in TOPICS_OF_GROUP.items() if topic in topics]
    for topic in Topic
    if any(topic in topics for topics in TOPICS_OF_GROUP.values())
}

ODD_JSON = (
    *("null", "true", "NaN", "Infinity", "-Infinity", "1e400", "-0.0", "0.1", "-1", "0"),
    *(str(number) for number in (2**31, 2**63 - 1, 2**63, -(2**63), 10**400)),
    *('""', '"\\ud800"', '"\\u0000"', '"\\u202e"', '"\U0010ffff"', '"' + "x" * 100_000 + '"'),
    *("[" * 5_000 + "]" * 5_000, '{"a":' * 900 + "1" + "}" * 900, "[]", "{}"),
    *('"infinity"', '"10000-01-01T00:00:00Z"', '"0000-00-00"', '"not-a-uuid"', '"usdollars"'),
)
FIELDS = (
    *("event_id", "root_event_id", "order_id", "occurred_at", "amount_cents", "currency"),
    *("reason", "failure_code", "payment_intent_id", "payment_method", "refund_id", "items"),
)


@dataclass(frozen=True, slots=True)
class Odd:
    """One record of a stranger's."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: Headers


@st.composite
def odd_events(draw: st.DrawFn) -> bytes:
    """An event of ours with a few fields of another kind, and now and then one of them twice."""
    event_id, text = uuid4(), {}
    text["event_id"] = text["root_event_id"] = f'"{event_id}"'
    text |= {"order_id": f'"ord_{uuid4().hex}"', "currency": '"usd"'}
    text |= {"amount_cents": str(PRICE_CENTS), "occurred_at": '"2026-03-01T00:00:00Z"'}
    members = [f'"{name}":{value}' for name, value in text.items()]
    changed = draw(
        st.lists(
            st.tuples(st.sampled_from(FIELDS), st.sampled_from(ODD_JSON)), min_size=1, max_size=3
        )
    )
    odd = dict(changed)
    kept = [member for member in members if member.split('"')[1] not in odd or draw(st.booleans())]
    return ("{" + ",".join([*kept, *(f'"{n}":{v}' for n, v in odd.items())]) + "}").encode()


VALUES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.sampled_from(ODD_JSON).map(str.encode),
    odd_events(),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(("event_id", "id", "event_type", "tenant_id", "traceparent", "", "\u202e")),
        st.one_of(st.none(), st.binary(max_size=50), st.just(b"OrderPlaced"), st.just(b"\xc3\x28")),
    ),
    max_size=4,
)
KEYS = st.one_of(st.none(), st.binary(max_size=20), st.just(b"\xff" * 10_000))
RECORDS = st.builds(Odd, st.sampled_from(sorted(READ_BY)), KEYS, VALUES, HEADERS)


def produce_all(servers: str, records: list[Odd]) -> dict[tuple[str, int], int]:
    """Write them; returns the offset after the last of each partition that took one."""
    ends: dict[tuple[str, int], int] = {}
    refused: list[KafkaError] = []

    def note(error: KafkaError | None, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error is not None or topic is None or partition is None or offset is None:
            refused.extend([error] if error else [])
            return
        place = (topic, partition)
        ends[place] = max(ends.get(place, 0), offset + 1)

    producer = Producer({"bootstrap.servers": servers, "message.max.bytes": 1_000_000})
    for record in records:
        producer.produce(
            record.topic.value,
            record.value,
            record.key,
            headers=[*record.headers],
            on_delivery=note,
        )
    assert producer.flush(60) == 0
    assert not refused
    return ends


def unread(servers: str, ends: dict[tuple[str, int], int]) -> list[str]:
    """The groups that have not come to these ends."""
    waiting = []
    for group in TOPICS_OF_GROUP:
        wanted = {at: end for at, end in ends.items() if group in READ_BY[Topic(at[0])]}
        reached = kafka.group_offsets(KafkaServers(servers), group.value, wanted)
        waiting += [
            f"{group.value} at {at}" for at, end in wanted.items() if (reached[at] or 0) < end
        ]
    return waiting


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(RECORDS, min_size=20, max_size=60))
def test_every_consumer_reads_past_whatever_is_written_and_does_its_work(
    shop: Shop, twin: Twin, records: list[Odd]
) -> None:
    servers = shop.stack.bootstrap_servers
    ends = produce_all(servers, records)

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
    eventually(lambda: not unread(servers, ends), lambda: f"unread: {unread(servers, ends)}", 120)
    assert {name for name, one in shop.stack.services.items() if one.has_ended()} == set()
