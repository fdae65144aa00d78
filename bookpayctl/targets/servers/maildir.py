"""What a mail server of ours does with a message: it is kept as it came, in a Maildir."""

from __future__ import annotations

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, Envelope, Session


class AsItCame(Mailbox):
    """A handler for aiosmtpd; a message is on disk before it is acknowledged.

    The library's own parses each message, adds who sent it, and writes it anew: for nobody, and for
    most of what a message costs.
    """

    async def handle_DATA(  # noqa: N802 - the library looks for this name
        self,
        server: SMTP,  # noqa: ARG002 - as above
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        content = envelope.original_content or b""
        self.mailbox.add(content)
        return "250 OK"
