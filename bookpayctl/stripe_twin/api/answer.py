"""What a handler gives back, and the type that every handler has."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from bookpayctl.stripe_twin.api.parameters import Parameters
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import public


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A status and the document to show with it."""

    status: int
    document: Mapping[str, object]


# A handler gets the unit of work, the checked parameters and the id in the path ("" if none).
ApiHandler: TypeAlias = Callable[[Work, Parameters, str], ApiAnswer]
# A search looks it up in a thread, so that nobody else waits for it; it changes nothing.
Search: TypeAlias = Callable[[Work, Parameters, str], Awaitable[ApiAnswer]]


def shown(document: object) -> ApiAnswer:
    """200 with an object, without its private fields."""
    return ApiAnswer(200, public(cast(Mapping[str, object], document)))


def declined(work: Work, error: Mapping[str, object]) -> ApiAnswer:
    """402: the request was carried out, and the bank said no; what it left behind stays."""
    # The only trace of the request in the body, and so in what is replayed: it names the first
    # request even when a second one is answered.
    log = f"https://dashboard.stripe.com/test/logs/{work.origin.request_id}"
    return ApiAnswer(402, {"error": {**error, "request_log_url": log}})
