"""The invariants of the payments stack, and the judge that asks them all.

Pure: facts in, verdicts out. The three ledgers (PostgreSQL, Kafka, Stripe), what clients saw and
what runs did on purpose are read by `snapshot`; here they are only compared. Violated beats
unknown beats holds; a question that raises is unknown; a question that looked at nothing is
vacuous. I28 needs poison that a drill injected and is asked by that drill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookpayctl.judge.invariants import (
    clients,
    events,
    liveness,
    money,
    stock,
    stripe,
    topics,
    transitions,
)
from bookpayctl.judge.invariants.facts import Excluded, Facts
from bookpayctl.judge.invariants.finding import Finding, Violation
from bookpayctl.report.verdict import Item, Verdict, unanswered

__all__ = ["INVARIANTS", "Excluded", "Facts", "Invariant", "judge"]

EXCUSED: Final = "excused:"
"""How a sentence begins that names what an invariant left out, and why."""

EVIDENCE_MAX: Final = 10
"""Violations listed per invariant; the count is always of all of them."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant: its definition is `ask`; `needs` names the ledgers it cannot do without."""

    id: str
    title: str
    required: str
    ask: Callable[[Facts], Finding]
    needs: tuple[str, ...] = ()


INVARIANTS: Final = (
    Invariant("I01", "no accepted order is lost", "every accepted key has its order",
              clients.lost_orders, ("history",)),
    Invariant("I02", "no refused order exists", "no order for a key that was only refused",
              clients.phantom_orders, ("history",)),
    Invariant("I03", "one order per client key", "0 client keys with two orders",
              clients.duplicate_orders),
    Invariant("I04", "order and event are one transaction", "exactly 1 OrderPlaced per order",
              events.one_placed_event),
    Invariant("I05", "the outbox is empty", "0 events unpublished", events.nothing_unpublished),
    Invariant("I06", "no published event is missing", "every published event is in its topic",
              events.nothing_lost, ("log",)),
    Invariant("I07", "no event was invented", "every record has an outbox row",
              events.nothing_invented, ("log",)),
    Invariant("I08", "causes come before effects", "every event has an older cause",
              events.causes_come_first),
    Invariant("I09", "the topics are drained", "every group committed to the log end",
              events.logs_drained, ("log",)),
    Invariant("I10", "nobody was charged twice", "at most 1 succeeded charge per order",
              money.nobody_charged_twice, ("stripe",)),
    Invariant("I11", "paid orders were charged", "each has a charge of its amount, still held",
              money.paid_orders_were_charged, ("stripe",)),
    Invariant("I12", "charged orders are paid", "no money held for an order that is not paid",
              money.charged_orders_are_paid, ("stripe",)),
    Invariant("I13", "every charge has an order", "0 charges without an order",
              money.charges_have_orders, ("stripe",)),
    Invariant("I14", "cancelled orders are compensated", "no money, no stock, OrderCancelled sent",
              money.cancelled_orders_are_compensated, ("stripe",)),
    Invariant("I15", "refunds stay within charges", "refunds <= charge, at most 1 per order",
              money.refunds_stay_within_charges, ("stripe",)),
    Invariant("I16", "stock is conserved", "initial = on hand + reserved + sold, none negative",
              stock.stock_conserved),
    Invariant("I17", "stock counters are true", "counters equal the sums of reservations",
              stock.counters_match_reservations),
    Invariant("I18", "reservations follow orders", "held if pending, sold if paid, else released",
              stock.reservations_follow_orders),
    Invariant("I19", "no Stripe event was forgotten", "each decided its payment",
              stripe.stripe_events_took_effect, ("stripe",)),
    Invariant("I20", "no webhook was forged", "every stored webhook exists at Stripe",
              stripe.stored_webhooks_are_stripes, ("stripe",)),
    Invariant("I21", "only allowed steps", "every transition is in the protocol",
              transitions.steps_allowed),
    Invariant("I22", "no step is missing", "each step begins where the last one ended",
              transitions.steps_connect),
    Invariant("I23", "one request per key", "0 keys used for two different requests",
              stripe.one_body_per_key, ("requests",)),
    Invariant("I24", "every key is ours", "every executed POST has a key of our rows",
              stripe.every_key_is_ours, ("keys",)),
    Invariant("I25", "payments are final", "succeeded, failed or refunded",
              liveness.payments_final),
    Invariant("I26", "orders are final", "paid, cancelled or refunded", liveness.orders_final),
    Invariant("I27", "dead letters are explained", "0 open dead letters nobody injected",
              events.dead_letters_explained),
    Invariant("I29", "rows agree with their history", "row state = end of recorded steps",
              transitions.rows_are_where_steps_lead),
    Invariant("I30", "succeeded payments have charges", "each names a charge that succeeded",
              money.succeeded_payments_have_charges, ("stripe",)),
    Invariant("I31", "the topics keep records", "all there, alike, deleting nothing early",
              topics.topics_keep_records, ("topics",)),
)  # fmt: skip


def judge(facts: Facts) -> list[Item]:
    """Ask every invariant of `facts`, in order; none is skipped because another failed."""
    return [_answer(invariant, facts) for invariant in INVARIANTS]


def _answer(invariant: Invariant, facts: Facts) -> Item:
    missing = _missing_ledger(invariant, facts)
    if missing is not None:
        return _without(invariant, missing, facts)
    try:
        result = invariant.ask(facts)
    except Exception as error:  # noqa: BLE001 - a judge that crashed has not acquitted anyone
        reason = f"the question failed: {type(error).__name__}: {error}"
        return unanswered(invariant.id, invariant.title, invariant.required, reason)
    return Item(
        id=invariant.id,
        title=invariant.title,
        verdict=_verdict(result),
        required=invariant.required,
        observed=_observed(result),
        examined=result.examined,
        evidence=(*_evidence(result.violations), *_evidence(result.explained)),
        fix=_fix(invariant, result.violations or result.explained, facts),
    )


def _missing_ledger(invariant: Invariant, facts: Facts) -> str | None:
    present = {
        "log": facts.log is not None,
        "topics": facts.log is not None and facts.log.topics is not None,
        "stripe": facts.stripe is not None,
        "history": facts.history is not None,
        "requests": facts.requests is not None,
        "keys": facts.requests is not None or facts.stripe is not None,
    }
    return next((need for need in invariant.needs if not present[need]), None)


def _without(invariant: Invariant, ledger: str, facts: Facts) -> Item:
    """A missing history is a choice of the caller; any other missing ledger is a hole."""
    if ledger != "history":
        reason = facts.absent.get(ledger, f"the {ledger} ledger could not be read")
        return unanswered(invariant.id, invariant.title, invariant.required, reason)
    return Item(
        id=invariant.id,
        title=invariant.title,
        verdict=Verdict.SKIPPED,
        required=invariant.required,
        observed="not asked",
        examined=0,
        reason=facts.absent.get("history", "no client history was given"),
    )


def _verdict(result: Finding) -> Verdict:
    if result.violations:
        return Verdict.VIOLATED
    if result.explained:
        return Verdict.WARNING
    return Verdict.HOLDS if result.examined > 0 else Verdict.VACUOUS


def _observed(result: Finding) -> str:
    seen = [f"{len(result.violations)} violations"]
    if result.waiting:
        seen.append(f"{result.waiting} waiting by right")
    if result.explained:
        seen.append(f"{len(result.explained)} explained by our own tables")
    return ", ".join([*seen, *result.excused])


def _evidence(violations: tuple[Violation, ...]) -> tuple[str, ...]:
    """The worst by money first, then in the order found, at most EVIDENCE_MAX of them."""
    ranked = sorted(violations, key=lambda violation: -violation.amount_cents)
    shown = [f"{v.subject}: {v.detail}" for v in ranked[:EVIDENCE_MAX]]
    if len(ranked) > EVIDENCE_MAX:
        shown.append(f"and {len(ranked) - EVIDENCE_MAX} more")
    return tuple(shown)


def _fix(invariant: Invariant, violations: tuple[Violation, ...], facts: Facts) -> str:
    """Where to look first: at an order, when one is named, else at what the invariant means."""
    if not violations:
        return ""
    named = next((v.subject for v in violations if v.subject in facts.all_order_ids), None)
    if named is None:
        return f"bookpayctl explain {invariant.id}"
    return f"bookpayctl order trace {named}"
