"""Every key that a mapping may have, with what it means: docs and loader are made from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bookpayctl.judge.mapping.document import (
    DEFAULT_PAYMENT_WINDOW_SECONDS,
    DEFAULT_STATEMENT_TIMEOUT_SECONDS,
    DEFAULT_STRIPE_API_BASE,
)

TOP: Final = ""
DATABASE: Final = "database"
STRIPE: Final = "stripe"
TABLE: Final = "tables.NAME"
KAFKA: Final = "kafka"
TOPIC: Final = "kafka.topics.NAME"

KINDS: Final[dict[type, str]] = {
    str: "a text",
    int: "a whole number above 0",
    bool: "true or false",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: where it stands, what may stand behind it, and what it means."""

    section: str
    name: str
    kind: type
    meaning: str
    default: str = ""

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name


KEYS: Final = (
    Key(TOP, "version", int, "of this format: 1", "required"),
    Key(TOP, "name", str, "of the stack: small letters, digits, `-`", "required"),
    Key(TOP, "change_data_capture", bool,
        "events leave the outbox by capture, so none is ever marked published", "false"),
    Key(TOP, "payment_window_seconds", int,
        "how long a payment in `processing` may wait for its customer",
        str(DEFAULT_PAYMENT_WINDOW_SECONDS)),
    Key(TOP, "absent", dict,
        "what this stack does not have, each with the reason: tables, `stripe`, `kafka`,"
        " or `others`, which is all that the file does not read"),
    Key(DATABASE, "dsn", str, "a connection string without a password (`passfile=` names its file)",
        "libpq's variables"),
    Key(DATABASE, "dsn_file", str, "a file that holds the connection string"),
    Key(DATABASE, "dsn_variable", str, "a variable that holds it"),
    Key(DATABASE, "time_zone", str, "of columns of type `timestamp` without a time zone"),
    Key(DATABASE, "statement_timeout_seconds", int, "how long reading one table may take",
        str(DEFAULT_STATEMENT_TIMEOUT_SECONDS)),
    Key(STRIPE, "key_file", str, "a file that holds Stripe's key"),
    Key(STRIPE, "key_variable", str, "a variable that holds it"),
    Key(STRIPE, "api_base", str, "where Stripe is", DEFAULT_STRIPE_API_BASE),
    Key(STRIPE, "order_metadata", str,
        "the key in a PaymentIntent's metadata that holds the order's id"),
    Key(STRIPE, "payment_metadata", str,
        "the key in a PaymentIntent's metadata that holds the payment's own id (`event_id`)"),
    Key(STRIPE, "environment_metadata", str,
        "the key in the metadata by which stacks that share the account tell theirs apart"),
    Key(STRIPE, "environment", str, "what this stack writes there"),
    Key(STRIPE, "account_is_shared", bool,
        "others use the account, so a charge that nobody here knows is only counted", "false"),
    Key(KAFKA, "bootstrap_servers", str, "where Kafka is", "required"),
    Key(KAFKA, "username", str, "user there, by SCRAM-SHA-512 over TLS"),
    Key(KAFKA, "password_file", str, "a file that holds its password"),
    Key(KAFKA, "password_variable", str, "a variable that holds it"),
    Key(KAFKA, "ca_file", str,
        "the authorities that its certificate is trusted by, as PEM; set: over TLS",
        "the system's"),
    Key(KAFKA, "certificate_file", str, "a certificate of ours that it asks for, as PEM"),
    Key(KAFKA, "key_file", str, "the key of that certificate"),
    Key(KAFKA, "properties_file", str,
        "instead of all these, a file of librdkafka's properties, `name=value` a line: another"
        " mechanism, a keystore"),
    Key(KAFKA, "registry_url", str, "the schema registry, for topics in Avro or Protobuf"),
    Key(KAFKA, "registry_user", str, "user there"),
    Key(KAFKA, "registry_password_file", str, "a file that holds its password"),
    Key(KAFKA, "registry_password_variable", str, "a variable that holds it"),
    Key(KAFKA, "timeout_seconds", int, "how long reading all topics may take",
        str(DEFAULT_STATEMENT_TIMEOUT_SECONDS)),
    Key(KAFKA, "topics", dict, "the topics, each with the keys below", "required"),
    Key(KAFKA, "groups", dict, "for each consumer group, the list of topics that it reads"),
    Key(TOPIC, "event_id", str,
        "where a record has it: `key`, `header:NAME`, `$.name[0].name`, `=constant`", "required"),
    Key(TOPIC, "event_type", str, "the same for the type of the event", "required"),
    Key(TOPIC, "format", str,
        "how values are written: `json`, or `avro` or `protobuf` with its schema's number before"
        " it", "json"),
    Key(TOPIC, "order_id", str, "the same for the order"),
    Key(TOPIC, "root_event_id", str, "the same for the OrderPlaced that it follows from"),
    Key(TOPIC, "amount", str, "the same for the amount"),
    Key(TOPIC, "currency", str, "the same for its currency"),
    Key(TOPIC, "money", str, "what amounts count: `minor` or `major`", "minor"),
    Key(TOPIC, "types", dict,
        "each of its types of events and the canonical one; says where each is published:"
        " `types = { order_created = \"OrderPlaced\" }`"),
    Key(TABLE, "select", str, "one SELECT whose columns have the canonical names", "required"),
    Key(TABLE, "money", str, "what amounts count: `minor` units (cents) or `major` ones", "minor"),
    Key(TABLE, "currency", str, "of the amounts, where the SELECT gives no `currency`"),
    Key(TABLE, "translate", dict,
        "for a column, each of its words and the canonical one:"
        " `translate.status = { shipped = \"paid\" }`"),
)  # fmt: skip


def keys_of(section: str) -> dict[str, Key]:
    """The keys of a section by their names."""
    return {key.name: key for key in KEYS if key.section == section}
