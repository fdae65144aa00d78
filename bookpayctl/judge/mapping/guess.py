"""A first mapping, guessed from the names in a catalogue: every guess is marked as one. Pure.

Only what is named like something of the schema is put in; what is not found is a commented line,
because whether a stack has no such thing is for a person to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from bookpayctl.judge.ledgers.tables import BIGINT, BOOLEAN, INTEGER, TIMESTAMP, tables
from bookpayctl.judge.mapping.columns import TEXT_CATEGORIES, TEXT_TYPES, WHOLE_TYPES
from bookpayctl.judge.mapping.document import KAFKA, OTHERS, STRIPE
from bookpayctl.judge.mapping.tables import MONEY, REQUIRED, WORDS, columns_of

GUESS: Final = "# guess"

TABLE_NAMES: Final[dict[str, str]] = {
    "orders": "orders order purchases purchase sales_orders checkouts bookings",
    "payments": "payments payment transactions transaction charges payment_intents",
    "refunds": "refunds refund",
    "outbox": "outbox outbox_events outbox_event outboxevent outbox_messages",
    "webhooks": "webhooks webhook_events stripe_events stripe_webhooks",
    "inventory": "inventory stock stock_items",
    "reservations": "reservations stock_reservations",
    "disputes": "disputes chargebacks",
    "dead_letters": "dead_letters dead_letter dlq",
    "order_steps": "order_transitions order_history order_status_history",
    "payment_steps": "payment_transitions payment_history",
}
"""Names by which a table of others is taken for one of the schema, the likeliest first."""

COLUMN_NAMES: Final[dict[str, str]] = {
    "order_id": "order_id order_number purchase_id number",
    "event_id": "event_id payment_id uuid id",
    "refund_id": "refund_id id",
    "dead_letter_id": "id",
    "step_number": "step_number id",
    "amount": "amount_cents total_cents amount_minor amount total_amount grand_total total gross",
    "currency": "currency currency_code ccy",
    "status": "status state phase",
    "state": "state status result",
    "created_at": "created_at created inserted_at placed_at created_on placed",
    "happened_at": "happened_at created_at at",
    "client_key": "client_key idempotency_key request_id",
    "tenant_id": "tenant_id shop_id merchant_id",
    "payment_intent_id": (
        "payment_intent_id stripe_payment_intent_id payment_intent stripe_id provider_reference"
        " processor_ref external_id"
    ),
    "stripe_refund_id": "stripe_refund_id stripe_id external_id",
    "stripe_event_id": "stripe_event_id event_id id",
    "stripe_dispute_id": "stripe_dispute_id stripe_id external_id",
    "event_type": "event_type type",
    "published": "published",
}
"""The same for columns; of any other its own name alone."""

WORD_MEANINGS: Final[dict[str, str]] = {
    "paid": "paid settled completed complete captured fulfilled shipped delivered done",
    "succeeded": "succeeded success successful paid captured completed ok",
    "pending": "pending open new created draft awaiting_payment in_cart unpaid",
    "cancelled": "cancelled canceled void voided expired called_off",
    "failed": "failed declined rejected error canceled cancelled",
    "refunded": "refunded returned",
    "processing": "processing in_progress",
    "held": "held reserved",
    "sold": "sold",
    "released": "released",
}

_ORDERS: Final = """\
[tables.orders]
select = '''
SELECT id AS order_id, amount, currency, status, created_at FROM orders
'''
"""

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


class NamedColumn(Protocol):
    """A column of the catalogue, as far as a guess looks at it."""

    @property
    def name(self) -> str: ...
    @property
    def type_name(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


class Relation(Protocol):
    """A table of the catalogue."""

    @property
    def schema(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> tuple[NamedColumn, ...]: ...


def first_mapping(name: str, relations: Iterable[Relation], *, dsn: str | None = None) -> str:
    """The text of a mapping to begin with; it loads as it stands when orders were found."""
    by_name: dict[str, Relation] = {}
    for relation in relations:
        by_name.setdefault(relation.name.lower(), relation)
    found = {
        table: by_name[one]
        for table, names in TABLE_NAMES.items()
        for one in [next((n for n in names.split() if n in by_name), "")]
        if one
    }
    parts = [_head(name, dsn), *(_table(table, relation) for table, relation in found.items())]
    if "orders" not in found:
        parts.append(_orders_to_fill_in(by_name))
    return "\n".join([*parts, _absent(found)])


def _head(name: str, dsn: str | None) -> str:
    said = '# dsn = "host=127.0.0.1 dbname=shop user=auditor passfile=/etc/shop/pgpass"'
    if dsn is not None:
        said = f"dsn = {_toml(dsn)}"
    return f"""\
# A mapping for `bookpayctl audit --mapping`: see docs/audit-your-own-stack.md.
# Every line with `{GUESS}` was guessed from names: look at it, then `bookpayctl mapping test`.
version = 1
name = "{name}"

[database]
# Without a dsn, libpq's variables say where it is (PGHOST, PGDATABASE, PGUSER, PGPASSFILE).
{said}
# time_zone = "UTC"  # of columns without a time zone

# Where Stripe is, and how its objects name an order. Without this, who was charged is not known.
# [stripe]
# key_file = "/etc/shop/stripe-test-key"
# order_metadata = "order_id"  {GUESS}
"""


def _table(table: str, relation: Relation) -> str:
    pairs = list(_pairs(table, relation))
    given = {column for column, _ in pairs}
    lines = [f"[tables.{table}]  {GUESS}: {relation.schema}.{relation.name}"]
    amount = next((own for column, own in pairs if column == MONEY), None)
    if amount is not None:
        is_major = amount.type_name == "numeric"
        unit = "major" if is_major else "minor"
        lines.append(f'money = "{unit}"  {GUESS}, by its type {amount.type_name}')
    columns = ",\n".join(f"    {_quoted(own.name)} AS {column}" for column, own in pairs)
    place = f"{_quoted(relation.schema)}.{_quoted(relation.name)}"
    lines.append(f"select = '''\nSELECT\n{columns}\nFROM {place}\n'''")
    lacking = [column for column in REQUIRED[table] if column not in given]
    if lacking:
        lines.append(f"# It lacks {', '.join(lacking)}: nothing is named like it.")
    for column, own in pairs:
        lines += _translation(table, column, own)
    return "\n".join(lines) + "\n"


def _pairs(table: str, relation: Relation) -> Iterator[tuple[str, NamedColumn]]:
    """Which column of theirs is which of ours; none of theirs is used twice."""
    theirs = {column.name.lower(): column for column in relation.columns}
    used: set[str] = set()
    # An order's own id is called `id` more often than anything else.
    own_id = {"orders": "order_id", "refunds": "refund_id", "webhooks": "stripe_event_id"}
    for column in columns_of(table):
        names = COLUMN_NAMES.get(column, column).split()
        if own_id.get(table) == column:
            names = [*names, "id"]
        for name in names:
            if name in theirs and name not in used and _fits(table, column, theirs[name]):
                used.add(name)
                yield column, theirs[name]
                break


def _fits(table: str, column: str, own: NamedColumn) -> bool:
    wanted = next(c.type for c in tables()[table].columns if c.name == column)
    if wanted == TIMESTAMP:
        return own.type_name in ("timestamptz", "timestamp")
    if wanted in (BIGINT, INTEGER):
        return own.type_name in WHOLE_TYPES
    if wanted == BOOLEAN:
        return own.type_name == "bool"
    return own.category in TEXT_CATEGORIES or own.type_name in TEXT_TYPES


def _translation(table: str, column: str, own: NamedColumn) -> Iterator[str]:
    known = WORDS.get((table, column))
    if known is None or (own.labels and set(own.labels) <= set(known)):
        return
    yield f"[tables.{table}.translate.{column}]"
    if not own.labels:
        yield f"# Each of its words, and which of {', '.join(known)} it means:"
        yield from (f'{word} = "{word}"  {GUESS}' for word in known)
    for label in own.labels:
        meant = _meaning(label, known)
        key = label if _PLAIN.fullmatch(label) else _toml(label)
        if meant is None:
            yield f"# {key} = one of {', '.join(known)}"
        else:
            yield f'{key} = "{meant}"  {GUESS}'


def _meaning(label: str, known: tuple[str, ...]) -> str | None:
    word = label.lower().replace("-", "_").replace(" ", "_")
    if word in known:
        return word
    return next((one for one in known if word in WORD_MEANINGS.get(one, "").split()), None)


def _orders_to_fill_in(by_name: dict[str, Relation]) -> str:
    seen = ", ".join(sorted(by_name)[:20]) or "none"
    return f"# No table is named like orders. The role may read: {seen}\n{_ORDERS}"


def _absent(found: dict[str, Relation]) -> str:
    lines = [
        "# What this stack does not have, each with the reason. Who says nothing of a ledger gets",
        "# unknown for what needs it, not a pass: take the # away only where it is true.",
        "[absent]",
    ]
    names = [*(name for name in REQUIRED if name not in found), KAFKA, STRIPE, OTHERS]
    return "\n".join([*lines, *(f'# {name} = "there is none"' for name in names)]) + "\n"


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
