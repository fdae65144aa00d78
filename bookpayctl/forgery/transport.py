"""Cases about the request as such: W20 to W22 and W44. What is signed here is signed well."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from typing import Final

from bookpayctl.clients.raw_http import RawRequest
from bookpayctl.forgery.case import (
    BODY_INVALID,
    BODY_TOO_LARGE,
    JSON_TYPE,
    MEDIA_TYPE,
    METHOD,
    METHOD_OF_HEAD,
    PATH,
    RECEIVED,
    SIGNATURE_INVALID,
    SLOW_BODY,
    STORED,
    Case,
    Expected,
    ForgeryInput,
    Post,
    Variant,
    encode,
    encoded,
    head,
    honest,
)

BODY_BYTES_MAX: Final = 1024 * 1024
CHUNKED: Final = "Transfer-Encoding: chunked"


def _of_post(m: ForgeryInput, name: str, post: Post, *expected: Expected) -> Variant:
    return Variant(name, name, encode(m, post), expected)


def _signed(m: ForgeryInput, name: str, *expected: Expected, **parts: object) -> Variant:
    """An honest event in a request that is not."""
    body = encoded()
    return _of_post(m, name, Post(body, (m.sign(body),), **parts), *expected)  # type: ignore[arg-type]


def _methods(m: ForgeryInput) -> list[Variant]:
    return [
        _signed(m, method, METHOD_OF_HEAD if method == "HEAD" else METHOD, method=method)
        for method in ("GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH")
    ]


def _media_types(m: ForgeryInput) -> list[Variant]:
    packed = gzip.compress(encoded())
    named = {
        "text/plain": ("Content-Type: text/plain",),
        "a form": ("Content-Type: application/x-www-form-urlencoded",),
        "no type": (),
        "two types": (*JSON_TYPE, "Content-Type: text/plain"),
        "an encoding": (*JSON_TYPE, "Content-Encoding: gzip"),
    }
    return [
        *[_signed(m, name, MEDIA_TYPE, headers=headers) for name, headers in named.items()],
        _of_post(
            m, "gzip, signed as it is sent",
            Post(packed, (m.sign(packed),), headers=(*JSON_TYPE, "Content-Encoding: gzip")),
            MEDIA_TYPE,
        ),
    ]  # fmt: skip


def _with_charset(m: ForgeryInput) -> list[Variant]:
    body = encoded()
    post = Post(body, (m.sign(body),), headers=("Content-Type: application/json; charset=utf-8",))
    return [Variant("a charset beside the type", "as Stripe sends it",
                    encode(m, post), (RECEIVED,), STORED)]  # fmt: skip


def _sizes(m: ForgeryInput) -> list[Variant]:
    giant = b" " * (BODY_BYTES_MAX + 1)
    body = encoded()
    signature = (m.sign(body),)
    longer = Post(body, signature, framing=(f"Content-Length: {len(body) + 10}",))
    shorter = Post(body, signature, framing=(f"Content-Length: {len(body) - 10}",))
    negative = Post(body, signature, framing=("Content-Length: -1",))
    twice = Post(body, signature, framing=(f"Content-Length: {len(body)}", "Content-Length: 1"))
    cut = encode(m, longer)
    return [
        _of_post(m, "one byte over 1 MiB", Post(giant, (m.sign(giant),)), BODY_TOO_LARGE),
        Variant("1 TiB declared, nothing sent", "a Content-Length of 1 TiB",
                _only_head(m, Post(body, signature, framing=(f"Content-Length: {2**40}",))),
                (BODY_TOO_LARGE,)),
        Variant("chunks without end", "chunks of 64 KiB until somebody objects",
                RawRequest(body, lambda: _endless(m, signature)), (BODY_TOO_LARGE,)),
        Variant("more declared than sent, then closed", "10 bytes short",
                RawRequest(body, cut.pieces, half_close=True), (BODY_INVALID, SIGNATURE_INVALID)),
        _of_post(m, "less declared than sent", shorter, SIGNATURE_INVALID, BODY_INVALID),
        _of_post(m, "a negative length", negative, BODY_INVALID),
        _of_post(m, "two lengths that differ", twice, BODY_INVALID),
    ]  # fmt: skip


def _slow(m: ForgeryInput) -> list[Variant]:
    body = encoded()
    post = Post(body, (m.sign(body),))

    def drops() -> Iterator[bytes]:
        yield head(m, post)
        for n in range(len(body)):
            yield body[n : n + 1]

    silent = Post(body, (m.sign(body),), framing=(f"Content-Length: {len(body)}",))
    return [
        Variant("a byte a second", "an honest event, one byte a second",
                RawRequest(body, drops, pause_seconds=1.0), (SLOW_BODY,)),
        Variant("a head and nothing more", "an honest head, then silence",
                _only_head(m, silent), (SLOW_BODY,)),
        Variant("half a head", "half a request line, then silence",
                RawRequest(body, lambda: [b"POST /stri"]), (SLOW_BODY,)),
    ]  # fmt: skip


def _only_head(m: ForgeryInput, post: Post) -> RawRequest:
    return RawRequest(post.body, lambda: [head(m, post)])


def _endless(m: ForgeryInput, signature: tuple[str, ...]) -> Iterator[bytes]:
    yield head(m, Post(b"", signature, framing=(CHUNKED,)))
    # An end after all, for a receiver that never objects: four times what it may take.
    for _ in range(4 * BODY_BYTES_MAX // 65_536):
        yield b"10000\r\n" + b" " * 65_536 + b"\r\n"


def _other_paths(m: ForgeryInput) -> list[Variant]:
    first, _, last = m.path.strip("/").partition("/")
    paths = (
        *(f"{m.path}/", f"/{m.path}", f"/{first}//{last}", f"{m.path}/..;/", f"{m.path}..;/"),
        *(f"/{first}/%2e/{last}", f"/{first}%2f{last}", f"/x/..%2f{first}/{last}"),
        *(f"/{first}/./{last}", f"/x/../{first}/{last}", f"{m.path}%00", f"{m.path};a=b"),
        *("/", "/webhooks/stripe", f"{m.path.upper()}", "/docs", "/admin"),
    )
    return [_signed(m, f"the path {path}", PATH, BODY_INVALID, target=path) for path in paths]


def _hosts(m: ForgeryInput) -> list[Variant]:
    either = (PATH, BODY_INVALID)
    hosts: dict[str, tuple[str, ...]] = {
        "another host": ("evil.example",),
        "no host": (),
        "two hosts": (m.host, "evil.example"),
        "a host with a user": (f"{m.host}@evil.example",),
        "a host with a path": (f"{m.host}/x",),
        "an empty host": ("",),
    }
    absolute = {
        "an absolute target elsewhere": f"http://evil.example{m.path}",
        "an absolute target here": f"http://{m.host}{m.path}",
    }
    return [
        *[_signed(m, name, *either, hosts=lines) for name, lines in hosts.items()],
        *[_signed(m, name, *either, target=target) for name, target in absolute.items()],
    ]


def _smuggled(m: ForgeryInput) -> list[Variant]:
    """A second, honest request hidden in the first one's body: neither may be believed."""
    inner_body = encoded()
    inner = b"".join(honest(m, inner_body).pieces())

    def hidden(framing: tuple[str, ...], body: bytes) -> RawRequest:
        post = Post(body, (m.sign(body),), framing=framing)
        raw = head(m, post) + body
        return RawRequest(inner_body, lambda: [raw])

    ended = b"0\r\n\r\n" + inner
    both = (f"Content-Length: {len(ended)}", CHUNKED)
    return [
        Variant("both lengths", "Content-Length and Transfer-Encoding, a request behind the end",
                hidden(both, ended), (BODY_INVALID,)),
        Variant("both lengths, the other way", "Transfer-Encoding first, then Content-Length",
                hidden(both[::-1], ended), (BODY_INVALID,)),
        Variant("an encoding that is none", "Transfer-Encoding: xchunked",
                hidden(("Transfer-Encoding: xchunked",), ended), (BODY_INVALID,)),
        Variant("a disguised encoding", "Transfer-Encoding : chunked",
                hidden((f"Content-Length: {len(ended)}", "Transfer-Encoding : chunked"), ended),
                (BODY_INVALID,)),
        Variant("a chunk size that is none", "a chunk of size 0x5",
                hidden((CHUNKED,), b"0x5\r\nhello\r\n" + ended), (BODY_INVALID,)),
        Variant("a folded header", "an obsolete line folding before the length",
                hidden(("X-Note: a", " b", f"Content-Length: {len(ended)}"), ended),
                (BODY_INVALID,)),
    ]  # fmt: skip


def _everywhere(m: ForgeryInput) -> Iterable[Variant]:
    return [*_other_paths(m), *_hosts(m), *_smuggled(m)]


CASES: Final = (
    Case("W20", "another method", _methods),
    Case("W21", "another type of body", lambda m: [*_media_types(m), *_with_charset(m)]),
    Case("W22", "a size or a pace that lies", lambda m: [*_sizes(m), *_slow(m)]),
    Case("W44", "another way in", lambda m: list(_everywhere(m))),
)
