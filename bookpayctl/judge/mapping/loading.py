"""A TOML text as a mapping: strict, so that a slip of the pen is told and never passed over. Pure.

An unknown key is refused with the known one that is nearest to it, a wrong type with the place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from bookpayctl.judge.mapping import keys
from bookpayctl.judge.mapping.document import (
    AVRO,
    JSON,
    KAFKA,
    OTHERS,
    PATHS,
    PROTOBUF,
    STRIPE,
    VERSION,
    DatabaseSource,
    KafkaSource,
    Mapping,
    MappingError,
    MoneyUnit,
    StripeSource,
    TableMapping,
    TopicMapping,
)
from bookpayctl.judge.mapping.paths import problem_of
from bookpayctl.judge.mapping.tables import CURRENCY, MONEY, REQUIRED, WORDS, columns_of
from bookpayctl.report.money import minor_digits
from runtime.domain.names import EventType

SECTIONS: Final = ("database", "stripe", "kafka", "tables")
PROOF: Final = (
    *("username", "password_file", "password_variable"),
    *("ca_file", "certificate_file", "key_file"),
)
"""Keys of Kafka that say what it is shown."""

REGISTRY_PASSWORDS: Final = ("registry_password_file", "registry_password_variable")

PLAIN: Final = ("change_data_capture", "payment_window_seconds")
LEDGERS: Final = (*REQUIRED, STRIPE, KAFKA, OTHERS)
"""What a mapping can say to be absent."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


def mapping_of(text: str) -> Mapping:
    """The mapping that a file's text is.

    Raises:
        MappingError: it is none; the message names the place.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"it is no TOML: {error}") from error
    sections = {name: _table(document.pop(name, {}), name) for name in SECTIONS}
    top = checked(document, keys.TOP, "", others=SECTIONS)
    if top.get("version") != VERSION:
        raise MappingError(f"version must be {VERSION}, which is the only one there is")
    name = top.get("name", "")
    if not _NAME.fullmatch(name):
        raise MappingError("name must be small letters, digits and `-`, at most 40, a letter first")
    absent = _absent(top.get("absent", {}))
    tables = {
        table: _table_mapping(table, _table(value, f"tables.{table}"))
        for table, value in _known(sections["tables"], REQUIRED, "tables").items()
    }
    servers = [name for name in (STRIPE, KAFKA) if sections[name]]
    for table in (*tables, *servers):
        if table in absent:
            raise MappingError(f"{table} is read and said to be absent; one of both is wrong")
    if "orders" not in tables:
        raise MappingError("tables.orders is missing: without orders there is nothing to judge")
    return Mapping(
        name=name,
        database=_database(checked(sections["database"], keys.DATABASE, "database")),
        tables=tables,
        absent=absent,
        stripe=_stripe(sections["stripe"]) if sections["stripe"] else None,
        kafka=kafka_of(sections["kafka"]) if sections["kafka"] else None,
        **{key: top[key] for key in PLAIN if key in top},
    )


def _database(found: dict[str, Any]) -> DatabaseSource:
    given = [name for name in ("dsn", "dsn_file", "dsn_variable") if name in found]
    if len(given) > 1:
        raise MappingError(f"database has {' and '.join(given)}; one of them says where it is")
    return DatabaseSource(**found)


def _stripe(section: dict[str, Any]) -> StripeSource:
    found = checked(section, keys.STRIPE, "stripe")
    if ("key_file" in found) == ("key_variable" in found):
        raise MappingError("stripe needs key_file or key_variable, one of them")
    if ("environment" in found) != ("environment_metadata" in found):
        raise MappingError("stripe.environment and stripe.environment_metadata need each other")
    return StripeSource(**found)


def _absent(found: dict[str, Any]) -> dict[str, str]:
    for name, reason in _known(found, LEDGERS, "absent").items():
        if not isinstance(reason, str) or not reason.strip():
            raise MappingError(f"absent.{name} must be the reason, a text")
    return found


def _table_mapping(name: str, section: dict[str, Any]) -> TableMapping:
    where = f"tables.{name}"
    found = checked(section, keys.TABLE, where)
    select = found.get("select", "").strip().removesuffix(";").strip()
    if not select:
        raise MappingError(f"{where}.select is missing")
    if "\x00" in select:
        raise MappingError(f"{where}.select has a NUL in it")
    unit = _unit(found.get("money", MoneyUnit.MINOR.value), where)
    currency = found.get("currency")
    if currency is not None and minor_digits(currency) is None:
        raise MappingError(f"{where}.currency: {currency!r} is no currency that Stripe knows")
    if MONEY not in columns_of(name) and {"money", "currency"} & set(found):
        raise MappingError(f"{where} has no amounts, so money and currency mean nothing there")
    if unit is MoneyUnit.MAJOR and currency is None and CURRENCY not in columns_of(name):
        raise MappingError(f"{where}.money is major, so {where}.currency must say of what")
    return TableMapping(
        name=name,
        select=select,
        money=unit,
        currency=None if currency is None else currency.lower(),
        translate=_translations(name, found.get("translate", {})),
    )


def _translations(table: str, found: dict[str, Any]) -> dict[str, dict[str, str]]:
    where = f"tables.{table}.translate"
    for column, words in _known(found, columns_of(table), where).items():
        for word, canonical in _table(words, f"{where}.{column}").items():
            known = WORDS.get((table, column))
            if not isinstance(canonical, str):
                raise MappingError(f"{where}.{column}.{word} must be a text")
            if known is not None and canonical not in known:
                raise MappingError(
                    f"{where}.{column}.{word}: {canonical!r} is none of {', '.join(known)}"
                )
    return found


def kafka_of(section: dict[str, Any]) -> KafkaSource:
    """The section `kafka` as a value.

    Raises:
        MappingError: it is none.
    """
    found = checked(section, keys.KAFKA, "kafka")
    if not found.get("bootstrap_servers") or not found.get("topics"):
        raise MappingError("kafka needs bootstrap_servers and topics")
    _see_one_proof(found)
    topics = {
        name: _topic(name, _table(value, f"kafka.topics.{name}"))
        for name, value in found.pop("topics").items()
    }
    groups: dict[str, tuple[str, ...]] = {}
    for group, read in found.pop("groups", {}).items():
        if not isinstance(read, list) or not set(map(str, read)) <= set(topics):
            raise MappingError(f"kafka.groups.{group} must be a list of topics in kafka.topics")
        groups[group] = tuple(read)
    source = KafkaSource(topics=topics, groups=groups, **found)
    _see_one_topic_for_each_type(source)
    if not source.registry_url and any(topic.format != JSON for topic in topics.values()):
        raise MappingError("kafka.registry_url is missing: a topic is in Avro or Protobuf")
    return source


def _see_format(text: str, where: str) -> None:
    if text not in (JSON, AVRO, PROTOBUF):
        raise MappingError(f"{where}.format must be json, avro or protobuf, not {text!r}")


def _see_one_proof(found: dict[str, Any]) -> None:
    """What a broker is shown is said whole, and in one way."""
    own = [name for name in PROOF if name in found]
    if own and "properties_file" in found:
        raise MappingError(
            f"kafka has properties_file and {own[0]}; one of both says what it is shown"
        )
    passwords = [name for name in ("password_file", "password_variable") if name in found]
    if len(passwords) > 1 or bool(passwords) != ("username" in found):
        raise MappingError("kafka.username needs password_file or password_variable, one of them")
    registry = [name for name in REGISTRY_PASSWORDS if name in found]
    if len(registry) > 1 or bool(registry) != ("registry_user" in found):
        raise MappingError(
            f"kafka.registry_user needs {' or '.join(REGISTRY_PASSWORDS)}, one of them"
        )
    if ("certificate_file" in found) != ("key_file" in found):
        raise MappingError("kafka.certificate_file and kafka.key_file need each other")


def _see_one_topic_for_each_type(source: KafkaSource) -> None:
    told = [kind for topic in source.topics.values() for kind in set(topic.types.values())]
    twice = sorted({kind for kind in told if told.count(kind) > 1})
    if twice:
        raise MappingError(f"kafka.topics: {', '.join(twice)} is in two topics; where is it asked?")


def _topic(name: str, section: dict[str, Any]) -> TopicMapping:
    where = f"kafka.topics.{name}"
    found = checked(section, keys.TOPIC, where)
    for key in ("event_id", "event_type"):
        if key not in found:
            raise MappingError(f"{where}.{key} is missing")
    for key, value in found.items():
        problem = problem_of(value) if key in PATHS else None
        if problem is not None:
            raise MappingError(f"{where}.{key}: {problem}")
    unit = _unit(found.pop("money", MoneyUnit.MINOR.value), where)
    _see_format(found.get("format", JSON), where)
    types = found.pop("types", {})
    known = [kind.value for kind in EventType]
    for word, kind in types.items():
        if kind not in known:
            raise MappingError(f"{where}.types.{word}: {kind!r} is none of {', '.join(known)}")
    return TopicMapping(money=unit, types=types, **found)


def _unit(text: str, where: str) -> MoneyUnit:
    if text not in {one.value for one in MoneyUnit}:
        raise MappingError(f"{where}.money must be minor or major, not {text!r}")
    return MoneyUnit(text)


def checked(
    found: dict[str, Any], section: str, where: str, *, others: Iterable[str] = ()
) -> dict[str, Any]:
    """The section, if it has known keys of the right types alone."""
    known = keys.keys_of(section)
    for name, value in _known(found, (*known, *others), where).items():
        kind = known[name].kind
        is_right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not is_right or (kind is int and value < 1):
            place = f"{where}.{name}" if where else name
            raise MappingError(f"{place} must be {keys.KINDS[kind]}")
    return found


def _known(found: dict[str, Any], names: Iterable[str], where: str) -> dict[str, Any]:
    possible = tuple(names)
    for name in found:
        if name not in possible:
            place = f"{where}.{name}" if where else name
            near = get_close_matches(name, possible, n=1, cutoff=0.5)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(possible)}"
            raise MappingError(f"{place} is unknown; {advice}")
    return found


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MappingError(f"{where} must be a table")
    return value
