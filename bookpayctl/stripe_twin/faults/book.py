"""The active faults: they are matched, counted, and every hit is written down before it acts.

A fault and its count survive a restart, so `once` stays once; the hits are append-only, so that a
drill can prove that its fault landed.
"""

from dataclasses import asdict, dataclass

from bookpayctl.stripe_twin.clock import VirtualClock
from bookpayctl.stripe_twin.documents import Json, decode_object, encode
from bookpayctl.stripe_twin.faults.rule import (
    REQUEST_ACTIONS,
    STAGE_OF_ACTION,
    RequestStage,
    RequestSubject,
    Rule,
    WebhookSubject,
    parse_rule,
)
from bookpayctl.stripe_twin.ids import IdGenerator
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.store import Ledger


@dataclass(slots=True)
class _Active:
    fault_id: str
    rule: Rule
    remaining: int | None
    draws: int


@dataclass(frozen=True, slots=True)
class FaultHit:
    """A fault that acts now; its row is in the coming transaction."""

    fault_id: str
    rule: Rule


class FaultBook:
    """All faults that are active, in the order they were added; the first match acts."""

    def __init__(self, ledger: Ledger, clock: VirtualClock, ids: IdGenerator) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._active: list[_Active] = []
        for fault_id, definition, remaining, draws in ledger.select(
            "SELECT id, definition, remaining, draws FROM faults WHERE active = 1 ORDER BY id"
        ):
            try:
                rule = parse_rule(decode_object(str(definition)))
                left = None if remaining is None else int(remaining)
                self._active.append(_Active(str(fault_id), rule, left, int(draws or 0)))
            except ValueError as error:
                ledger.set_aside(f"fault {fault_id}", error)

    def add(self, rule: Rule) -> str:
        """Arm a fault; returns its id."""
        active = _Active(self._ids.new("fault"), rule, rule.count, 0)
        self._active.append(active)
        self._store(active, armed=True)
        return active.fault_id

    def clear(self, fault_id: str | None) -> int:
        """Disarm one fault, or all of them; returns how many there were."""
        gone = [a for a in self._active if fault_id in (None, a.fault_id)]
        for active in gone:
            self._active.remove(active)
            self._store(active, armed=False)
        return len(gone)

    def listed(self) -> list[dict[str, Json]]:
        """The active faults as the control API shows them."""
        return [
            {
                "id": active.fault_id,
                **decode_object(encode(_definition(active.rule))),
                "remaining": active.remaining,
            }
            for active in self._active
        ]

    def on_request(
        self, subject: RequestSubject, stage: RequestStage, request_id: str
    ) -> list[FaultHit]:
        """The faults that act on a request at a stage of its way: at most one of each action."""
        if not self._active:
            return []
        hits: list[FaultHit] = []
        for active in list(self._active):
            action = active.rule.action
            # Two rules of one action would cut one answer twice: the one that was added first acts.
            if STAGE_OF_ACTION.get(action) != stage or any(h.rule.action == action for h in hits):
                continue
            if active.rule.match.request(subject) and self._strikes(active):
                hits.append(FaultHit(active.fault_id, active.rule))
                self._record(active, request_id=request_id, key=subject.key, path=subject.path)
        return hits

    def on_webhook(self, subject: WebhookSubject, event_id: str, object_id: str) -> FaultHit | None:
        """The fault that acts on a delivery, if any."""
        for active in list(self._active):
            if active.rule.action in REQUEST_ACTIONS:
                continue
            if active.rule.match.webhook(subject) and self._strikes(active):
                self._record(active, event_id=event_id, object_id=object_id)
                return FaultHit(active.fault_id, active.rule)
        return None

    def _strikes(self, active: _Active) -> bool:
        draw = active.draws
        active.draws += 1
        # A draw that missed is stored as well: after a restart the sequence goes on where it was.
        if not active.rule.strikes(draw):
            self._store(active, armed=True)
            return False
        if active.remaining is not None:
            active.remaining -= 1
            # Gone at once, within this turn of the loop: a count of one can never act twice,
            # however many requests are under way.
            if active.remaining == 0:
                self._active.remove(active)
        self._store(active, armed=active.remaining != 0)
        return True

    def _store(self, active: _Active, *, armed: bool) -> None:
        definition = encode(_definition(active.rule))
        row = (active.fault_id, definition, active.remaining, active.draws, int(armed))
        self._ledger.put(schema.PUT_FAULT, row)

    def _record(
        self,
        active: _Active,
        *,
        request_id: str | None = None,
        key: str | None = None,
        path: str | None = None,
        event_id: str | None = None,
        object_id: str | None = None,
    ) -> None:
        self._ledger.put(
            schema.ADD_FAULT_HIT,
            (
                active.fault_id,
                active.rule.action,
                self._clock.now(),
                self._clock.wall(),
                request_id,
                key,
                path,
                event_id,
                object_id,
            ),
        )


def _definition(rule: Rule) -> dict[str, object]:
    definition = asdict(rule)
    definition["match"] = {k: v for k, v in definition["match"].items() if v}
    return definition
