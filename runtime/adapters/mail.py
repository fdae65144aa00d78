"""Mail by SMTP: one connection kept open, made anew when the server has closed it."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from typing import Final

# A mail server that hangs holds up its partition; nobody else waits for it.
TIMEOUT_SECONDS: Final = 5.0


class MailUnavailableError(Exception):
    """The server did not take a message now: nothing is known to be sent, send it again later."""


class MailRefusedError(Exception):
    """The server will never take this message: a 5xx answer about it, not about the connection."""


@dataclass(slots=True)
class Mailer:
    """A lazily opened SMTP session; not shared between threads."""

    host: str
    port: int
    _session: smtplib.SMTP | None = None

    def send(self, from_address: str, to_address: str, content: bytes) -> None:
        """Hand one message to the server.

        Args:
            content: head and text, each line with its line end.

        Raises:
            MailRefusedError: it will never be accepted.
            MailUnavailableError: it was not accepted; nothing is known to be sent.
        """
        try:
            if self._session is None:
                self._session = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
            self._session.sendmail(from_address, [to_address], content)
        except (smtplib.SMTPException, OSError) as error:
            # Also after a refusal: what state the session is in is the server's secret.
            self.close()
            if _is_final(error):
                raise MailRefusedError(str(error)) from error
            raise MailUnavailableError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the session without waiting for the server's goodbye."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _is_final(error: Exception) -> bool:
    """Whether every answer in the error is a 5xx about this message."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
        case smtplib.SMTPSenderRefused() | smtplib.SMTPDataError():
            codes = [error.smtp_code]
        case _:
            # A 5xx to the greeting or to HELO is about us, and may be mended there.
            return False
    return bool(codes) and all(500 <= code < 600 for code in codes)
