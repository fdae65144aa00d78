"""One order is one trace, told by every process that touched it to a collector that may be away."""

from __future__ import annotations

import re
from uuid import UUID

from tests.support.http_client import http
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.stack import Shop
from tests.support.waiting import eventually

# Of whom each span is a child, both as `service: name`.
OF_A_PAID_ORDER = {
    "orders-service: POST /orders": None,
    "orders-service: transaction": "orders-service: POST /orders",
    "orders-service: outbox OrderPlaced": "orders-service: transaction",
    "outbox-publisher: publish orders.placed": "orders-service: outbox OrderPlaced",
    "payments-worker: inbox orders.placed": "outbox-publisher: publish orders.placed",
    "payments-worker: attempt charge": "payments-worker: inbox orders.placed",
    "payments-gateway: POST /charge": "payments-worker: attempt charge",
    "payments-gateway: stripe charge": "payments-gateway: POST /charge",
    "payments-worker: transaction": "payments-worker: attempt charge",
    "payments-webhook-receiver: POST /stripe/webhook": "payments-worker: inbox orders.placed",
    "payments-webhook-receiver: transaction": "payments-webhook-receiver: POST /stripe/webhook",
    "orders-service: saga payments.completed": "outbox-publisher: publish payments.completed",
    "orders-service: outbox OrderPaid": "orders-service: saga payments.completed",
    "outbox-publisher: publish orders.paid": "orders-service: outbox OrderPaid",
    "notifier: notify orders.paid": "outbox-publisher: publish orders.paid",
    "notifier: mail": "notifier: notify orders.paid",
}

# Whoever is first with the outcome writes its event: the worker, or the webhook.
OUTCOMES = {
    f"{service}: outbox PaymentCompleted": f"{service}: transaction"
    for service in ("payments-worker", "payments-webhook-receiver")
}

OF_A_REFUND = {
    "orders-service: POST /orders/{order_id}/cancel": None,
    "payments-worker: inbox orders.cancelled": "outbox-publisher: publish orders.cancelled",
    "payments-worker: attempt refund": "payments-worker: inbox orders.placed",
    "payments-gateway: POST /refund": "payments-worker: attempt refund",
    "payments-gateway: stripe refund": "payments-gateway: POST /refund",
    "orders-service: saga payments.refunded": "outbox-publisher: publish payments.refunded",
    "notifier: notify payments.refunded": "outbox-publisher: publish payments.refunded",
}

ATTRIBUTES = {
    "bookpay.came_to": r"paid|refunded|cancelled|unchanged \([a-z]+\)",
    "bookpay.event_type": r"[A-Z][A-Za-z]+",
    "bookpay.order_id": r"ord_[0-9a-f]{32}",
    "bookpay.outcome": r"[a-z]+",
    "bookpay.replayed": r"True|False",
    "http.response.status_code": r"[1-5][0-9]{2}",
    "http.route": r"/[a-z/_{}-]+",
    "stripe.request_id": r"req_\w+",
}


def named(span: ReceivedSpan | None) -> str | None:
    return None if span is None else f"{span.service}: {span.name}"


def parents(spans: list[ReceivedSpan]) -> dict[str | None, str | None]:
    """Each span and its parent; one whose parent did not come is told of."""
    by_id = {span.span_id: span for span in spans}
    assert {span.parent_id for span in spans} - by_id.keys() <= {""}, "a parent is missing"
    return {named(span): named(by_id.get(span.parent_id)) for span in spans}


def whole(collector: OtlpReceiver, trace_id: str, expected: set[str]) -> list[ReceivedSpan]:
    """The spans of a trace, once all that are expected have come."""

    def come() -> list[ReceivedSpan] | None:
        spans = collector.trace(trace_id)
        return spans if {named(span) for span in spans} >= expected else None

    return eventually(
        come,
        lambda: (
            f"spans {expected - {named(span) for span in collector.trace(trace_id)}} of {trace_id}"
        ),
    )


def test_a_paid_order_is_one_trace_of_which_each_span_knows_its_parent(
    shop: Shop, collector: OtlpReceiver
) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")

    spans = whole(collector, event_id.hex, set(OF_A_PAID_ORDER))

    found = parents(spans)
    (outcome,) = found.keys() & OUTCOMES.keys()
    assert found == OF_A_PAID_ORDER | {
        outcome: OUTCOMES[str(outcome)],
        "outbox-publisher: publish payments.completed": outcome,
    }
    assert len(spans) == len(found)
    assert not any(span.failed for span in spans)


def test_a_refund_goes_on_in_the_trace_of_its_order(shop: Shop, collector: OtlpReceiver) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")

    shop.cancel(order_id)
    shop.wait_status(order_id, "refunded")

    found = parents(whole(collector, event_id.hex, set(OF_A_PAID_ORDER | OF_A_REFUND)))
    assert found.items() >= OF_A_REFUND.items()


def test_what_a_span_says_are_words_of_ours_and_ids(shop: Shop, collector: OtlpReceiver) -> None:
    answer = shop.post(shop.body(customer_id="ada-lovelace"))
    trace_id = UUID(answer.json["event_id"]).hex
    shop.wait_status(answer.json["id"], "paid")

    spans = whole(collector, trace_id, set(OF_A_PAID_ORDER))

    said = [each for span in spans for each in span.attributes.items()]
    assert {name for name, _ in said} >= {"bookpay.outcome", "stripe.request_id", "http.route"}
    for name, value in said:
        assert re.fullmatch(ATTRIBUTES[name], str(value)), (name, value)
    secrets = (b"ada-lovelace", shop.token.encode(), b"sk_test_", b"whsec_", b"pm_card")
    bodies = [body for body in collector.requests if bytes.fromhex(trace_id) in body]
    assert [secret for secret in secrets for body in bodies if secret in body] == []


def test_a_collector_that_never_answers_holds_up_no_order(
    shop: Shop, collector: OtlpReceiver
) -> None:
    asked = collector.asked
    collector.answering.clear()
    try:
        order_id, _ = shop.place()
        shop.wait_status(order_id, "paid")
        eventually(lambda: collector.asked > asked, "somebody hangs at the collector")

        def lost() -> float:
            text = http.request("GET", shop.stack["orders-http"].url + "/metrics").body.decode()
            found = re.search(r'bookpay_trace_spans_total\{result="not_taken"\} (\S+)', text)
            return float(found[1]) if found else 0.0

        eventually(lambda: lost() > 0, "what was not taken is counted")
    finally:
        collector.answering.set()
