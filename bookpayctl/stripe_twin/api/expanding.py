"""Replaces ids by the objects they name, where `expand[]` asks for it."""

from collections.abc import Mapping
from typing import cast

from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.balance import as_of
from bookpayctl.stripe_twin.resources.kinds import public
from bookpayctl.stripe_twin.resources.payment_method import as_source

# Stripe's limit. Source: docs.stripe.com/api/expanding_objects.
_DEPTH_MAX = 4
_EXPANDABLE = frozenset(
    {
        "balance_transaction",
        "charge",
        "customer",
        "data",
        "default_source",
        "failure_balance_transaction",
        "latest_charge",
        "payment_intent",
        "payment_method",
        "source",
    }
)

# Fields that an object has only once there is something to say.
_NOT_ALWAYS_THERE = frozenset({"failure_balance_transaction", "balance_transaction"})


def expand(work: Work, document: Mapping[str, object], paths: list[str]) -> Mapping[str, object]:
    """The document with each path expanded.

    Raises:
        ApiError: 400 for a path that is too deep or names nothing that can be expanded.
    """
    expanded = document
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEPTH_MAX:
            raise invalid(
                f"You cannot expand more than {_DEPTH_MAX} levels of a property. Property: {path}",
                code="property_expansion_max_depth",
                param="expand",
            )
        if any(part not in _EXPANDABLE for part in parts):
            raise _not_expandable(path)
        if parts[0] not in document and parts[0] not in _NOT_ALWAYS_THERE:
            raise _not_expandable(path)
        expanded = _expand_one(work, expanded, parts)
    return expanded


def _not_expandable(path: str) -> ApiError:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")


def _expand_one(
    work: Work, document: Mapping[str, object], parts: list[str]
) -> Mapping[str, object]:
    name, rest = parts[0], parts[1:]
    value = document.get(name)
    if isinstance(value, str):
        # What does not exist stays an id instead of making a 404: the caller asked for the object
        # around it.
        found = work.look(value)
        if found is not None:
            value = as_source(found) if name == "default_source" else as_of(public(found), work.now)  # type: ignore[arg-type] # a stored payment method
    if isinstance(value, list):
        value = [_expand_one(work, item, rest) if rest else item for item in value]
    elif isinstance(value, dict) and rest:
        value = _expand_one(work, cast(Mapping[str, object], value), rest)
    return {**document, name: value} if name in document else document
