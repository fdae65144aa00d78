"""What must hold of a cell: its orders, its e-mails, and the three ledgers before the judge."""

from __future__ import annotations

import email.parser
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bookpayctl.judge import quiescence
from bookpayctl.judge.audit import AuditRequest, audit
from bookpayctl.judge.stacks.ours import OurStack
from bookpayctl.load.history import read_history
from bookpayctl.report.verdict import Verdict
from runtime.domain.names import EventType, OrderStatus
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.lag import Lags
from tests.crash_matrix.load import Flow

# What the customer of an order that ended so is told, once each.
LETTERS: Final = {
    OrderStatus.PAID: {EventType.ORDER_PAID},
    OrderStatus.CANCELLED: {EventType.ORDER_CANCELLED},
    OrderStatus.REFUNDED: {
        EventType.ORDER_PAID,
        EventType.ORDER_CANCELLED,
        EventType.PAYMENT_REFUNDED,
    },
}

# Every invariant must hold, and not because there was nothing to look at. These may be empty: no
# webhook is ever odd here, no record ever spoilt, and no poison in a topic.
MAY_BE_VACUOUS: Final = frozenset({"I27", "I28"})


@dataclass
class Mailbox:
    """The mail sink's folder; each message is read once."""

    folder: Path
    _by_file: dict[str, tuple[str, str]] = field(default_factory=dict)

    def letters(self) -> dict[str, Counter[str]]:
        """Order -> Message-ID -> how many mails carry it."""
        for path in (self.folder / "new").glob("*"):
            if path.name not in self._by_file:
                message = email.parser.Parser().parsestr(path.read_text())
                body = str(message.get_payload())
                order_id = body.removeprefix("Order ").split(":")[0]
                self._by_file[path.name] = (order_id, str(message["Message-ID"]))
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for order_id, message_id in self._by_file.values():
            found[order_id][message_id] += 1
        return found


def still_moving(
    matrix: MatrixEnvironment, mailbox: Mailbox, lags: Lags, flows: list[Flow]
) -> list[str]:
    """What is not at rest yet; empty when every order is final and every group has read all."""
    moving = quiescence.read_pending_work(matrix.environment)
    if not moving.is_settled or moving.waiting:
        return [moving.sentence()]
    behind = lags.behind()
    if behind:
        return behind
    letters = mailbox.letters()
    return [
        f"letter {message_id} about {flow.order_id} is not there"
        for flow in flows
        for message_id in expected_letters(matrix, flow)
        if message_id not in letters[flow.order_id or ""]
    ]


def expected_letters(matrix: MatrixEnvironment, flow: Flow) -> set[str]:
    """The Message-IDs of the events that customers are told of, as the outbox has them."""
    rows = matrix.rows(
        "SELECT event_id FROM outbox WHERE payload->>'order_id' = %s AND event_type = ANY (%s)",
        flow.order_id,
        [str(event_type) for types in LETTERS.values() for event_type in types],
    )
    return {f"<{event_id}@bookpay.example>" for (event_id,) in rows}


def wrong_ends(matrix: MatrixEnvironment, flow: Flow) -> list[str]:
    """How this order ended otherwise than its customer was promised."""
    orders = matrix.rows("SELECT id, status FROM orders WHERE client_key = %s", flow.key)
    if orders != [(flow.order_id, flow.ends)]:
        return [f"{flow.key} must be {flow.order_id} {flow.ends}, and is {orders}"]
    told = matrix.rows(
        "SELECT event_type FROM outbox WHERE payload->>'order_id' = %s AND event_type = ANY (%s)"
        " ORDER BY event_type",
        flow.order_id,
        [str(event_type) for types in LETTERS.values() for event_type in types],
    )
    wanted = sorted(str(event_type) for event_type in LETTERS[OrderStatus(flow.ends)])
    if [event_type for (event_type,) in told] != wanted:
        return [f"{flow.key} told {told}, not {wanted}"]
    return []


def wrong_letters(matrix: MatrixEnvironment, mailbox: Mailbox, flow: Flow) -> list[str]:
    """Exactly one Message-ID per event; a mail that came twice carries it twice."""
    sent = set(mailbox.letters()[flow.order_id or ""])
    expected = expected_letters(matrix, flow)
    if sent != expected or not expected:
        return [f"{flow.key} was sent {sorted(sent)}, not {sorted(expected)}"]
    return []


def judged(
    matrix: MatrixEnvironment, history: Path, flows: list[Flow], *, deadline_seconds: float
) -> list[str]:
    """bookpayctl's own audit of the three ledgers and of what the clients saw."""
    with history.open(encoding="utf-8") as lines:
        recorded = read_history(lines)
    report = audit(
        AuditRequest(
            OurStack(matrix.environment),
            age_seconds=0.0,
            deadline_seconds=deadline_seconds,
            history=recorded,
        ),
        lambda _: None,
    )
    problems = [
        f"{item.id} {item.title}: {item.verdict}; {item.observed}; {'; '.join(item.evidence[:3])}"
        for item in report.items
        if item.verdict is not Verdict.HOLDS
        and not (item.verdict is Verdict.VACUOUS and item.id in MAY_BE_VACUOUS)
    ]
    looked_at = int(report.context["judged_orders"])
    if looked_at < len(flows):
        problems.append(f"the judge looked at {looked_at} orders, fewer than the cell has")
    return problems
