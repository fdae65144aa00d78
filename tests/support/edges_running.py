"""Orders API, gateway and receiver on one PostgreSQL and one twin: all that a client can reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.sql import migrate
from tests.support.processes import ServiceProcess, all_running
from tests.support.servers import running_servers
from tests.support.stack import GATEWAY_TOKEN, WEBHOOK_SECRET, Database, service_variables
from tests.support.twin import running_twin

ORDERS_TOKEN = "token-of-the-contract"
BOOKS = 100
"""As many as an order may have items: book-0 to book-99, a cent each, and never sold out."""


@dataclass(frozen=True)
class Edge:
    """One service and what its clients send with every request."""

    service: ServiceProcess
    headers: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"{self.service.url}/openapi.json"


@dataclass(frozen=True)
class Edges:
    orders: Edge
    gateway: Edge
    receiver: Edge
    webhook_secret: str


@contextmanager
def running_edges(directory: Path) -> Iterator[Edges]:
    """The three processes, ready; stopped at the end."""
    with (
        running_servers(directory / "servers", with_kafka=False) as servers,
        running_twin(directory / "twin") as twin,
    ):
        migrate(servers.dsn)
        _fill(Database(servers.dsn))
        variables = service_variables(
            servers.dsn, "127.0.0.1:1", gateway_url=twin.api, twin_api=twin.api, mail_port=1
        )
        # A fuzzer is exactly the client a quota is for; here it may come as often as it likes.
        quota = {"BOOKPAY_ORDERS_RATE_PER_SECOND": "1000000", "BOOKPAY_ORDERS_BURST": "1000000"}
        arguments = {
            "orders": ("orders-service", "--role", "http"),
            "gateway": ("payments-gateway",),
            "receiver": ("payments-webhook-receiver",),
        }
        services = {
            name: ServiceProcess(name, words, {**variables, **quota}, directory)
            for name, words in arguments.items()
        }
        with all_running(services.values()):
            yield Edges(
                Edge(services["orders"], (f"Authorization: Bearer {ORDERS_TOKEN}",)),
                Edge(services["gateway"], (f"Authorization: Bearer {GATEWAY_TOKEN}",)),
                Edge(services["receiver"], ()),
                WEBHOOK_SECRET,
            )


def _fill(database: Database) -> None:
    database.add_tenant("contract", ORDERS_TOKEN)
    database.run(
        "INSERT INTO inventory (sku, title, unit_price_cents, currency, initial, on_hand)"
        " SELECT 'book-' || n, 'A Book', 1, 'usd', 1000000000000, 1000000000000"
        " FROM generate_series(0, %s) n",
        BOOKS - 1,
    )
    database.conn.close()
