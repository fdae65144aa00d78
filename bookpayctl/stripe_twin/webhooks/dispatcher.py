"""Delivers events: at least once, in no order that anyone may rely on, until answered with 2xx.

An event goes out only after it is on disk, and an attempt is on record before the next one is
planned; after a crash every delivery that was not acknowledged is made again.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bookpayctl.stripe_twin.agenda import Agenda
from bookpayctl.stripe_twin.clock import VirtualClock
from bookpayctl.stripe_twin.documents import Json, decode_object
from bookpayctl.stripe_twin.faults.book import FaultBook, FaultHit
from bookpayctl.stripe_twin.faults.rule import WebhookSubject
from bookpayctl.stripe_twin.ids import IdGenerator
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.endpoints import Endpoints, active_secrets
from bookpayctl.stripe_twin.ledger.store import Ledger
from bookpayctl.stripe_twin.ledger.work import Emitted
from bookpayctl.stripe_twin.resources.account_objects import WebhookEndpoint
from bookpayctl.stripe_twin.webhooks.distortion import (
    Envelope,
    foreign_event,
    sound,
    spoiled_envelope,
)
from bookpayctl.stripe_twin.webhooks.schedule import next_attempt_after
from bookpayctl.stripe_twin.wire.client import NoWebhookAnswer, WebhookAnswer, WebhookClient

# Deliveries under way to one endpoint: a receiver is not to be flooded by its own backlog.
_CONCURRENT_PER_ENDPOINT = 32
# Reordered events leave this far apart, last one first.
_REORDER_STEP_SECONDS = 0.5
log = logging.getLogger("stripe_twin.webhooks")


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """A delivery that is owed to an endpoint.

    Attributes:
        attempts: how many have failed.
        held: a fault has delayed it already; it is not to be delayed again.
    """

    event_id: str
    endpoint_id: str
    attempts: int
    held: bool = False


class Dispatcher:
    """Owes deliveries, makes them, and keeps the log of attempts."""

    def __init__(
        self,
        ledger: Ledger,
        clock: VirtualClock,
        ids: IdGenerator,
        endpoints: Endpoints,
        faults: FaultBook,
        *,
        schedule: tuple[float, ...],
        timeout_seconds: float,
    ) -> None:
        self.schedule = schedule
        self.timeout_seconds = timeout_seconds
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._endpoints = endpoints
        self._faults = faults
        self._client = WebhookClient()
        self._agenda: Agenda[OwedDelivery] = Agenda(clock)
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._reordered = 0
        for event_id, endpoint_id, attempts, due_at in ledger.select(
            "SELECT event_id, endpoint_id, attempts, due_at FROM outgoing WHERE state = 'due'"
        ):
            try:
                owed = OwedDelivery(str(event_id), str(endpoint_id), int(attempts or 0))
                self._agenda.add(float(due_at or 0), owed)
            # It stays owed in the ledger; the others go on.
            except ValueError as error:
                ledger.set_aside(f"delivery of {event_id} to {endpoint_id}", error)

    def accept(self, events: Iterable[Emitted]) -> None:
        """Owe new events to their endpoints; their rows are in the coming transaction."""
        now = self._clock.now()
        for event in events:
            for endpoint_id in event.endpoint_ids:
                self._agenda.add(now, OwedDelivery(event.event_id, endpoint_id, 0))

    def resend(self, event_id: str, endpoint_id: str) -> None:
        """Owe an event once more, whatever became of it before."""
        now = self._clock.now()
        self._ledger.put(schema.PUT_OUTGOING, (event_id, endpoint_id, 0, now, "due"))
        self._agenda.add(now, OwedDelivery(event_id, endpoint_id, 0))

    def wake(self) -> None:
        """The clock was advanced."""
        self._agenda.wake()

    def waiting(self) -> int:
        """Deliveries that are owed or under way."""
        return len(self._agenda) + len(self._under_way)

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            owed = await self._agenda.next()
            task = asyncio.get_running_loop().create_task(self._deliver_in_lane(owed))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Stop; what was not acknowledged is owed again after the next start."""
        for task in list(self._under_way):
            task.cancel()
        if self._under_way:
            await asyncio.wait(list(self._under_way))
        self._client.close()

    async def _deliver_in_lane(self, owed: OwedDelivery) -> None:
        # One for each endpoint: a receiver that hangs must not hold up the others.
        lane = self._lanes.setdefault(owed.endpoint_id, asyncio.Semaphore(_CONCURRENT_PER_ENDPOINT))
        async with lane:
            try:
                await self._deliver(owed)
            except Exception as error:
                # A delivery must not be lost to a defect here: it stays owed and on record.
                log.exception("delivery of %s to %s failed", owed.event_id, owed.endpoint_id)
                self._ledger.set_aside(f"delivery of {owed.event_id} to {owed.endpoint_id}", error)
                self._plan_retry(owed)

    async def _deliver(self, owed: OwedDelivery) -> None:
        # A receiver must never hear of a charge that a crash would undo.
        await self._ledger.durable()
        endpoint = self._endpoints.find(owed.endpoint_id)
        rows = self._ledger.select(
            "SELECT body, type, object_id, account FROM events WHERE id = ?", (owed.event_id,)
        )
        if endpoint is None or not rows:
            self._settle(owed, "deleted")
            return
        try:
            event = decode_object(str(rows[0][0]))
        except ValueError as error:
            # No attempt will make it readable, and what cannot be read cannot be signed.
            self._ledger.set_aside(f"event {owed.event_id}", error)
            self._note(owed, str(rows[0][1]), None, "unreadable", None, 0.0, str(error), None)
            self._settle(owed, "unreadable")
            return
        # The retries go on being planned: enabled again before the next one, the endpoint gets its
        # events, as Stripe documents.
        if endpoint["status"] != "enabled":
            self._note(owed, str(event["type"]), None, "disabled", None, 0.0, "", None)
            self._plan_retry(owed)
            return
        hit = self._fault(owed, event, str(rows[0][2]), str(rows[0][3]))
        if hit is not None:
            # The hit is on disk before it acts.
            await self._ledger.durable()
            if self._postponed(owed, hit) or self._lost(owed, hit, event):
                return
        await self._send(owed, endpoint, event, hit)

    def _fault(
        self, owed: OwedDelivery, event: dict[str, Json], object_id: str, account: str
    ) -> FaultHit | None:
        # Drawn already. Once more, and one delivery would use up the fault twice.
        if owed.held:
            return None
        subject = WebhookSubject(str(event["type"]), owed.endpoint_id, _metadata(event), account)
        return self._faults.on_webhook(subject, owed.event_id, object_id)

    def _postponed(self, owed: OwedDelivery, hit: FaultHit) -> bool:
        if hit.rule.action == "webhook_delay":
            wait_seconds = hit.rule.number("seconds")
        elif hit.rule.action == "webhook_reorder":
            window = max(2, int(hit.rule.number("window")))
            # The later in the window, the shorter the wait: the last one leaves first.
            wait_seconds = (window - self._reordered % window) * _REORDER_STEP_SECONDS
            self._reordered += 1
        else:
            return False
        due_at = self._clock.now() + wait_seconds
        # On disk as plainly owed: after a crash the delay is lost and the event is not.
        self._owe(owed, due_at)
        self._agenda.add(due_at, replace(owed, held=True))
        return True

    def _lost(self, owed: OwedDelivery, hit: FaultHit, event: dict[str, Json]) -> bool:
        """Whether the fault swallows the delivery: for good, or this attempt only."""
        kind = str(event["type"])
        # Stripe can fail to make an event at all: webhooks alone never prove that nothing is
        # missing.
        if hit.rule.action == "webhook_drop":
            self._note(owed, kind, None, "dropped", None, 0.0, "", hit)
            self._settle(owed, "dropped")
            return True
        if hit.rule.action == "webhook_fail":
            self._note(owed, kind, None, "not_sent", None, 0.0, "", hit)
            self._plan_retry(owed)
            return True
        return False

    async def _send(
        self,
        owed: OwedDelivery,
        endpoint: WebhookEndpoint,
        event: dict[str, Json],
        hit: FaultHit | None,
    ) -> None:
        secrets = active_secrets(endpoint, self._clock.now())
        now = int(self._clock.wall())
        envelope = None
        copies = 1
        if hit is not None:
            foreign = foreign_event(hit.rule, event, self._ids.new("evt"), secrets, now)
            # Before the real one, which thus meets a receiver that has just been lied to.
            if foreign is not None:
                await self._post(owed, endpoint, str(event["type"]), foreign, hit)
            envelope = spoiled_envelope(hit.rule, event, secrets, now)
            if hit.rule.action == "webhook_duplicate":
                copies = max(2, int(hit.rule.number("copies")))
        envelope = envelope or sound(event, secrets, now)
        posts = [
            self._post(owed, endpoint, str(event["type"]), envelope, hit) for _ in range(copies)
        ]
        # A duplicate is one delivery that is made twice: done when every copy was acknowledged.
        if all(await asyncio.gather(*posts)):
            self._settle(owed, "done")
        else:
            self._plan_retry(owed)

    async def _post(
        self,
        owed: OwedDelivery,
        endpoint: WebhookEndpoint,
        event_type: str,
        envelope: Envelope,
        hit: FaultHit | None,
    ) -> bool:
        # As recorded from Stripe. Nothing but the signature is to be relied on.
        headers = [
            ("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
            ("Accept", "*/*; q=0.5, application/xml"),
            ("Cache-Control", "no-cache"),
            ("Content-Type", "application/json; charset=utf-8"),
        ]
        if envelope.signature is not None:
            headers.append(("Stripe-Signature", envelope.signature))
        started = self._clock.wall()
        answer = await self._client.post(
            endpoint["url"], headers, envelope.body, timeout_seconds=self.timeout_seconds
        )
        seconds = self._clock.wall() - started
        match answer:
            case WebhookAnswer(status, text):
                # A redirect is a refusal, as Stripe documents: it would send a signed event to who
                # knows whom.
                delivered = 200 <= status < 300
                outcome = "delivered" if delivered else "refused"
                self._note(
                    owed, event_type, envelope.signed_at, outcome, status, seconds, text, hit
                )
                return delivered
            case NoWebhookAnswer(reason):
                self._note(
                    owed, event_type, envelope.signed_at, "no_answer", None, seconds, reason, hit
                )
                return False

    def _note(
        self,
        owed: OwedDelivery,
        event_type: str,
        signed_at: int | None,
        outcome: str,
        status: int | None,
        seconds: float,
        text: str,
        hit: FaultHit | None,
    ) -> None:
        self._ledger.put(
            schema.ADD_DELIVERY,
            (
                owed.event_id,
                event_type,
                owed.endpoint_id,
                owed.attempts + 1,
                self._clock.now(),
                self._clock.wall(),
                signed_at,
                outcome,
                status,
                round(seconds, 6),
                text,
                None if hit is None else hit.rule.action,
            ),
        )

    def _plan_retry(self, owed: OwedDelivery) -> None:
        # A retry is a delivery of its own, so faults are drawn for it anew.
        failed = replace(owed, attempts=owed.attempts + 1, held=False)
        wait_seconds = next_attempt_after(self.schedule, failed.attempts)
        if wait_seconds is None:
            self._settle(failed, "given_up")
            return
        due_at = self._clock.now() + wait_seconds
        self._owe(failed, due_at)
        self._agenda.add(due_at, failed)

    def _owe(self, owed: OwedDelivery, due_at: float) -> None:
        self._ledger.put(
            schema.PUT_OUTGOING, (owed.event_id, owed.endpoint_id, owed.attempts, due_at, "due")
        )

    def _settle(self, owed: OwedDelivery, state: str) -> None:
        row = (owed.event_id, owed.endpoint_id, owed.attempts, self._clock.now(), state)
        self._ledger.put(schema.PUT_OUTGOING, row)


def _metadata(event: dict[str, Json]) -> dict[str, str]:
    content = event.get("data")
    subject = content.get("object") if isinstance(content, dict) else None
    metadata = subject.get("metadata") if isinstance(subject, dict) else None
    if not isinstance(metadata, dict):
        return {}
    return {name: value for name, value in metadata.items() if isinstance(value, str)}
