"""One execution as a unit: it reads current objects, and all it writes counts together or not.

A handler saves objects, emits events and records executions here. Nothing reaches the ledger
before `commit`, and `commit` puts all of it into one transaction, next to the saved answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

from bookpayctl.stripe_twin.clock import VirtualClock
from bookpayctl.stripe_twin.documents import encode
from bookpayctl.stripe_twin.errors import no_such
from bookpayctl.stripe_twin.ids import IdGenerator
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.accounts import Accounts, ConnectedAccount, row_of
from bookpayctl.stripe_twin.ledger.balances import Balances, Booking, Sums
from bookpayctl.stripe_twin.ledger.endpoints import Endpoints
from bookpayctl.stripe_twin.ledger.search_index import SearchIndex
from bookpayctl.stripe_twin.ledger.store import Column, Ledger
from bookpayctl.stripe_twin.resources import API_VERSION
from bookpayctl.stripe_twin.resources.kinds import WEBHOOK_ENDPOINT, ObjectKind, public

T = TypeVar("T")

# Money is taken by `charge` and `capture`, given back by `refund`, returned by `refund_failed`.
ExecutionKind = Literal[
    "charge",
    "decline",
    "authorization",
    "capture",
    "pending",
    "refund",
    "refund_failed",
    "dispute",
]


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that caused an execution; both null when time caused it."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that will happen to an object at a virtual time."""

    timer_id: str
    account: str
    due_at: float
    action: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event and the endpoints that are to hear of it."""

    event_id: str
    endpoint_ids: tuple[str, ...]


@dataclass(slots=True)
class Produced:
    """What a committed execution leaves for others to act on."""

    events: list[Emitted] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TwinContext:
    """What every execution in this process shares."""

    ledger: Ledger
    clock: VirtualClock
    ids: IdGenerator
    default_account: str
    accounts: Accounts
    endpoints: Endpoints
    balances: Balances
    search: SearchIndex
    debit_seconds: float
    refund_seconds: float
    dispute_seconds: float
    search_lag_seconds: float


class Work:
    """The unit of work of one execution."""

    def __init__(self, context: TwinContext, account: str, origin: Origin) -> None:
        self.context = context
        self.account = account
        self.origin = origin
        self.now = context.clock.now()
        # Stripe's timestamps are whole seconds. The order within one second is the ledger's own
        # ordinal.
        self.created = int(self.now)
        self._saved: dict[str, tuple[str, Mapping[str, object]]] = {}
        self._rows: list[tuple[str, tuple[Column, ...]]] = []
        self._produced = Produced()
        self._bookings: list[Booking] = []
        self._connected: list[ConnectedAccount] = []

    def new_id(self, kind: ObjectKind[T]) -> str:
        """A new id for an object of this kind."""
        return self.context.ids.new(kind.prefix)

    def find(self, kind: ObjectKind[T], object_id: str) -> T | None:
        """A copy of an object of this account, free to be changed and saved; None if absent."""
        document = self.look(object_id)
        if document is None or document.get("object") != kind.name:
            return None
        # Copied at the top only. What is inside is replaced and never changed in place, so the
        # cached object stays as it was.
        return cast(T, dict(document))

    def look(self, object_id: str) -> Mapping[str, object] | None:
        """An object of this account of any kind, as it is in this unit; not to be changed."""
        saved = self._saved.get(object_id)
        if saved is not None:
            return saved[1]
        document = self.context.ledger.find_object(object_id)
        if document is None:
            return None
        # Of another account means absent: an id must not tell that it exists.
        owner = document.get("twin_account", self.context.default_account)
        return document if owner == self.account else None

    def get(self, kind: ObjectKind[T], object_id: str, param: str = "id") -> T:
        """Like `find`; raises the 404 that names the parameter when there is none."""
        found = self.find(kind, object_id)
        if found is None:
            raise no_such(kind.name, object_id, param)
        return found

    def save(self, kind: ObjectKind[T], document: T) -> None:
        """Make this the object's current state; the document must not be changed afterwards."""
        fields = cast(dict[str, object], document)
        if self.account != self.context.default_account:
            fields["twin_account"] = self.account
        self._saved[str(fields["id"])] = (kind.name, fields)

    def emit(
        self,
        event_type: str,
        document: object,
        previous: Mapping[str, object] | None = None,
    ) -> str:
        """Record an event with the object as it is now, and owe it to the endpoints; its id."""
        subject = cast(Mapping[str, object], document)
        event_id = self.context.ids.new("evt")
        # Decided now: an endpoint that is made later is not owed what happened before it.
        endpoint_ids = self.context.endpoints.subscribers(self.account, event_type)
        content: dict[str, object] = {"object": public(subject)}
        if previous is not None:
            content["previous_attributes"] = dict(previous)
        event: dict[str, object] = {
            "id": event_id,
            "object": "event",
            # Fixed when the event is made, as at Stripe: neither this nor the content ever changes.
            "api_version": API_VERSION,
            "created": self.created,
            "data": content,
            "livemode": False,
            "pending_webhooks": len(endpoint_ids),
            # In every event that a keyed request caused: the second way, beside metadata, to join
            # an event with what it is about. Both are null when time or a bank caused it.
            "request": {
                "id": self.origin.request_id,
                "idempotency_key": self.origin.idempotency_key,
            },
            "type": event_type,
        }
        # Only events of connected accounts name theirs, and a receiver must look before it believes
        # the rest.
        if self.context.accounts.platform_of(self.account) is not None:
            event["account"] = self.account
        row = (
            event_id,
            self.account,
            self.created,
            event_type,
            str(subject.get("id", "")),
            encode(event),
        )
        self._rows.append((schema.ADD_EVENT, row))
        for endpoint_id in endpoint_ids:
            # Owed in the transaction that makes the event: after a crash both are there, or
            # neither.
            self._rows.append((schema.PUT_OUTGOING, (event_id, endpoint_id, 0, self.now, "due")))
        self._produced.events.append(Emitted(event_id, endpoint_ids))
        return event_id

    def emit_change(self, event_type: str, document: object, before: Mapping[str, object]) -> str:
        """Like `emit`, telling what the fields that changed were before."""
        after = cast(Mapping[str, object], document)
        changed = {
            name: before.get(name)
            for name, value in public(after).items()
            if before.get(name) != value
        }
        return self.emit(event_type, document, changed)

    def connect(self, made: ConnectedAccount) -> None:
        """Make an account that belongs to this one."""
        self._connected.append(made)
        self._rows.append((schema.PUT_ACCOUNT, row_of(made)))

    def book(self, currency: str, available_on: int, net: int) -> None:
        """Add to the account's balance."""
        booking = Booking(self.account, currency, available_on, net)
        self._bookings.append(booking)
        self._rows.append((schema.ADD_TO_BALANCE, (self.account, currency, available_on, net)))

    def balance(self) -> Sums:
        """The account's balance, with what this unit has booked."""
        return self.context.balances.of(self.account, self.now, self._bookings)

    def execute(
        self,
        kind: ExecutionKind,
        *,
        amount: int,
        currency: str,
        metadata: Mapping[str, str],
        payment_intent: str | None,
        charge: str | None,
        refund: str | None = None,
    ) -> None:
        """Write into the ledger of executions: this was really done, once, now."""
        # One row for each time that something was done, not for each answer: a replay adds none,
        # and two rows for one order are a double charge whatever the caller was told.
        row = (
            self.now,
            self.account,
            kind,
            amount,
            currency,
            payment_intent,
            charge,
            refund,
            self.origin.idempotency_key,
            self.origin.request_id,
            metadata.get("event_id"),
            encode(metadata),
        )
        self._rows.append((schema.ADD_EXECUTION, row))

    def later(self, delay_seconds: float, action: str, object_id: str) -> None:
        """Let something happen to an object after this much virtual time."""
        timer = Timer(
            self.context.ids.new("timer"),
            self.account,
            self.now + delay_seconds,
            action,
            object_id,
        )
        self._rows.append(
            (
                schema.PUT_TIMER,
                (timer.timer_id, timer.account, timer.due_at, action, object_id, "due"),
            )
        )
        # Handed over after the commit, like the events: a unit that is undone must leave nothing to
        # fire.
        self._produced.timers.append(timer)

    def commit(self) -> Produced:
        """Put everything into the coming transaction; it counts when that is durable."""
        ledger = self.context.ledger
        for object_id, (kind, document) in self._saved.items():
            ledger.put_object(
                (
                    object_id,
                    self.account,
                    kind,
                    _integer(document.get("created")),
                    _text(document.get("payment_intent")),
                    _text(document.get("customer")),
                    _text(document.get("charge")) or _text(document.get("source")),
                    encode(document),
                ),
                document,
            )
            # In memory from now on, so that the very next event finds it.
            if kind == WEBHOOK_ENDPOINT.name:
                self.context.endpoints.observe(document)
        for statement, row in self._rows:
            ledger.put(statement, row)
        for made in self._connected:
            self.context.accounts.connect(made)
        # Last: a unit that raised before this has left no trace in a sum.
        self.context.balances.add(self._bookings)
        return self._produced


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
