"""The protocol's invariants over a run's ledgers, in Python: quick enough for every seed.

The ids are the judge's, whose SQL says the same at leisure (`bookpayctl/judge/invariants`); a test
holds the two to each other, on ledgers that are wrong, too. The transition relation is the judge's
own. What only a simulation can see has ids that begin with S.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final

from bookpayctl.simulation.ledgers import Ledgers, Row
from runtime.domain.names import TOPIC_OF_EVENT_TYPE

Finding = tuple[str, str]
"""What is wrong: the subject, and two facts that contradict each other."""

_STEP: Final = re.compile(r"\('(order|payment)', '(\w*)', '(\w+)'\)")
_CAUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "PaymentCompleted": ("OrderPlaced",),
    "PaymentFailed": ("OrderPlaced",),
    "OrderPaid": ("PaymentCompleted",),
    "PaymentRefunded": ("PaymentCompleted", "PaymentFailed"),
}
_TOOK_MONEY: Final = ("succeeded", "refunding", "refunded")
_STOCK_OF: Final = {
    "pending": "held",
    "paid": "sold",
    "cancelled": "released",
    "refunded": "released",
}


@cache
def allowed_steps() -> frozenset[tuple[str, str, str]]:
    """The judge's transition relation, from the file that the judge reads."""
    text = files("bookpayctl.judge.invariants").joinpath("derived.sql").read_text("utf-8")
    return frozenset(_STEP.findall(text))


class Facts:
    """Ledgers, joined once."""

    def __init__(self, ledgers: Ledgers) -> None:
        self.ledgers = ledgers
        self.orders = {row["order_id"]: row for row in ledgers["orders"]}
        self.payments = {row["event_id"]: row for row in ledgers["payments"]}
        intents = ledgers["stripe_payment_intents"]
        self.order_of_intent = {row["payment_intent_id"]: row["order_id"] for row in intents}
        self.charges: dict[str, list[Row]] = defaultdict(list)
        for charge in ledgers["stripe_charges"]:
            if charge["status"] == "succeeded":
                self.charges[self.order_of_intent[charge["payment_intent_id"]]].append(charge)
        self.refunds: dict[str, list[Row]] = defaultdict(list)
        for refund in ledgers["stripe_refunds"]:
            self.refunds[self.order_of_intent[refund["payment_intent_id"]]].append(refund)

    @cached_property
    def events(self) -> dict[str, dict[str, list[Row]]]:
        """Outbox rows by order and type."""
        found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in self.ledgers["outbox"]:
            found[row["order_id"]][row["event_type"]].append(row)
        return found

    def held(self, order_id: str) -> int:
        """What Stripe holds of an order's money."""
        gone = ("succeeded", "pending")
        taken: int = sum(c["amount"] for c in self.charges.get(order_id, ()))
        refunds = self.refunds.get(order_id, ())
        given: int = sum(r["amount"] for r in refunds if r["status"] in gone)
        return taken - given

    @cached_property
    def histories(self) -> dict[tuple[str, str], list[Row]]:
        """Steps of orders and of their payments, in their order; refused ones moved nothing."""
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.ledgers["order_steps"]:
            found["order", row["order_id"]].append(row)
        for row in self.ledgers["payment_steps"]:
            if row["kind"] != "refused":
                found["payment", row["event_id"]].append(row)
        return found


def check(ledgers: Ledgers) -> dict[str, list[Finding]]:
    """What does not hold, by invariant; empty when everything does."""
    facts = Facts(ledgers)
    found = {invariant: list(ask(facts)) for invariant, ask in INVARIANTS.items()}
    return {invariant: findings for invariant, findings in found.items() if findings}


# --- orders and events ------------------------------------------------------------------------


def _lost_orders(facts: Facts) -> Iterable[Finding]:
    amounts = {row["client_key"]: row["amount"] for row in reversed(facts.ledgers["orders"])}
    for told in facts.ledgers["client_operations"]:
        if told["outcome"] == "ok":
            amount = amounts.get(told["client_key"])
            if amount is None or amount != told["amount"]:
                yield told["order_id"], f"accepted with {told['amount']}, the order has {amount}"


def _doubled_orders(facts: Facts) -> Iterable[Finding]:
    keys = Counter(row["client_key"] for row in facts.orders.values())
    return ((key, f"{count} orders of one key") for key, count in keys.items() if count > 1)


def _orders_and_events(facts: Facts) -> Iterable[Finding]:
    for order_id in facts.orders:
        count = len(facts.events[order_id]["OrderPlaced"])
        if count != 1:
            yield order_id, f"{count} OrderPlaced events"


def _unpublished(facts: Facts) -> Iterable[Finding]:
    for row in facts.ledgers["outbox"]:
        if not row["published"] and row["order_id"] in facts.orders:
            yield row["order_id"], f"{row['event_type']} is still unpublished"


def _missing_records(facts: Facts) -> Iterable[Finding]:
    there = {(row["event_id"], row["topic"]) for row in facts.ledgers["log_records"]}
    for row in facts.ledgers["outbox"]:
        topic = TOPIC_OF_EVENT_TYPE[row["event_type"]].value
        if row["published"] and (row["event_id"], topic) not in there:
            yield row["order_id"], f"{row['event_type']} is marked published, not in {topic}"


def _invented_records(facts: Facts) -> Iterable[Finding]:
    written = {row["event_id"] for row in facts.ledgers["outbox"]}
    for row in facts.ledgers["log_records"]:
        if row["event_id"] not in written:
            yield row["order_id"], f"a record of {row['event_type']} that is in no outbox row"


def _causes(facts: Facts) -> Iterable[Finding]:
    for order_id, by_type in facts.events.items():
        for effect, causes in _CAUSES.items():
            begun = [row["created_at"] for cause in causes for row in by_type.get(cause, ())]
            for row in by_type.get(effect, ()):
                if not begun or min(begun) > row["created_at"]:
                    yield order_id, f"{effect} without its cause before it"


def _lag(facts: Facts) -> Iterable[Finding]:
    ends = {
        (row["topic"], row["partition_number"]): row["high_offset"]
        for row in facts.ledgers["log_partitions"]
    }
    for row in facts.ledgers["log_groups"]:
        place = (row["topic"], row["partition_number"])
        if (row["committed_offset"] or 0) < ends.get(place, 0):
            yield row["consumer_group"], f"has not read {place} to its end"


# --- money ------------------------------------------------------------------------------------


def _charged_twice(facts: Facts) -> Iterable[Finding]:
    for order_id, charges in facts.charges.items():
        if len(charges) > 1 and order_id in facts.orders:
            yield order_id, f"{len(charges)} succeeded charges"


def _paid_and_charged(facts: Facts) -> Iterable[Finding]:
    for order_id, order in facts.orders.items():
        if order["status"] == "paid":
            wanted = order["amount"]
            has = any(c["amount"] == wanted for c in facts.charges.get(order_id, ()))
            if not has or facts.held(order_id) != wanted:
                yield order_id, f"paid {wanted}, Stripe holds {facts.held(order_id)}"


def _charged_and_paid(facts: Facts) -> Iterable[Finding]:
    for order_id in facts.charges:
        order = facts.orders.get(order_id)
        if order is not None and order["status"] != "paid" and facts.held(order_id) > 0:
            yield order_id, f"{order['status']}, Stripe holds {facts.held(order_id)}"


def _orphan_charges(facts: Facts) -> Iterable[Finding]:
    return ((o or "", "charged, and no order") for o in facts.charges if o not in facts.orders)


def _uncompensated(facts: Facts) -> Iterable[Finding]:
    kept = {r["order_id"] for r in facts.ledgers["reservations"] if r["state"] != "released"}
    for order_id, order in facts.orders.items():
        if order["status"] in ("cancelled", "refunded"):
            if facts.held(order_id) != 0:
                yield order_id, f"{order['status']}, Stripe holds {facts.held(order_id)}"
            if order_id in kept:
                yield order_id, f"{order['status']}, stock not released"
            if not facts.events[order_id]["OrderCancelled"]:
                yield order_id, f"{order['status']}, no OrderCancelled was emitted"


def _refunds(facts: Facts) -> Iterable[Finding]:
    for order_id, refunds in facts.refunds.items():
        given = [r["amount"] for r in refunds if r["status"] == "succeeded"]
        returned = sum(r["status"] in ("failed", "canceled") for r in refunds)
        taken = sum(c["amount"] for c in facts.charges.get(order_id, ()))
        if sum(given) > taken or len(given) > 1 + returned:
            yield order_id, f"took {taken}, gave back {given}"


def _succeeded_and_charged(facts: Facts) -> Iterable[Finding]:
    for payment in facts.payments.values():
        if payment["state"] in _TOOK_MONEY and not any(
            charge["payment_intent_id"] == payment["payment_intent_id"]
            and charge["amount"] == payment["amount"]
            for charge in facts.charges.get(payment["order_id"], ())
        ):
            yield payment["order_id"], f"payment is {payment['state']}, and no such charge"


# --- stock ------------------------------------------------------------------------------------


def _stock(facts: Facts) -> Iterable[Finding]:
    for row in facts.ledgers["inventory"]:
        counts = (row["on_hand"], row["reserved"], row["sold"])
        if row["initial"] != sum(counts) or min(counts) < 0:
            yield row["sku"], f"{row['initial']} <> {counts}"


def _counters(facts: Facts) -> Iterable[Finding]:
    sums: Counter[tuple[str, str]] = Counter()
    for row in facts.ledgers["reservations"]:
        sums[row["sku"], row["state"]] += row["quantity"]
    for row in facts.ledgers["inventory"]:
        held, sold = sums[row["sku"], "held"], sums[row["sku"], "sold"]
        if (row["reserved"], row["sold"]) != (held, sold):
            yield row["sku"], f"{row['reserved']}, {row['sold']}; reservations {held}, {sold}"


def _reservations(facts: Facts) -> Iterable[Finding]:
    for row in facts.ledgers["reservations"]:
        order = facts.orders.get(row["order_id"])
        if order is not None and _STOCK_OF[order["status"]] != row["state"]:
            yield row["order_id"], f"order {order['status']}, stock {row['state']}"


# --- webhooks and requests --------------------------------------------------------------------


def _forgotten_events(facts: Facts) -> Iterable[Finding]:
    known = {p["payment_intent_id"]: p for p in facts.payments.values() if p["payment_intent_id"]}
    ends = {
        "payment_intent.succeeded": _TOOK_MONEY,
        "payment_intent.canceled": ("failed", "refunding", "refunded"),
    }
    for row in facts.ledgers["stripe_events"]:
        payment, fitting = known.get(row["object_id"]), ends.get(row["type"])
        if payment is not None and fitting is not None and payment["state"] not in fitting:
            yield payment["order_id"], f"{row['type']}, payment is {payment['state']}"
    for row in facts.ledgers["webhooks"]:
        if not row["processed"] and not row["parked"]:
            yield row["stripe_event_id"], f"{row['type']} was stored and neither applied nor parked"


def _delivered(facts: Facts) -> Iterable[Finding]:
    stored = {row["stripe_event_id"] for row in facts.ledgers["webhooks"]}
    for row in facts.ledgers["stripe_deliveries"]:
        if row["stripe_event_id"] not in stored:
            yield row["stripe_event_id"], "got a 2xx and was not stored"


def _requests_of_keys(facts: Facts) -> Iterable[Finding]:
    asked: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in facts.ledgers["stripe_requests"]:
        if row["idempotency_key"]:
            asked[row["idempotency_key"]].add((row["path"], row["body_sha256"]))
    return ((key, f"{len(of)} different requests") for key, of in asked.items() if len(of) > 1)


def _keys(facts: Facts) -> Iterable[Finding]:
    charges = set(facts.payments)
    refunds = {row["idempotency_key"] for row in facts.ledgers["refunds"]}
    for row in facts.ledgers["stripe_requests"]:
        key, path = row["idempotency_key"] or "", row["path"]
        if path.endswith("/cancel"):
            ours = key.removesuffix(":cancel") in charges and key.endswith(":cancel")
        else:
            ours = key in (refunds if path == "/v1/refunds" else charges)
        if row["executed"] and not ours:
            yield key or "(no key)", f"{path} was executed with a key no row explains"


# --- states -----------------------------------------------------------------------------------


def _steps(facts: Facts) -> Iterable[Finding]:
    allowed = allowed_steps()
    for (kind, subject), steps in facts.histories.items():
        for step in steps:
            if (kind, step["from_state"] or "", step["to_state"]) not in allowed:
                yield subject, f"{kind} {step['from_state']} -> {step['to_state']}"


def _gaps(facts: Facts) -> Iterable[Finding]:
    for (_, subject), steps in facts.histories.items():
        reached = None
        for step in steps:
            if step["from_state"] != reached:
                yield subject, f"was {reached}, next step begins at {step['from_state']}"
            reached = step["to_state"]


def _open_payments(facts: Facts) -> Iterable[Finding]:
    for payment in facts.payments.values():
        is_final = payment["state"] in ("succeeded", "failed", "refunded")
        if not is_final and payment["order_id"] in facts.orders:
            yield payment["order_id"], f"payment is {payment['state']} at rest"


def _open_orders(facts: Facts) -> Iterable[Finding]:
    for order_id, order in facts.orders.items():
        if order["status"] == "pending":
            yield order_id, "order is pending at rest"


def _rows_and_histories(facts: Facts) -> Iterable[Finding]:
    rows: list[tuple[str, str, Any]] = [
        *(("order", key, row["status"]) for key, row in facts.orders.items()),
        *(("payment", key, row["state"]) for key, row in facts.payments.items()),
    ]
    for kind, subject, state in rows:
        steps = facts.histories.get((kind, subject))
        if not steps or steps[-1]["to_state"] != state:
            yield subject, f"{kind} says {state}, its steps do not end there"


INVARIANTS: Final[Mapping[str, Callable[[Facts], Iterable[Finding]]]] = {
    "I01": _lost_orders,
    "I03": _doubled_orders,
    "I04": _orders_and_events,
    "I05": _unpublished,
    "I06": _missing_records,
    "I07": _invented_records,
    "I08": _causes,
    "I09": _lag,
    "I10": _charged_twice,
    "I11": _paid_and_charged,
    "I12": _charged_and_paid,
    "I13": _orphan_charges,
    "I14": _uncompensated,
    "I15": _refunds,
    "I16": _stock,
    "I17": _counters,
    "I18": _reservations,
    "I19": _forgotten_events,
    "I21": _steps,
    "I22": _gaps,
    "I23": _requests_of_keys,
    "I24": _keys,
    "I25": _open_payments,
    "I26": _open_orders,
    "I29": _rows_and_histories,
    "I30": _succeeded_and_charged,
    "I37": _delivered,
}
