"""Refusals of our HTTP APIs as RFC 9457 problem documents with a stable `code`.

A fixed sentence per code; nothing of the input is echoed, so a refusal can carry nobody's secret
and no log or page can be written through it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from runtime.adapters.http.wire import WireAnswers, WireRefusal

CONTENT_TYPE: Final = "application/problem+json"

SHARED: Final[dict[str, tuple[int, str]]] = {
    "unauthorized": (401, "a valid bearer token is needed"),
    "not_found": (404, "there is nothing here"),
    "method_not_allowed": (405, "this path does not take that method"),
    "request_timeout": (408, "the request took too long to arrive"),
    "body_too_large": (413, "the body is larger than 64 KiB"),
    "content_type": (415, "the body must be application/json, unencoded"),
    "head_too_large": (431, "the request has too many headers, or too large ones"),
    "request_malformed": (400, "this is no sound HTTP request"),
    "internal": (500, "the service failed in a way it did not foresee"),
}
"""Status and sentence of the codes every API of ours has."""

RETRY_AFTER_SECONDS: Final = 1


class HttpProblem(Exception):  # noqa: N818 - the field's word
    """A refusal; raised by the request's code, rendered at one place.

    Args:
        retry_after_seconds: when to come again; 503 and 429 always say so.
        extra: headers of this refusal alone.
    """

    def __init__(
        self,
        code: str,
        status: int,
        title: str,
        *,
        retry_after_seconds: int = RETRY_AFTER_SECONDS,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.title = title
        self.retry_after_seconds = retry_after_seconds
        self.extra = dict(extra or {})

    def body(self) -> bytes:
        """The application/problem+json document."""
        document = {
            # A name and no address: there is no page that it would have to lead to.
            "type": f"urn:bookpay:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        return json.dumps(document).encode()

    def headers(self) -> dict[str, str]:
        match self.status:
            # Clients that are turned away without a time come back at once, all of them.
            case 503 | 429:
                return {"Retry-After": str(self.retry_after_seconds), **self.extra}
            # RFC 9110, 11.6.1: a 401 names the scheme it wants.
            case 401:
                return {"WWW-Authenticate": "Bearer", **self.extra}
            case _:
                return self.extra


def render(problem: HttpProblem) -> Response:
    return Response(problem.body(), problem.status, problem.headers(), CONTENT_TYPE)


def _shared_body(code: str) -> bytes:
    return HttpProblem(code, *SHARED[code]).body()


WIRE_ANSWERS: Final = WireAnswers(
    CONTENT_TYPE,
    {
        WireRefusal.MALFORMED: _shared_body("request_malformed"),
        WireRefusal.SLOW: _shared_body("request_timeout"),
        WireRefusal.HEAD_TOO_LARGE: _shared_body("head_too_large"),
    },
)

# Which headers a status carries, for OpenAPI documents.
_HEADERS: Final = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}


def openapi_answers(titles: Mapping[str, tuple[int, str]], *statuses: int) -> dict[str, Any]:
    """OpenAPI responses for these statuses, each naming exactly the codes it can carry."""
    return {str(status): _openapi_answer(titles, status) for status in sorted(statuses)}


def _openapi_answer(titles: Mapping[str, tuple[int, str]], status: int) -> dict[str, Any]:
    # Each status lists its codes: a client that knows them all can be written from the document.
    codes = sorted(code for code, (of_code, _) in titles.items() if of_code == status)
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "code"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "enum": [f"urn:bookpay:problem:{code}" for code in codes]},
            "title": {"type": "string"},
            "status": {"const": status},
            "code": {"type": "string", "enum": codes},
        },
    }
    answer: dict[str, Any] = {
        "description": ", ".join(codes),
        "content": {CONTENT_TYPE: {"schema": schema}},
    }
    if status in _HEADERS:
        # A header that may be left out could not be told from one that was forgotten.
        answer["headers"] = {_HEADERS[status]: {"required": True, "schema": {"type": "string"}}}
    return answer
