"""Cases about the header: W01 to W17 and W23 to W28."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bookpayctl.forgery.case import (
    HEAD_TOO_LARGE,
    OUT_OF_TOLERANCE,
    RECEIVED,
    SIGNATURE_INVALID,
    SIGNATURE_MISSING,
    STORED,
    Case,
    Expected,
    ForgeryInput,
    Post,
    RowsLeft,
    Variant,
    encode,
    encoded,
    mac,
)

_ARABIC: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

Header = str | bytes


def _one(
    material: ForgeryInput,
    name: str,
    header: Callable[[bytes], Header | None],
    *expected: Expected,
    left: RowsLeft | None = None,
) -> Variant:
    """A variant with one event of its own and the header made for its body."""
    body = encoded()
    value = header(body)
    lines = () if value is None else (value,)
    accepted = RECEIVED in expected
    return Variant(
        name,
        f"Stripe-Signature {name}",
        encode(material, Post(body, lines)),
        expected,
        left if left is not None else (STORED if accepted else RowsLeft()),
    )


def _stamped(material: ForgeryInput, timestamp: str) -> Callable[[bytes], Header]:
    """Any text as timestamp, correctly signed."""
    return lambda body: f"t={timestamp},v1={material.mac(body, timestamp)}"


def _aged(material: ForgeryInput, offset: int) -> Callable[[bytes], Header]:
    return lambda body: material.sign(body, offset=offset)


def _signed_with(material: ForgeryInput, secret: str) -> Callable[[bytes], Header]:
    now = str(material.now)
    return lambda body: f"t={now},v1={mac(secret, now, body)}"


def _shaped(material: ForgeryInput, shape: Callable[[str], str]) -> Callable[[bytes], Header]:
    return lambda body: f"t={material.now},v1={shape(material.mac(body))}"


def _absent(m: ForgeryInput) -> list[Variant]:
    return [_one(m, "absent", lambda _: None, SIGNATURE_MISSING)]


def _empty(m: ForgeryInput) -> list[Variant]:
    return [_one(m, "empty", lambda _: "", SIGNATURE_MISSING)]


def _garbage(m: ForgeryInput) -> list[Variant]:
    return [
        _one(m, "garbage", lambda _: "garbage", SIGNATURE_INVALID),
        _one(m, "forged as in the chapter", lambda _: "t=1,v1=deadbeef", SIGNATURE_INVALID),
    ]


def _incomplete(m: ForgeryInput) -> list[Variant]:
    return [
        _one(m, "without t", lambda body: f"v1={m.mac(body)}", SIGNATURE_INVALID),
        _one(m, "without v1", lambda _: f"t={m.now}", SIGNATURE_INVALID),
    ]


def _only_v0(m: ForgeryInput) -> list[Variant]:
    return [
        _one(m, "with v0 only", lambda body: f"t={m.now},v0={m.mac(body)}", SIGNATURE_INVALID),
        _one(
            m,
            "with a good v0 and a bad v1",
            lambda body: f"t={m.now},v1={'0' * 64},v0={m.mac(body)}",
            SIGNATURE_INVALID,
        ),
    ]


def _spaced(m: ForgeryInput) -> list[Variant]:
    return [
        _one(
            m,
            "with a space after the comma",
            lambda body: f"t={m.now}, v1={m.mac(body)}",
            SIGNATURE_INVALID,
        )
    ]


def _lenient_integers(m: ForgeryInput) -> list[Variant]:
    texts = {"a space": f" {m.now}", "a plus": f"+{m.now}", "zeros": f"00{m.now}"}
    return [
        _one(m, f"with {name} before t", _stamped(m, text), SIGNATURE_INVALID)
        for name, text in texts.items()
    ]


def _unusual_digits(m: ForgeryInput) -> list[Variant]:
    now = str(m.now)
    return [
        _one(m, "with _ in t", _stamped(m, f"{now[0]}_{now[1:]}"), SIGNATURE_INVALID),
        _one(m, "with Arabic digits in t", _stamped(m, now.translate(_ARABIC)), SIGNATURE_INVALID),
    ]


def _no_integers(m: ForgeryInput) -> list[Variant]:
    texts = {"5,000 digits": "9" * 5000, "a float": f"{m.now}.5", "a negative": f"-{m.now}"}
    return [
        _one(m, f"with {name} as t", _stamped(m, text), SIGNATURE_INVALID)
        for name, text in texts.items()
    ]


def _two_timestamps(m: ForgeryInput) -> list[Variant]:
    return [
        _one(
            m,
            "with a good t and an old one",
            lambda body: f"t={m.now},t={m.now - 400},v1={m.mac(body)}",
            SIGNATURE_INVALID,
        ),
        _one(
            m,
            "with an old t and a good one",
            lambda body: f"t={m.now - 400},t={m.now},v1={m.mac(body)}",
            SIGNATURE_INVALID,
        ),
    ]


def _old(m: ForgeryInput) -> list[Variant]:
    return [
        _one(m, f"{name} old", _aged(m, -by), OUT_OF_TOLERANCE)
        for name, by in {"301 s": 301, "a day": 86_400}.items()
    ]


def _just_in_time(m: ForgeryInput) -> list[Variant]:
    # `now` is cut to whole seconds: one more, so that the age on arrival is below 300.
    return [_one(m, "299 s old", lambda body: m.sign(body, offset=-298), RECEIVED)]


def _future(m: ForgeryInput) -> list[Variant]:
    return [
        # A second more than 301, for the time it is on its way.
        *[
            _one(m, f"{name} ahead", _aged(m, by), OUT_OF_TOLERANCE)
            for name, by in {"301 s": 302, "a year": 31_536_000}.items()
        ],
        _one(m, "299 s ahead", lambda body: m.sign(body, offset=299), RECEIVED),
    ]


def _not_ascii(m: ForgeryInput) -> list[Variant]:
    return [
        _one(m, "with é as v1", lambda _: f"t={m.now},v1=é".encode(), SIGNATURE_INVALID),
        _one(
            m,
            "with a bad byte before a good v1",
            lambda body: b"t=%d,v1=\xff,v1=%s" % (m.now, m.mac(body).encode()),
            SIGNATURE_INVALID,
        ),
    ]


def _good_and_bad(m: ForgeryInput) -> list[Variant]:
    bad = "0" * 64
    return [
        _one(
            m, "with a good v1, then a bad one", lambda body: f"{m.sign(body)},v1={bad}", RECEIVED
        ),
        _one(
            m,
            "with a bad v1, then a good one",
            lambda body: f"t={m.now},v1={bad},v1={m.mac(body)}",
            RECEIVED,
        ),
        _one(m, "with an unknown scheme beside v1", lambda body: f"{m.sign(body)},v9=x", RECEIVED),
    ]


def _giant(m: ForgeryInput) -> list[Variant]:
    def many(count: int) -> Callable[[bytes], Header]:
        return lambda body: ",".join([m.sign(body), *["v1=" + "0" * 64] * count])

    either = (SIGNATURE_INVALID, HEAD_TOO_LARGE)
    return [
        # The timestamp and the good signature are two items more.
        _one(m, "with 17 items", many(15), SIGNATURE_INVALID),
        _one(m, "of 5 KiB", lambda body: f"{m.sign(body)},v1={'0' * 5000}", SIGNATURE_INVALID),
        _one(m, "of 64 KiB", many(960), *either),
        _one(m, "with 10,000 items", many(10_000), *either),
    ]


def _suffix(m: ForgeryInput) -> list[Variant]:
    return [
        _one(m, "with =x after v1", lambda body: f"{m.sign(body)}=x", SIGNATURE_INVALID),
    ]


def _changed(m: ForgeryInput) -> list[Variant]:
    changes: dict[str, Callable[[bytes], bytes]] = {
        "one byte": lambda body: body[:-1] + b" ",
        "a newline at its end": lambda body: body + b"\n",
        "other spacing": lambda body: body.replace(b" ", b""),
    }
    variants = []
    for name, change in changes.items():
        body = encoded()
        post = Post(change(body), (m.sign(body),))
        variants.append(
            Variant(f"changed: {name}", f"a signed body, then {name} changed",
                    encode(m, post), (SIGNATURE_INVALID,))
        )  # fmt: skip
    return variants


def _other_secret(m: ForgeryInput) -> list[Variant]:
    secrets = {
        "another endpoint's secret": "whsec_of_another_endpoint",
        "an empty secret": "",
        "the secret with a newline": m.secret + "\n",
        "the secret without its prefix": m.secret.removeprefix("whsec_"),
    }
    return [
        _one(
            m,
            f"signed with {name}",
            _signed_with(m, secret),
            SIGNATURE_INVALID,
        )
        for name, secret in secrets.items()
        if secret != m.secret
    ]


def _swapped(m: ForgeryInput) -> list[Variant]:
    return [_one(m, "of another body", lambda _: m.sign(encoded()), SIGNATURE_INVALID)]


def _misshapen(m: ForgeryInput) -> list[Variant]:
    shapes: dict[str, Callable[[str], str]] = {
        "empty": lambda _: "",
        "63 hex": lambda good: good[:-1],
        "65 hex": lambda good: good + "0",
        "upper case": lambda good: good.upper().replace("0", "A", 1),
    }
    return [
        _one(
            m,
            f"with v1 {name}",
            _shaped(m, shape),
            SIGNATURE_INVALID,
        )
        for name, shape in shapes.items()
    ]


def _twice(m: ForgeryInput) -> list[Variant]:
    body, other = encoded(), encoded()
    return [
        Variant("the same line twice", "two Stripe-Signature lines, both good",
                encode(m, Post(body, (m.sign(body),) * 2)), (SIGNATURE_INVALID,)),
        Variant("a good line and an empty one", "a good line, then an empty one",
                encode(m, Post(other, (m.sign(other), ""))), (SIGNATURE_INVALID,)),
    ]  # fmt: skip


def _unsigned_bytes(m: ForgeryInput) -> list[Variant]:
    body = b"\xff\xfe\xfa"
    return [
        Variant("not UTF-8, not signed", "bytes that are no UTF-8 under another body's signature",
                encode(m, Post(body, (m.sign(b"{}"),))), (SIGNATURE_INVALID,))
    ]  # fmt: skip


CASES: Final = (
    Case("W01", "no signature", _absent),
    Case("W02", "an empty signature", _empty),
    Case("W03", "garbage for a signature", _garbage),
    Case("W04", "no timestamp, or no v1", _incomplete),
    Case("W05", "only the fake scheme v0", _only_v0),
    Case("W06", "a space in the header", _spaced),
    Case("W07", "a timestamp only int() reads", _lenient_integers),
    Case("W08", "a timestamp in other digits", _unusual_digits),
    Case("W09", "a timestamp that is no count", _no_integers),
    Case("W10", "two timestamps", _two_timestamps),
    Case("W11", "a genuine event, too old", _old),
    Case("W12", "a genuine event, just in time", _just_in_time),
    Case("W13", "a genuine event from the future", _future),
    Case("W14", "a signature that is not ASCII", _not_ascii),
    Case("W15", "a good v1 beside a bad one", _good_and_bad),
    Case("W16", "a giant signature", _giant),
    Case("W17", "a suffix on a good v1", _suffix),
    Case("W23", "a body changed after signing", _changed),
    Case("W24", "another secret", _other_secret),
    Case("W25", "another body's signature", _swapped),
    Case("W26", "a misshapen v1", _misshapen),
    Case("W27", "the header twice", _twice),
    Case("W28", "unsigned bytes", _unsigned_bytes),
)
