"""One PostgreSQL and one Kafka per run, a fresh database per test that wants one, one stack."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from email.message import Message
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from psycopg import sql

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.local.supervise.programs import RECEIVED_EVENTS
from bookpayctl.targets.servers.contents import create_topics
from runtime.sql import migrate
from tests.support.otlp_receiver import OtlpReceiver, running_receiver
from tests.support.processes import all_running, free_port
from tests.support.servers import Servers, running_servers
from tests.support.stack import (
    ARGUMENTS,
    WEBHOOK_SECRET,
    Database,
    Shop,
    Stack,
    build_services,
    service_variables,
)
from tests.support.twin import Twin, running_twin

TEMPLATE = "bookpay_template"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


def dsn_of(servers: Servers, name: str) -> str:
    return urlunsplit(urlsplit(servers.dsn)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def create_database(servers: Servers) -> Callable[..., str]:
    """Makes a database, by default with the whole schema; returns its DSN."""
    with psycopg.connect(servers.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(dsn_of(servers, TEMPLATE))

    def create(*, template: str = TEMPLATE) -> str:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(servers.dsn, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return dsn_of(servers, name)

    return create


@pytest.fixture
def database(create_database: Callable[..., str]) -> Iterator[Database]:
    """A migrated database of the test's own."""
    fresh = Database(create_database())
    yield fresh
    fresh.conn.close()


@pytest.fixture
def empty_dsn(create_database: Callable[..., str]) -> str:
    return create_database(template="template0")


@pytest.fixture(scope="session")
def bootstrap_servers(servers: Servers) -> str:
    create_topics(KafkaServers(servers.kafka_bootstrap_servers))
    return servers.kafka_bootstrap_servers


class MailSink(MessageHandler):
    """Keeps every message it accepts."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)

    def about(self, order_id: str) -> list[Message]:
        return [mail for mail in self.messages if f"Order {order_id}:" in mail.get_payload()]


@pytest.fixture(scope="session")
def mail() -> Iterator[tuple[MailSink, int]]:
    sink = MailSink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield sink, controller.port
    controller.stop()


@pytest.fixture(scope="session")
def collector() -> Iterator[OtlpReceiver]:
    """Takes the spans of every service of the stack."""
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def stack(
    create_database: Callable[..., str],
    bootstrap_servers: str,
    mail: tuple[MailSink, int],
    collector: OtlpReceiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Every service, once per run; tests keep apart by tenant."""
    directory = tmp_path_factory.mktemp("stack")
    receiver_port, gateway_port = free_port(), free_port()
    secret_file = directory / "webhook-secret"
    secret_file.write_text(WEBHOOK_SECRET)
    endpoint = f"http://127.0.0.1:{receiver_port}/stripe/webhook"
    events = [part for event in RECEIVED_EVENTS for part in ("--event", event)]
    twin_arguments = ("--endpoint", endpoint, "--secret-file", str(secret_file), *events)
    database = Database(create_database())
    with running_twin(directory / "twin", *twin_arguments) as twin:
        variables = service_variables(
            database.dsn,
            bootstrap_servers,
            gateway_url=f"http://127.0.0.1:{gateway_port}",
            twin_api=twin.api,
            mail_port=mail[1],
        )
        # On for every test of the stack: what makes spans must stand in nobody's way. A collector
        # that hangs is given up after a second.
        variables |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        services = build_services(list(ARGUMENTS), variables, directory)
        services["receiver"].port, services["gateway"].port = receiver_port, gateway_port
        with all_running(services.values()):
            yield Stack(database, bootstrap_servers, twin, mail[0], services)
    database.conn.close()


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    """A tenant of the test's own; what the test broke runs again afterwards."""
    yield Shop(stack)
    stack.recover()


@pytest.fixture
def twin(shop: Shop) -> Twin:
    return shop.stack.twin


@pytest.fixture
def waiting(shop: Shop) -> tuple[str, UUID, str]:
    """An order whose payment waits for the bank: order_id, event_id, PaymentIntent id."""
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    return order_id, event_id, shop.database.payment(event_id)["payment_intent_id"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the ends of the services' logs to a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            for name, text in _logs(value):
                report.sections.append((f"log of {name}", text[-3000:]))
    return report


def _logs(value: Any) -> list[tuple[str, str]]:
    services = value.stack.services if isinstance(value, Shop) else value
    if not isinstance(services, dict):
        return []
    logs = [(name, getattr(service, "log", "")) for name, service in services.items()]
    return [(name, text) for name, text in logs if isinstance(text, str)]
