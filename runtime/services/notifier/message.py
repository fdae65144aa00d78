"""The e-mail an event becomes, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.mime.text import MIMEText
from email.utils import formataddr, parseaddr
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


@dataclass(frozen=True, slots=True)
class Email:
    """One e-mail; no field but `text` has a line end in it.

    Attributes:
        text: lines, each with a line feed.
    """

    from_address: str
    to_address: str
    subject: str
    message_id: str
    text: str

    def content(self) -> bytes:
        """The whole message, as SMTP's DATA takes it."""
        # Written out: the library's message parses what it is given and folds it anew, for most of
        # what a letter costs. Ours have nothing to be folded.
        head = (
            'Content-Type: text/plain; charset="us-ascii"\n'
            "MIME-Version: 1.0\n"
            "Content-Transfer-Encoding: 7bit\n"
            f"From: {self.from_address}\nTo: {self.to_address}\n"
            f"Subject: {self.subject}\nMessage-ID: {self.message_id}\n\n"
        )
        whole = head + self.text
        if not whole.isascii():
            # A shop's own name, in its sender's address, may have any letter.
            message = self._encoded()
            return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        return whole.replace("\n", "\r\n").encode("ascii")

    def _encoded(self) -> Message:
        message = MIMEText(self.text)
        message["From"] = formataddr(parseaddr(self.from_address))
        message["To"] = self.to_address
        message["Subject"] = self.subject
        message["Message-ID"] = self.message_id
        return message


def to_email(topic: str, event: ReceivedEvent, *, to_address: str, from_address: str) -> Email:
    """Write the e-mail for an event of one of `TOPICS`."""
    amount = shown_money(event.money)
    told = f"Order {event.order_id}: {_SUBJECTS[topic].lower()} ({amount}).\n"
    why = _BECAUSE.get(event.text("by") or event.text("reason") or "")
    text = f"{told}{why}\n" if why else told
    return Email(from_address, to_address, _SUBJECTS[topic], message_id(event), text)
