"""The e-mail an event becomes, pure."""

from __future__ import annotations

import re
from email.message import Message
from email.mime.text import MIMEText
from typing import Final

from runtime.domain.event import ReceivedEvent
from runtime.domain.money import shown_money
from runtime.domain.names import Topic

# Customers are ids here, not addresses; a real shop would look one up. RFC 2606 reserves the name.
DOMAIN: Final = "customers.bookpay.example"

_SUBJECTS: Final[dict[str, str]] = {
    Topic.ORDERS_PAID: "Your order is paid",
    Topic.ORDERS_CANCELLED: "Your order is cancelled",
    Topic.PAYMENTS_REFUNDED: "Your money is on its way back",
}

TOPICS: Final = tuple(_SUBJECTS)


def recipient(customer_id: str | None, order_id: str) -> str:
    """The address of a customer; an order without one gets its own mailbox."""
    # What a customer is called may be anything: only letters that no address gives a meaning pass.
    local = re.sub(r"[^A-Za-z0-9._-]", "_", customer_id or order_id)[:64].strip(".") or "unknown"
    return f"{local}@{DOMAIN}"


def message_id(event: ReceivedEvent) -> str:
    """Stable across retries, so that an e-mail sent twice is one e-mail to whoever reads it."""
    return f"<{event.event_id}@bookpay.example>"


# Said beside the subject where it was not the shop that moved the money.
_BECAUSE: Final[dict[str, str]] = {
    "refunded_outside": "The shop's staff gave the money back.",
    "dispute_lost": "Your bank gave the money back to you.",
}


def to_message(topic: str, event: ReceivedEvent, *, to_address: str, from_address: str) -> Message:
    """Build the e-mail for an event of one of `TOPICS`."""
    amount = shown_money(event.money)
    told = f"Order {event.order_id}: {_SUBJECTS[topic].lower()} ({amount}).\n"
    why = _BECAUSE.get(event.text("by") or event.text("reason") or "")
    # Not `EmailMessage`: it parses each header that it is given, for a millisecond a letter. Ours
    # have nothing to be parsed, and no line end in them.
    message = MIMEText(f"{told}{why}\n" if why else told)
    message["From"] = from_address
    message["To"] = to_address
    message["Subject"] = _SUBJECTS[topic]
    message["Message-ID"] = message_id(event)
    return message
