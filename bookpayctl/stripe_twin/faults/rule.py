"""A fault as data: what it matches, what it does, how often. Pure."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from bookpayctl.stripe_twin.documents import Json

RequestAction = Literal[
    "reject",
    "saved_500",
    "execute_then_500",
    "execute_then_cut",
    "execute_then_timeout",
    "execute_then_truncate",
    "execute_then_html",
    "execute_then_empty",
    "slow",
    "rate_limit",
    "lock_timeout",
    "latency",
]
WebhookAction = Literal[
    "webhook_drop",
    "webhook_fail",
    "webhook_duplicate",
    "webhook_delay",
    "webhook_reorder",
    "webhook_wrong_secret",
    "webhook_unsigned",
    "webhook_v0_only",
    "webhook_stale",
    "webhook_future",
    "webhook_other_account",
    "webhook_livemode",
    "webhook_huge",
    "webhook_thin",
    "webhook_not_utf8",
]
REQUEST_ACTIONS: tuple[str, ...] = get_args(RequestAction)
WEBHOOK_ACTIONS: tuple[str, ...] = get_args(WebhookAction)

RequestStage = Literal["admission", "execution", "answer"]
# Where on the way of a request an action can act. A fault is drawn there and not before, so that a
# hit on record always did something: a request that is refused never reaches its execution.
STAGE_OF_ACTION: dict[str, RequestStage] = {
    "reject": "admission",
    "rate_limit": "admission",
    "lock_timeout": "admission",
    "latency": "admission",
    "saved_500": "execution",
    "execute_then_500": "execution",
    "slow": "execution",
    "execute_then_cut": "answer",
    "execute_then_timeout": "answer",
    "execute_then_truncate": "answer",
    "execute_then_html": "answer",
    "execute_then_empty": "answer",
}

# Numbers that an action takes, with what holds when they are not given.
DEFAULTS: dict[str, dict[str, float]] = {
    "reject": {"status": 503},
    "execute_then_timeout": {"seconds": 60},
    "execute_then_truncate": {"bytes": 40},
    "execute_then_html": {"status": 200},
    "execute_then_cut": {"reset": 1},
    "slow": {"seconds": 2},
    "latency": {"milliseconds": 100, "jitter_milliseconds": 0, "p99_milliseconds": 0},
    "webhook_duplicate": {"copies": 2},
    "webhook_delay": {"seconds": 5},
    "webhook_reorder": {"window": 3},
    "webhook_stale": {"seconds": 600},
    "webhook_future": {"seconds": 600},
    "webhook_huge": {"bytes": 2_000_000},
}


class FaultRefusedError(ValueError):
    """The definition of a fault makes no sense; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a fault applies to; a field that is None matches everything.

    Attributes:
        path: equal to the request's path, or a prefix of it when it ends in `*`.
        payment_method: of the request's parameters, the token or id as sent.
        event_type: of a webhook, with `*` at the end for a prefix.
    """

    method: str | None = None
    path: str | None = None
    key: str | None = None
    payment_method: str | None = None
    event_type: str | None = None
    endpoint_id: str | None = None
    account: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def request(self, subject: "RequestSubject") -> bool:
        """Whether a request is meant."""
        return (
            self.method in (None, subject.method)
            and _like(self.path, subject.path)
            and self.key in (None, subject.key)
            and self.payment_method in (None, subject.payment_method)
            and self.account in (None, subject.account)
            and _within(self.metadata, subject.metadata)
        )

    def webhook(self, subject: "WebhookSubject") -> bool:
        """Whether a delivery is meant."""
        return (
            _like(self.event_type, subject.event_type)
            and self.endpoint_id in (None, subject.endpoint_id)
            and self.account in (None, subject.account)
            and _within(self.metadata, subject.metadata)
        )


@dataclass(frozen=True, slots=True)
class RequestSubject:
    """What of a request can be matched."""

    method: str
    path: str
    key: str | None
    payment_method: str | None
    metadata: Mapping[str, str]
    account: str = ""


@dataclass(frozen=True, slots=True)
class WebhookSubject:
    """What of a delivery can be matched."""

    event_type: str
    endpoint_id: str
    metadata: Mapping[str, str]
    account: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault.

    Attributes:
        count: how many times it acts at most; None is without limit.
        probability: the chance that it acts on a match, drawn from `seed`.
        should_retry: the Stripe-Should-Retry header of the answers it makes up: `true`, `false`,
            `absent`, or None for what Stripe would send.
    """

    action: str
    match: Match
    count: int | None
    probability: float
    seed: int
    numbers: Mapping[str, float]
    should_retry: str | None

    def number(self, name: str) -> float:
        """A number of the action, its default included."""
        return self.numbers.get(name, DEFAULTS.get(self.action, {}).get(name, 0.0))

    def strikes(self, draw: int) -> bool:
        """Whether the draw of this ordinal hits; the same seed gives the same sequence."""
        if self.probability >= 1.0:
            return True
        # A generator for each draw: how many other requests came in between changes nothing.
        return random.Random(f"{self.seed}:{draw}").random() < self.probability


_FIELDS = ("action", "match", "count", "probability", "seed", "numbers", "should_retry")
_MATCH_TEXTS = (
    *("method", "path", "key", "payment_method", "event_type", "endpoint_id", "account"),
)


def parse_rule(document: Mapping[str, Json]) -> Rule:
    """Read the definition that the control API takes.

    Raises:
        FaultRefusedError: it names unknown fields or actions, or its values make no sense.
    """
    # A misspelt field would be a fault that never acts, and a drill that passes for nothing.
    unknown = set(document) - set(_FIELDS)
    if unknown:
        raise FaultRefusedError(f"unknown field {sorted(unknown)[0]!r}; known: {_FIELDS}")
    action = document.get("action")
    if not isinstance(action, str) or action not in REQUEST_ACTIONS + WEBHOOK_ACTIONS:
        raise FaultRefusedError(
            f"unknown action {action!r}; known: {', '.join(REQUEST_ACTIONS + WEBHOOK_ACTIONS)}"
        )
    count = document.get("count")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise FaultRefusedError("count must be a whole number of at least 1")
    probability = document.get("probability", 1.0)
    if not isinstance(probability, int | float) or not 0 < probability <= 1:
        raise FaultRefusedError("probability must be above 0 and at most 1")
    seed = document.get("seed", 0)
    if not isinstance(seed, int):
        raise FaultRefusedError("seed must be a whole number")
    should_retry = document.get("should_retry")
    if should_retry not in (None, "true", "false", "absent"):
        raise FaultRefusedError("should_retry must be true, false or absent")
    return Rule(
        action=action,
        match=_parse_match(document.get("match")),
        count=count,
        probability=float(probability),
        seed=seed,
        numbers=_parse_numbers(action, document.get("numbers")),
        should_retry=should_retry,
    )


def _parse_match(document: Json) -> Match:
    if document is None:
        return Match()
    if not isinstance(document, dict) or set(document) - {*_MATCH_TEXTS, "metadata"}:
        raise FaultRefusedError(f"match takes {', '.join(_MATCH_TEXTS)} and metadata")
    texts: dict[str, str] = {}
    for name in _MATCH_TEXTS:
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            raise FaultRefusedError(f"match.{name} must be a string")
        if value is not None:
            texts[name] = value
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise FaultRefusedError("match.metadata must be an object of strings")
    return Match(
        method=texts.get("method"),
        path=texts.get("path"),
        key=texts.get("key"),
        payment_method=texts.get("payment_method"),
        event_type=texts.get("event_type"),
        endpoint_id=texts.get("endpoint_id"),
        account=texts.get("account"),
        metadata={name: str(value) for name, value in metadata.items()},
    )


def _parse_numbers(action: str, document: Json) -> dict[str, float]:
    if document is None:
        return {}
    known = DEFAULTS.get(action, {})
    if not isinstance(document, dict) or set(document) - set(known):
        listed = ", ".join(known) or "none"
        raise FaultRefusedError(f"numbers of {action}: {listed}")
    numbers: dict[str, float] = {}
    for name, value in document.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise FaultRefusedError(f"numbers.{name} must be a number of at least 0")
        numbers[name] = float(value)
    return numbers


def _like(pattern: str | None, text: str) -> bool:
    if pattern is None:
        return True
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return pattern == text


def _within(wanted: Mapping[str, str], present: Mapping[str, str]) -> bool:
    return all(present.get(name) == value for name, value in wanted.items())
