"""Cases about a signed body: W18, W19 and W29 to W39."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from bookpayctl.forgery.case import (
    BODY_INVALID,
    NOTHING,
    QUARANTINED,
    RECEIVED,
    STORED,
    STORED_AND_QUARANTINED,
    Case,
    Expected,
    ForgeryInput,
    RowsLeft,
    Variant,
    encoded,
    honest,
)


def _signed(
    m: ForgeryInput, bodies: Mapping[str, bytes], expected: Expected, left: RowsLeft
) -> list[Variant]:
    return [
        Variant(name, f"signed: {name}", honest(m, body), (expected,), left)
        for name, body in bodies.items()
    ]


def _replayed(m: ForgeryInput) -> list[Variant]:
    request = honest(m, encoded())
    return [
        Variant("an exact replay", "one signed event, twice", request, (RECEIVED,), STORED,
                before=(request,))
    ]  # fmt: skip


def _same_id(m: ForgeryInput) -> list[Variant]:
    first = encoded()
    second = encoded(id=json.loads(first)["id"], note="other")
    return [
        Variant("the same id, another body", "two signed events with one id",
                honest(m, second), (RECEIVED,), QUARANTINED, before=(honest(m, first),))
    ]  # fmt: skip


def _not_utf8(m: ForgeryInput) -> list[Variant]:
    broken = {"bytes that are no UTF-8": b"\xff\xfe\xfa", "cut UTF-8": encoded(note="é")[:-2]}
    broken["cut UTF-8"] = json.dumps({"note": "é"}, ensure_ascii=False).encode()[:-3]
    return _signed(m, broken, BODY_INVALID, NOTHING)


def _byte_order_mark(m: ForgeryInput) -> list[Variant]:
    return _signed(m, {"a BOM": b"\xef\xbb\xbf" + encoded()}, BODY_INVALID, NOTHING)


def _no_object(m: ForgeryInput) -> list[Variant]:
    # Their own text would not tell this sending's row from an earlier one's.
    stamp = time.time_ns() % 2**50
    bodies = {
        "[]": b"[ ]" + b" " * (stamp % 97),
        "null": b"null" + b" " * (stamp % 89),
        "a number": b"%d" % stamp,
        "a text": b'"%d"' % stamp,
        "true": b"true" + b" " * (stamp % 83),
    }
    return _signed(m, bodies, RECEIVED, QUARANTINED)


def _deep(m: ForgeryInput) -> list[Variant]:
    bodies = {
        f"{what} {depth:,} deep": opening * depth + filling + closing * depth
        for what, opening, filling, closing in (
            ("arrays", b"[", b"", b"]"),
            ("objects", b'{"a":', b"1", b"}"),
        )
        for depth in (5_000, 100_000)
    }
    return _signed(m, {**bodies, "arrays never closed": b"[" * 100_000}, BODY_INVALID, NOTHING)


def _loose_json(m: ForgeryInput) -> list[Variant]:
    bodies = {
        "NaN": b'{"a":NaN}',
        "Infinity": b'{"a":-Infinity}',
        "a name twice": b'{"id":"evt_1","id":"evt_2"}',
        "a name twice, inside": b'{"data":{"object":1,"object":2}}',
        "cut": encoded()[:-1],
        "nothing": b"",
        "junk behind": encoded() + b"{}",
    }
    return _signed(m, bodies, BODY_INVALID, NOTHING)


def _giant_integer(m: ForgeryInput) -> list[Variant]:
    bodies = {
        "an integer of 5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
        "an integer beyond 2**53": b'{"a":9007199254740993}',
    }
    return _signed(m, bodies, BODY_INVALID, NOTHING)


def _unstorable(m: ForgeryInput) -> list[Variant]:
    bodies = {"NUL": encoded(note="a\x00b"), "half a surrogate pair": encoded(note="\ud800")}
    return _signed(m, bodies, RECEIVED, QUARANTINED)


def _harmless_backslash(m: ForgeryInput) -> list[Variant]:
    # The six characters \u0000 as text are no NUL; an event that quotes them is a good one.
    return _signed(m, {"a quoted escape": encoded(note="\\u0000")}, RECEIVED, STORED)


def _incomplete(m: ForgeryInput) -> list[Variant]:
    lacks: dict[str, dict[str, Any]] = {
        "no id": {"id": None, "n": time.time_ns() % 2**50},
        "an id that is none": {"id": "x", "n": time.time_ns() % 2**50},
        "no type": {"type": None},
        "another object": {"object": "charge"},
        "no data": {"data": None},
        "no object in data": {"data": {"object": []}},
    }
    bodies = {name: encoded(**changes) for name, changes in lacks.items()}
    return _signed(m, bodies, RECEIVED, QUARANTINED)


def _thin(m: ForgeryInput) -> list[Variant]:
    return _signed(m, {"a thin event": encoded(object="v2.core.event")}, RECEIVED, NOTHING)


def _unknown_type(m: ForgeryInput) -> list[Variant]:
    return _signed(m, {"a type nobody knows": encoded(type="nobody.knows")}, RECEIVED, STORED)


def _other_world(m: ForgeryInput) -> list[Variant]:
    worlds: dict[str, dict[str, Any]] = {
        "live mode": {"livemode": True},
        "no word on live mode": {"livemode": None},
        "another account": {"account": "acct_bookpayforge"},
        "a version before PaymentIntents": {"api_version": "2011-01-01"},
        "a version that is none": {"api_version": "latest"},
    }
    bodies = {
        name: encoded(type="payment_intent.succeeded", **changes)
        for name, changes in worlds.items()
    }
    return _signed(m, bodies, RECEIVED, STORED_AND_QUARANTINED)


CASES: Final = (
    Case("W18", "an exact replay", _replayed),
    Case("W19", "one id, two bodies", _same_id),
    Case("W29", "signed bytes that are no UTF-8", _not_utf8),
    Case("W30", "a signed byte order mark", _byte_order_mark),
    Case("W31", "signed JSON that is no object", _no_object),
    Case("W32", "signed JSON, too deep", _deep),
    Case("W33", "signed JSON with two readings", _loose_json),
    Case("W34", "a signed giant integer", _giant_integer),
    Case("W35", "text no database takes", lambda m: [*_unstorable(m), *_harmless_backslash(m)]),
    Case("W36", "no id, type or object", _incomplete),
    Case("W37", "a thin event", _thin),
    Case("W38", "an unknown event type", _unknown_type),
    Case("W39", "an event of another world", _other_world),
)
