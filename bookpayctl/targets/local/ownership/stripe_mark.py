"""Whose a name is at Stripe: a customer object, without a card, that says which environment it is.

Objects at Stripe carry `metadata.env`, the environment's name, so two environments of one name in
one account would settle each other's payments. Other names in the same account are apart. A
Stripe that remembers nothing (stripe-mock), or whose key may not see customers, cannot be asked,
and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from bookpayctl.clients.http import HttpAnswer, ask
from bookpayctl.targets.local.ownership.claim import (
    Claimant,
    claimant_of,
    refused,
    refused_by_signs,
)

_SECONDS: Final = 10.0

# Metadata of the mark. Not `env`, which is for what moves money.
_PREFIX: Final = "bookpay_"
_RELEASED: Final = "bookpay_released"

_REMEDY: Final = "delete its customer `bookpay environment` at Stripe"


class _CannotTellError(RuntimeError):
    """This Stripe does not answer the question."""


def look(api_base: str, key: str, ours: Claimant, *, known: bool) -> str:
    """Whether another environment has our name there; what could not be asked, else empty.

    Raises:
        OwnedByAnotherError: one has.
    """
    try:
        _look(api_base, key, ours, known=known)
    except _CannotTellError as error:
        return f"whose the name {ours.name!r} is there cannot be asked: {error}"
    return ""


def claim(api_base: str, key: str, ours: Claimant, *, known: bool) -> str:
    """Make our name ours there, unless it is another's; what could not be done, else empty.

    Raises:
        OwnedByAnotherError: it is, or another was first.
    """
    try:
        if _look(api_base, key, ours, known=known):
            return ""
        made = _make(api_base, key, ours)
        owner = _owner(_marks(api_base, key, ours))
        if owner is not None and owner.environment_id != ours.environment_id:
            # Another made its mark before ours.
            _release(api_base, key, str(made.get("id")))
            raise refused(_named(api_base, ours), owner, _REMEDY)
    except _CannotTellError as error:
        return f"whose the name {ours.name!r} is there cannot be asked: {error}"
    return ""


def take(api_base: str, key: str, ours: Claimant) -> str:
    """Write down at our own twin that our name is ours; what could not be done, else empty."""
    try:
        for mark in _marks(api_base, key, ours):
            if _RELEASED not in mark["metadata"]:
                if _claimant(mark) == ours:
                    return ""
                _release(api_base, key, str(mark["id"]))
        _make(api_base, key, ours)
    except _CannotTellError as error:
        return f"the name {ours.name!r} could not be marked there: {error}"
    return ""


def release(api_base: str, key: str, ours: Claimant) -> None:
    """Give our name back; harmless when it is not ours, or cannot be asked about."""
    try:
        for mark in _marks(api_base, key, ours):
            found = _claimant(mark)
            if found is not None and found.environment_id == ours.environment_id:
                _release(api_base, key, str(mark["id"]))
    except _CannotTellError:
        # What was never marked needs no release.
        return


def _look(api_base: str, key: str, ours: Claimant, *, known: bool) -> bool:
    """Whether the name is ours already; False when it is nobody's."""
    marks = _marks(api_base, key, ours)
    owner = _owner(marks)
    if owner is not None and owner.environment_id != ours.environment_id:
        raise refused(_named(api_base, ours), owner, _REMEDY)
    # Whoever gave the name back has left its PaymentIntents behind.
    if not marks and not known and _has_payments(api_base, key, ours.name):
        raise refused_by_signs(
            _named(api_base, ours),
            "there are PaymentIntents with this metadata.env",
            "give this environment another name with --name",
        )
    return owner is not None


def _marks(api_base: str, key: str, ours: Claimant) -> list[dict[str, Any]]:
    """The marks of our name, the oldest first."""
    query = urlencode({"email": _email(ours.name), "limit": 100})
    listed = _got(api_base, key, f"/v1/customers?{query}")
    found = listed.get("data")
    if not isinstance(found, list):
        raise _CannotTellError("it answers with no list of customers")
    objects = [entry for entry in found if isinstance(entry, dict)]
    return [entry for entry in reversed(objects) if _claimant(entry) is not None]


def _owner(marks: list[dict[str, Any]]) -> Claimant | None:
    """The first that was not given back."""
    for mark in marks:
        if _RELEASED not in mark["metadata"]:
            return _claimant(mark)
    return None


def _claimant(mark: Mapping[str, Any]) -> Claimant | None:
    metadata = mark.get("metadata")
    if not isinstance(metadata, dict):
        return None
    return claimant_of({name.removeprefix(_PREFIX): text for name, text in metadata.items()})


def _has_payments(api_base: str, key: str, name: str) -> bool:
    """Whether one of the newest hundred PaymentIntents is of our name."""
    answer = _got(api_base, key, "/v1/payment_intents?limit=100")
    found = answer.get("data")
    return any(
        isinstance(entry, dict) and (entry.get("metadata") or {}).get("env") == name
        for entry in (found if isinstance(found, list) else ())
    )


def _make(api_base: str, key: str, ours: Claimant) -> dict[str, Any]:
    form = {
        "email": _email(ours.name),
        "name": "bookpay environment",
        f"metadata[{_PREFIX}environment_id]": ours.environment_id,
        f"metadata[{_PREFIX}name]": ours.name,
        # Stripe keeps 500 characters of a value.
        f"metadata[{_PREFIX}folder]": ours.folder[:500],
        f"metadata[{_PREFIX}host]": ours.host[:500],
    }
    # Counted, so that a claim after a release is another one and not a replay of the first.
    turn = len(_marks(api_base, key, ours))
    made = _posted(api_base, key, "/v1/customers", form, f"claim-{ours.environment_id}-{turn}")
    if _claimant(made) != ours:
        raise _CannotTellError("it does not keep what it is told")
    return made


def _release(api_base: str, key: str, customer_id: str) -> None:
    form = {f"metadata[{_RELEASED}]": "true"}
    _posted(api_base, key, f"/v1/customers/{customer_id}", form, f"release-{customer_id}")


def _email(name: str) -> str:
    """What the list can be filtered by; no mail can be sent there (RFC 2606)."""
    return f"environment-{name}@bookpay.invalid"


def _got(api_base: str, key: str, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    return _object(ask("GET", _url(api_base, path), headers=headers, timeout_seconds=_SECONDS))


def _posted(
    api_base: str, key: str, path: str, form: Mapping[str, str], idempotency_key: str
) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Idempotency-Key": f"bookpay-{idempotency_key}",
    }
    content = urlencode(form).encode()
    url = _url(api_base, path)
    return _object(ask("POST", url, content=content, headers=headers, timeout_seconds=_SECONDS))


def _url(api_base: str, path: str) -> str:
    return f"{api_base.rstrip('/')}{path}"


def _object(answer: HttpAnswer) -> dict[str, Any]:
    if answer.status is None:
        raise _CannotTellError(answer.error)
    if not answer.ok:
        raise _CannotTellError(f"it answers HTTP {answer.status}")
    return answer.object()


def _named(api_base: str, ours: Claimant) -> str:
    return f"the name {ours.name!r} at the Stripe account of {api_base}"
