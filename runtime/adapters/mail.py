"""Mail by SMTP: one connection kept open, made anew when the server has closed it."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

TIMEOUT_SECONDS: Final = 5.0

UNAVAILABLE: Final = (smtplib.SMTPException, OSError)
"""What a caller can answer by waiting."""


@dataclass(slots=True)
class Mailer:
    """A lazily opened SMTP session; not shared between threads."""

    host: str
    port: int
    _session: smtplib.SMTP | None = None

    def send(self, message: EmailMessage) -> None:
        """Hand one message to the server.

        Raises:
            smtplib.SMTPException, OSError: it was not accepted; nothing is known to be sent.
        """
        if self._session is None:
            self._session = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            self._session.send_message(message)
        except UNAVAILABLE:
            self.close()
            raise

    def close(self) -> None:
        """End the session without waiting for the server's goodbye."""
        if self._session is not None:
            self._session.close()
            self._session = None
