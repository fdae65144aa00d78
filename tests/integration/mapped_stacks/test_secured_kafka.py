"""A Kafka that asks for a name or a certificate is read all the same, and says why where it is not.

The broker is a real one; the user of this tool has the rights that manifests/components gives it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Producer

from bookpayctl.clients import kafka
from bookpayctl.clients.kafka_log import batches_between
from bookpayctl.clients.kafka_servers import KafkaProof, KafkaServers, tls_context, without_tls
from bookpayctl.clients.kafka_versions import broker_releases
from bookpayctl.clients.kafka_wire import Conversation
from bookpayctl.judge.readers.kafka import read_topics
from bookpayctl.replay.ranges import ReplayRange, choose
from bookpayctl.targets import credentials
from bookpayctl.targets.kube.kafka_user import USER
from bookpayctl.targets.kube.reach.tls import TlsRelay
from bookpayctl.targets.lag import LagError, group_lags
from runtime.domain.names import TOPICS_OF_GROUP, Topic
from tests.support.certificates import self_signed
from tests.support.command_line import CommandLine, verdicts
from tests.support.environments import environment_away
from tests.support.foreign_shop import ForeignShop
from tests.support.manifests.rendering import render
from tests.support.secured_broker import PASSWORD, SecuredBroker, secured_broker

PLACED: Final = Topic.ORDERS_PLACED.value
RECORDS: Final = 3


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the broker's certificate, is not on the PATH")
    users = render("prod").of_kind("KafkaUser")
    with secured_broker(tmp_path_factory.mktemp("secured"), [*Topic]) as running:
        running.let_in(next(user for user in users if user["metadata"]["name"] == USER))
        producer = Producer({"bootstrap.servers": running.plain_servers})
        for number in range(RECORDS):
            producer.produce(PLACED, json.dumps({"total": number}), str(number))
        assert producer.flush(30) == 0
        yield running


def proof_of(broker: SecuredBroker) -> KafkaProof:
    return KafkaProof(username=USER, password=PASSWORD, ca_file=str(broker.authority))


def servers_of(broker: SecuredBroker, proof: KafkaProof) -> KafkaServers:
    return KafkaServers(broker.bootstrap_servers, proof.security)


def read_whole(servers: KafkaServers) -> int:
    """How many records of orders.placed there are."""
    consumer = kafka.open_consumer(servers)
    try:
        ranges = kafka.log_ranges(consumer, [PLACED])
        return sum(1 for _ in kafka.records_between(consumer, ranges))
    finally:
        consumer.close()


def groups(broker: SecuredBroker) -> list[str]:
    listed = broker.admin.list_consumer_groups(request_timeout=30).result()
    return [found.group_id for found in listed.valid]


def test_an_environment_is_read_with_what_lies_in_its_secrets_and_no_group_is_left(
    broker: SecuredBroker, tmp_path: Path
) -> None:
    away = environment_away(tmp_path)
    environment = replace(away, kafka_bootstrap_servers=broker.bootstrap_servers)
    files = credentials.files_for_kafka(proof_of(broker))
    credentials.keep_for_kafka(environment.secrets_dir, files)

    servers = environment.kafka

    assert read_whole(servers) == RECORDS
    assert {topic.name for topic in read_topics(servers)} == {topic.value for topic in Topic}
    assert group_lags(servers) == {
        group.value: RECORDS if PLACED in topics else 0 for group, topics in TOPICS_OF_GROUP.items()
    }
    assert [found.reason for found in broker_releases(servers)] == [""]
    chosen = choose(servers, ReplayRange((PLACED,)))
    consumer = kafka.open_consumer(servers)
    batches = list(batches_between(consumer, chosen.ranges))
    consumer.close()
    assert sum(len(batch) for batch, _ in batches) == RECORDS
    assert groups(broker) == []


def test_a_certificate_of_ours_is_shown_where_the_broker_asks_for_one(
    broker: SecuredBroker,
) -> None:
    certified = KafkaProof(
        ca_file=str(broker.authority),
        certificate_file=str(broker.certificate),
        key_file=str(broker.key),
    )

    assert read_whole(KafkaServers(broker.certified_servers, certified.security)) == RECORDS


def stranger(folder: Path) -> str:
    """An authority that vouched for nobody here."""
    self_signed(folder, "stranger", "stranger")
    return str(folder / "stranger.crt")


def test_what_keeps_us_out_is_named_with_what_to_do(broker: SecuredBroker, tmp_path: Path) -> None:
    proof, port = proof_of(broker), broker.bootstrap_servers.rpartition(":")[2]
    elsewhere = KafkaServers(f"localhost:{port}", proof.security)
    nameless = KafkaProof(ca_file=str(broker.authority))

    plain = KafkaServers(broker.bootstrap_servers)
    uncertified = KafkaServers(broker.certified_servers, nameless.security)
    cases = [
        (servers_of(broker, replace(proof, password="another")), f"refuses the user '{USER}'"),
        (
            servers_of(broker, replace(proof, ca_file=stranger(tmp_path))),
            "nobody we know vouches for: give the file of its authority",
        ),
        (elsewhere, "shows a certificate for another name"),
        (plain, "does not answer in plain text, as one that wants TLS"),
        (KafkaServers(broker.plain_servers, proof.security), "does not speak TLS at this port"),
        (servers_of(broker, nameless), "if it asks for one, give a name and password"),
        (uncertified, "wants to see a certificate that it knows"),
        (KafkaServers("127.0.0.1:1"), "does not take a connection"),
    ]

    # Side by side: each is told only when librdkafka has tried for some seconds.
    with ThreadPoolExecutor(len(cases)) as pool:
        told = list(pool.map(lambda case: why(case[0]), cases))

    assert [words for (_, words), said in zip(cases, told, strict=True) if words not in said] == []


def why(servers: KafkaServers) -> str:
    with pytest.raises(kafka.BrokerError) as refused:
        read_whole(servers)
    message = str(refused.value)
    assert PASSWORD not in message
    return message


def test_a_user_who_may_not_look_is_told_which_rights_lack(
    broker: SecuredBroker, tmp_path: Path
) -> None:
    acls = [
        {
            "resource": {"type": "topic", "name": PLACED, "patternType": "literal"},
            "operations": ["Describe"],
        }
    ]
    broker.let_in({"metadata": {"name": "guest"}, "spec": {"authorization": {"acls": acls}}})
    servers = servers_of(broker, replace(proof_of(broker), username="guest"))

    with pytest.raises(kafka.BrokerError, match="lets the user 'guest' not look: give it Read"):
        read_topics(servers)
    with pytest.raises(LagError, match="lets the user 'guest' not look"):
        group_lags(servers)


def test_on_the_way_into_a_cluster_the_certificate_is_held_against_the_brokers_own_name(
    broker: SecuredBroker,
) -> None:
    proof = proof_of(broker)
    context = tls_context(proof.security)
    upstream = int(broker.bootstrap_servers.rpartition(":")[2])

    def relay_to(name: str) -> TlsRelay:
        relay = TlsRelay(
            upstream, name, context, lambda: Conversation(lambda host, port: (host, relay.port))
        )
        return relay

    good, wrong = relay_to("127.0.0.1"), relay_to("broker-0.kafka.svc")
    try:
        assert read_whole(relayed(good, proof)) == RECORDS
        message = why(relayed(wrong, proof))
    finally:
        good.close()
        wrong.close()
    assert "the Kafka at kafka.svc:9093 shows a certificate for another name" in message
    assert "broker-0.kafka.svc" in message


def relayed(relay: TlsRelay, proof: KafkaProof) -> KafkaServers:
    return KafkaServers(
        f"127.0.0.1:{relay.port}",
        without_tls(proof.security),
        known_as="kafka.svc:9093",
        heard_on_the_way=lambda: relay.trouble,
    )


SECTION: Final = """
[kafka]
bootstrap_servers = "{servers}"
username = "{user}"
password_file = "{password}"
ca_file = "{authority}"

[kafka.topics."{topic}"]
event_id = "key"
event_type = "=OrderPlaced"
"""


def test_an_audit_by_a_mapping_reads_it_and_says_why_it_cannot(
    broker: SecuredBroker, cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    section = SECTION.format(
        servers=broker.bootstrap_servers,
        user=USER,
        password=password,
        authority=broker.authority,
        topic=PLACED,
    )
    changed = {"[absent]": f"{section}\n[absent]", 'kafka = "we never had one"': ""}
    mapping = shop.mapping(tmp_path / "laden.toml", **changed)
    shop.sell(1999)

    password.write_text(PASSWORD)
    read = cli.ask("audit", "--mapping", str(mapping), "--age", "1ms")
    password.write_text("another")
    refused = cli.ask("audit", "--mapping", str(mapping), "--age", "1ms")

    # Records of others, in a topic that is said to hold orders: what was read is what is judged.
    assert verdicts(read)["I07"] == "skipped"
    assert read["exit"]["code"] == 0, read
    assert refused["exit"]["code"] == 3
    assert f"refuses the user '{USER}'" in json.dumps(refused)
    assert groups(broker) == []
