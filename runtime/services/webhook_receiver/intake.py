"""From a request's parts to a verdict and its transaction.

The order of checks is the promise: the signature over the raw bytes comes before any look inside
them, and 200 comes after the commit. Whatever is refused leaves no row.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from runtime import tracing
from runtime.adapters.rotated import Rotated
from runtime.adapters.store import database, webhooks
from runtime.adapters.store.webhooks import Stored
from runtime.domain.names import EventId
from runtime.domain.signature import Verified, verify
from runtime.domain.stripe_event import Invalid, Odd, StripeEvent, parse
from runtime.domain.trace import of_inbox
from runtime.faults import connections
from runtime.faults.points import ANYONE, Failpoint, Subject
from runtime.process import Process
from runtime.services.webhook_receiver.refusal import RECEIVED, REFUSALS, WebhookAnswer
from runtime.steps import webhook
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Intake:
    """What requests share; `take` may run on any thread."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    secrets: Rotated[tuple[str, ...]]
    outage: Outage
    hosts: frozenset[str] = frozenset()

    def answers_to(self, host: str) -> bool:
        """Whether the name a request called us by is one of ours; any is, when none is set."""
        return not self.hosts or host in self.hosts

    def take(
        self,
        signatures: Sequence[bytes],
        body: bytes,
        headers: Mapping[str, str],
        client: connections.Client,
    ) -> WebhookAnswer:
        """Judge a complete request and, if it is genuine, store and apply it."""
        # Wall time, never the environment's: a drill that moves that clock must not open the window
        # for old signatures.
        now = self.process.now().timestamp()
        # Before anything inside the body is looked at.
        verified = verify(signatures, body, self.secrets.current(), now)
        if verified is not Verified.GENUINE:
            return REFUSALS[verified]
        parsed = parse(body)
        if isinstance(parsed, Invalid):
            return REFUSALS["body_invalid"]
        try:
            if isinstance(parsed, Odd):
                self._quarantine_odd(parsed, body, headers)
            else:
                self._store(parsed, body, headers, client)
        # 503 and nothing stored: Stripe sends the event again for three days.
        except database.UNAVAILABLE as error:
            self.outage.failed(error)
            return REFUSALS["unavailable"]
        self.outage.recovered()
        return RECEIVED

    def _quarantine_odd(self, odd: Odd, body: bytes, headers: Mapping[str, str]) -> None:
        if odd.reason == "thin_event":
            logger.info("a thin event is ignored: it carries no object")
            return
        with self.pool.connection() as conn:
            webhooks.quarantine(conn, odd.reason, body, headers)
        logger.error("a signed webhook is quarantined", extra={"reason": odd.reason})

    def _store(
        self,
        event: StripeEvent,
        body: bytes,
        headers: Mapping[str, str],
        client: connections.Client,
    ) -> None:
        failpoints = self.process.failpoints
        subject, waiting = _subject(event), connections.Pooled(self.pool)
        failpoints.hit(Failpoint.RECEIVER_VERIFIED_BEFORE_INSERT, subject, waiting)
        if subject.event_id is not None:
            # Stripe hands no context on: what it tells of a payment comes from the payment.
            inbox = of_inbox(EventId(subject.event_id))
            tracing.belongs_to(inbox.trace_id, inbox)
        try:
            self._store_with(event, body, headers, subject, None)
        except psycopg.IntegrityError as error:
            # Seldom enough to begin anew: a savepoint for each event would be two round trips more.
            self._store_with(event, body, headers, subject, webhook.contradiction(error))
        failpoints.hit(Failpoint.RECEIVER_INSERTED_BEFORE_200, subject, client)

    def _store_with(
        self,
        event: StripeEvent,
        body: bytes,
        headers: Mapping[str, str],
        subject: Subject,
        known: webhook.Quarantined | None,
    ) -> None:
        """Store an event with its effect, in one transaction.

        Args:
            known: its effect, where it is known not to be what the event says.

        Raises:
            psycopg.IntegrityError: it contradicts a constraint; nothing of it was written.
        """
        with tracing.span("transaction"), self.pool.connection() as conn:
            # One transaction for the event and its effect: whoever sees the row processed sees the
            # payment moved.
            stored = webhooks.store(conn, event, body)
            if stored is Stored.OTHER_BODY:
                webhooks.quarantine(conn, "same_id_other_body", body, headers)
                logger.error("a known event id came with another body and is quarantined")
                return
            # A duplicate is answered as the first was; what it does is done.
            if stored is Stored.NEW:
                self._apply(conn, event, body, headers, known)
            before_commit = connections.Commit(conn)
            self.process.failpoints.hit(
                Failpoint.RECEIVER_APPLY_BEFORE_COMMIT, subject, before_commit
            )

    def _apply(
        self,
        conn: psycopg.Connection,
        event: StripeEvent,
        body: bytes,
        headers: Mapping[str, str],
        known: webhook.Quarantined | None,
    ) -> None:
        environment = self.process.common.environment
        effect = known or webhook.apply(conn, event, environment=environment, rng=self.process.rng)
        match effect:
            case webhook.Done():
                came_to = effect.what
            case webhook.Early():
                # No payment yet: its order may still be on its way through Kafka. The reconciler
                # drives it again.
                webhooks.keep_early(conn, event.stripe_event_id, effect.event_id, "early")
                came_to = "early"
            case webhook.Quarantined():
                webhooks.quarantine(conn, effect.reason, body, headers)
                came_to = f"quarantined: {effect.reason}"
        logger.info(
            "webhook applied: %s",
            came_to,
            extra={
                "stripe_event_id": event.stripe_event_id,
                "type": event.type,
                "event_id": event.metadata_event_id,
                "payment_intent_id": event.payment_intent_id,
            },
        )


def _subject(event: StripeEvent) -> Subject:
    """Whose payment an event says it is about; what it says may be anything."""
    try:
        return Subject(event_id=UUID(event.metadata_event_id or ""))
    except ValueError:
        return ANYONE
