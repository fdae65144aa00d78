"""A mapping's text: what is taken, and what is refused with the place and the nearest word."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.mapping.access import dsn_of, kafka_servers_of, stripe_key_of
from bookpayctl.judge.mapping.columns import Found, missing_columns, own, problems_of, select_of
from bookpayctl.judge.mapping.document import (
    DatabaseSource,
    MappingError,
    MoneyUnit,
    StripeSource,
    TableMapping,
)
from bookpayctl.judge.mapping.loading import mapping_of
from bookpayctl.judge.mapping.tables import MAY_BE_NULL, REQUIRED, WORDS, columns_of
from bookpayctl.judge.stacks.mapped import absences_of

HEAD = 'version = 1\nname = "shop"\n'
ORDERS = "[tables.orders]\nselect = 'SELECT 1 AS order_id'\n"
MONEY = [Found("amount", "numeric", "N"), Found("currency", "bpchar", "S")]


def orders(*more: Found) -> list[Found]:
    return [Found("order_id", "int8", "N"), *MONEY, Found("status", "text", "S"), *more]


def test_the_smallest_mapping_has_a_name_and_orders() -> None:
    mapping = mapping_of(HEAD + ORDERS)

    assert (mapping.name, list(mapping.tables)) == ("shop", ["orders"])
    assert mapping.tables["orders"].select == "SELECT 1 AS order_id"
    assert mapping.stripe is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = ", "it is no TOML"),
        (HEAD.replace("1", "2") + ORDERS, "version must be 1"),
        (HEAD.replace("shop", "A Shop") + ORDERS, "name must be"),
        (HEAD, "tables.orders is missing"),
        (HEAD + "abesnt = {}\n" + ORDERS, "abesnt is unknown; did you mean absent?"),
        (HEAD + ORDERS + "[tables.payment]\nselect = ''", "did you mean payments?"),
        (HEAD + ORDERS + "sellect = ''", "tables.orders.sellect is unknown; did you mean select?"),
        (HEAD + ORDERS + "select2 = 1", "did you mean select?"),
        (HEAD + "[tables.orders]\nselect = 5", "tables.orders.select must be a text"),
        (HEAD + "[tables.orders]\nselect = ' ; '", "tables.orders.select is missing"),
        (HEAD + ORDERS + "money = 'cents'", "must be minor or major"),
        (HEAD + ORDERS + "currency = 'xyz'", "'xyz' is no currency"),
        (HEAD + ORDERS + "[tables.letters]\nselect = 'x'\nmoney = 'minor'", "has no amounts"),
        (HEAD + ORDERS + "[tables.disputes]\nselect = 'x'\nmoney = 'major'", "must say of what"),
        (HEAD + ORDERS + "translate.status = { sent = 'done' }", "'done' is none of pending"),
        (HEAD + ORDERS + "translate.state = { sent = 'paid' }", "did you mean status?"),
        (HEAD + "absent = { outbox = '' }\n" + ORDERS, "absent.outbox must be the reason"),
        (HEAD + "absent = { orders = 'no' }\n" + ORDERS, "orders is read and said to be absent"),
        (HEAD + ORDERS + "[stripe]\nkey_file = 'a'\nkey_variable = 'b'", "one of them"),
        (HEAD + ORDERS + "[stripe]\napi_base = 'x'", "key_file or key_variable"),
        (HEAD + ORDERS + "[stripe]\nkey_file = 'a'\nenvironment = 'b'", "need each other"),
        (HEAD + ORDERS + "[database]\ndsn = 'a'\ndsn_file = 'b'", "dsn and dsn_file"),
        (HEAD + ORDERS + "[database]\nstatement_timeout_seconds = 0", "a whole number above 0"),
        (HEAD + ORDERS + "[database]\nstatement_timeout_seconds = true", "a whole number"),
    ],
)
def test_a_slip_in_a_mapping_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(MappingError) as refused:
        mapping_of(text)

    assert told in str(refused.value)


def test_a_password_in_a_mapping_is_refused_and_not_shown() -> None:
    with pytest.raises(MappingError) as refused:
        dsn_of(DatabaseSource(dsn="host=db password=hunter2"), {})

    assert "password" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("dsn", ["hunter2 is no string", "postgresql://u:hunter2@[::1/db"])
def test_what_is_no_connection_string_is_told_without_it(dsn: str) -> None:
    with pytest.raises(MappingError) as refused:
        dsn_of(DatabaseSource(dsn_variable="SHOP_DSN"), {"SHOP_DSN": dsn})

    assert "hunter2" not in str(refused.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(MappingError, match="the variable SHOP_KEY is not set"):
        stripe_key_of(StripeSource(key_variable="SHOP_KEY"), {})


def test_what_a_mapping_says_is_absent_is_chosen_and_what_it_leaves_out_is_a_hole() -> None:
    found = absences_of(
        mapping_of(HEAD + "absent = { outbox = 'none', kafka = 'none' }\n" + ORDERS)
    )

    assert found["outbox"].chosen
    assert found["log_records"].chosen
    assert not found["payments"].chosen
    assert not found["stripe_charges"].chosen
    assert "orders" not in found


def test_a_mapping_can_say_that_there_is_nothing_else() -> None:
    found = absences_of(mapping_of(HEAD + "absent = { others = 'two tables' }\n" + ORDERS))

    assert all(absence.chosen for absence in found.values())
    assert found["stripe_charges"].reason == "this stack has no stripe: two tables"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (orders(Found("order_id", "int8", "N")), "order_id is there twice"),
        (orders(Found("email", "text", "S")), "email is no column of orders"),
        (orders()[1:], "order_id is missing"),
        (orders(Found("created_at", "timestamp", "D")), "database.time_zone does not say which"),
        (orders(Found("created_at", "date", "D")), "a day is no moment"),
        (orders(Found("created_at", "text", "S")), "it has to be timestamptz"),
        (orders(Found("client_key", "jsonb", "U")), "take the value out of it"),
        ([Found("amount", "float8", "N"), *orders()[2:], orders()[0]], "hold no money"),
        ([Found("amount", "text", "S"), *orders()[2:], orders()[0]], "a whole number"),
    ],
)
def test_a_column_that_cannot_fill_its_table_is_told(found: list[Found], told: str) -> None:
    assert told in "; ".join(problems_of(TableMapping("orders", "SELECT 1"), found, None))


def test_columns_that_may_be_left_out_are_null_and_named() -> None:
    table = TableMapping("orders", "SELECT 1")

    assert problems_of(table, orders(), None) == []
    assert missing_columns(table, orders()) == ["tenant_id", "client_key", "created_at"]
    assert "NULL AS client_key" in select_of(table, orders(), None)


def test_no_name_and_no_word_of_a_mapping_ends_what_it_stands_in() -> None:
    table = TableMapping("orders", "SELECT 1", translate={"status": {"a'b\\": "paid"}})

    assert own('a"; DROP TABLE orders; --') == 'mapped."a""; DROP TABLE orders; --"'
    assert r"E'a''b\\' THEN 'paid'" in select_of(table, orders(), None)


def test_major_units_without_a_currency_are_refused() -> None:
    table = TableMapping("outbox", "SELECT 1", money=MoneyUnit.MAJOR)
    found = [Found(name, "text", "S") for name in REQUIRED["outbox"]]

    assert problems_of(table, [*found, Found("amount", "numeric", "N")], None) == [
        "its amounts are major units, and nothing says of which currency"
    ]


def test_every_column_that_is_spoken_of_is_one_of_the_schema() -> None:
    named = {(table, column) for table, columns in REQUIRED.items() for column in columns}

    assert named >= MAY_BE_NULL
    for table, column in [*named, *WORDS]:
        assert column in columns_of(table)
    assert set(REQUIRED) <= set(tables())


KAFKA_HEAD: Final = """
[kafka]
bootstrap_servers = "127.0.0.1:9093"
{proof}
[kafka.topics.placed]
event_id = "key"
event_type = "=OrderPlaced"
"""


@pytest.mark.parametrize(
    ("proof", "problem"),
    [
        ('username = "auditor"', "kafka.username needs password_file or password_variable"),
        ('password_file = "p"', "kafka.username needs password_file or password_variable"),
        ('key_file = "k"', "kafka.certificate_file and kafka.key_file need each other"),
        ('properties_file = "p"\nca_file = "c"', "kafka has properties_file and ca_file"),
    ],
)
def test_what_kafka_is_shown_is_said_whole_and_in_one_way(proof: str, problem: str) -> None:
    with pytest.raises(MappingError, match=problem):
        mapping_of(HEAD + ORDERS + KAFKA_HEAD.format(proof=proof))


def test_a_name_for_kafka_goes_over_tls_with_the_authority_that_the_mapping_names(
    tmp_path: Path,
) -> None:
    for name in ("password", "ca.crt"):
        (tmp_path / name).write_text(name)
    proof = f"""
username = "auditor"
password_file = "{tmp_path}/password"
ca_file = "{tmp_path}/ca.crt"
"""
    kafka = mapping_of(HEAD + ORDERS + KAFKA_HEAD.format(proof=proof)).kafka
    assert kafka is not None

    security = kafka_servers_of(kafka, {}).security

    assert security["security.protocol"] == "SASL_SSL"
    assert security["sasl.password"] == "password"
    assert security["ssl.ca.location"] == f"{tmp_path}/ca.crt"


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("protobuf", "kafka.registry_url is missing"),
        ("thrift", "kafka.topics.placed.format must be json, avro or protobuf"),
        ("avro", "kafka.registry_url is missing"),
    ],
)
def test_a_format_that_cannot_be_read_is_refused_with_the_reason(kind: str, problem: str) -> None:
    text = HEAD + ORDERS + KAFKA_HEAD.format(proof="") + f'format = "{kind}"\n'

    with pytest.raises(MappingError, match=problem):
        mapping_of(text)
