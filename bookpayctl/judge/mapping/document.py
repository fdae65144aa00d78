"""A mapping as values: which SELECT fills which canonical table, and what this stack lacks. Pure.

It holds no secret: it names the file or the variable in which one lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

VERSION: Final = 1

STRIPE: Final = "stripe"
KAFKA: Final = "kafka"

JSON: Final = "json"
AVRO: Final = "avro"
PROTOBUF: Final = "protobuf"

OTHERS: Final = "others"
"""In `absent`: every ledger that the file does not read."""

PATHS: Final = ("event_id", "event_type", "order_id", "root_event_id", "amount", "currency")
"""Keys of a topic behind which a path stands."""

DEFAULT_STATEMENT_TIMEOUT_SECONDS: Final = 600
DEFAULT_PAYMENT_WINDOW_SECONDS: Final = 900
DEFAULT_STRIPE_API_BASE: Final = "https://api.stripe.com"


class MappingError(ValueError):
    """The mapping is not as it has to be, or does not fit its database; the message says where."""


class MoneyUnit(StrEnum):
    """What a number in a money column counts."""

    MINOR = "minor"
    MAJOR = "major"


@dataclass(frozen=True, slots=True)
class TableMapping:
    """How one canonical table is read.

    Attributes:
        select: one SELECT whose columns have the canonical table's names.
        money: what its amounts count; major ones are turned into minor ones by their currency.
        currency: of the amounts of a table that has no currency column, or whose SELECT gives none.
        translate: for each column, the stack's own word to the canonical one.
    """

    name: str
    select: str
    money: MoneyUnit = MoneyUnit.MINOR
    currency: str | None = None
    translate: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """Where the database is; without any of the first three, libpq's own variables say it."""

    dsn: str | None = None
    dsn_file: str | None = None
    dsn_variable: str | None = None
    time_zone: str | None = None
    statement_timeout_seconds: int = DEFAULT_STATEMENT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class StripeSource:
    """Where Stripe is, and how its objects name what they were made for.

    Attributes:
        order_metadata: the key of a PaymentIntent's metadata that holds the order's id; None where
            a column of `payments` holds the PaymentIntent's id instead.
        payment_metadata: the same for the payment's own id.
        environment_metadata: the key by which stacks that share an account tell theirs apart, and
            `environment` what this stack writes there.
    """

    key_file: str | None = None
    key_variable: str | None = None
    api_base: str = DEFAULT_STRIPE_API_BASE
    order_metadata: str | None = None
    payment_metadata: str | None = None
    environment_metadata: str | None = None
    environment: str | None = None
    account_is_shared: bool = False


@dataclass(frozen=True, slots=True)
class TopicMapping:
    """How the records of one topic are read; each fact by its path (`paths.py`), None for nowhere.

    Attributes:
        types: the stack's own word for a type of event to the canonical one.
        format: how its values are written: `json`, or `avro` or `protobuf` through the registry.
    """

    event_id: str
    event_type: str
    order_id: str | None = None
    root_event_id: str | None = None
    amount: str | None = None
    currency: str | None = None
    money: MoneyUnit = MoneyUnit.MINOR
    types: dict[str, str] = field(default_factory=dict)
    format: str = JSON


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """Where Kafka is, its topics by name, and which topics each consumer group reads."""

    bootstrap_servers: str
    topics: dict[str, TopicMapping]
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    username: str = ""
    password_file: str | None = None
    password_variable: str | None = None
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    properties_file: str | None = None
    registry_url: str = ""
    registry_user: str = ""
    registry_password_file: str | None = None
    registry_password_variable: str | None = None
    timeout_seconds: int = DEFAULT_STATEMENT_TIMEOUT_SECONDS

    @property
    def topic_of_type(self) -> dict[str, str]:
        """The topic in which each canonical type of event is, as far as the mapping says."""
        found: dict[str, str] = {}
        for name, topic in self.topics.items():
            constant = topic.event_type.removeprefix("=")
            types = [*topic.types.values()]
            if topic.event_type.startswith("="):
                types = [topic.types.get(constant, constant)]
            found |= dict.fromkeys(types, name)
        return found


@dataclass(frozen=True, slots=True)
class Mapping:
    """One stack.

    Attributes:
        tables: by canonical name, in the order of the file.
        absent: what the stack does not have, with the reason: canonical tables, `stripe`, `kafka`,
            `others`.
        stripe, kafka: None where the file has no such section.
    """

    name: str
    database: DatabaseSource
    tables: dict[str, TableMapping]
    absent: dict[str, str]
    stripe: StripeSource | None
    kafka: KafkaSource | None = None
    change_data_capture: bool = False
    payment_window_seconds: int = DEFAULT_PAYMENT_WINDOW_SECONDS
