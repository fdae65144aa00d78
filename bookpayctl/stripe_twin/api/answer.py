"""What a handler gives back, and the type that every handler has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from bookpayctl.stripe_twin.api.parameters import Parameters
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import public


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the document to show with it."""

    status: int
    document: Mapping[str, object]


# A handler gets the unit of work, the checked parameters and the id in the path ("" if none).
Handler: TypeAlias = Callable[[Work, Parameters, str], Answer]


def shown(document: object) -> Answer:
    """200 with an object, without its private fields."""
    return Answer(200, public(cast(Mapping[str, object], document)))
