"""Logs: what a process says about itself while it runs.

Logs are one JSON object per line on stdout. `Outage` keeps a long failure from becoming ten
thousand lines: it logs the first one, then one line a minute, then the end with the count.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

REPEAT_SECONDS: Final = 60.0
"""How often a continuing outage is logged again."""

# What a record has of itself; `extra` is whatever it has beside these.
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One line, one object; whatever was passed as `extra` becomes a field."""

    def __init__(self, service: str, process: str) -> None:
        super().__init__()
        self._service = service
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "msg": record.getMessage(),
            "service": self._service,
            "process": self._process,
        }
        line |= {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD_FIELDS and value is not None
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # ASCII: an id that a client chose may hold line ends or bidi controls, and a log is read in
        # a terminal.
        return json.dumps(line, default=str, ensure_ascii=True)


def configure_logging(service: str, process: str, level: str) -> None:
    """Send every log of this process to stdout as JSON; libraries from WARNING up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service, process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("runtime").setLevel(level)
    # The pool logs every try to reconnect; `Outage` says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Outage:
    """The log of one dependency's absence: begin, a reminder a minute, end."""

    logger: logging.Logger
    what: str
    _began: float | None = None
    _last_logged: float = 0.0
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_open(self) -> bool:
        """Whether the last that was heard is a failure."""
        return self._began is not None

    def failed(self, error: BaseException) -> None:
        """Note a failure; log it when it is the first or a minute has passed."""
        with self._lock:
            now = time.monotonic()
            self._failures += 1
            first = self._began is None
            if first:
                self._began = now
            if first or now - self._last_logged >= REPEAT_SECONDS:
                self._last_logged = now
                self.logger.warning(
                    "%s is unavailable; trying again until it is back",
                    self.what,
                    extra={"error": _first_line(error), "failures": self._failures},
                )

    def recovered(self) -> None:
        """Note a success; log it when it ends an outage."""
        # Without the lock: this is asked after every success, and an outage that begins in this
        # instant is ended by the next one.
        if self._began is None:
            return
        with self._lock:
            if self._began is None:
                return
            # Monotonic: an outage must not seem longer because somebody set the clock.
            seconds = round(time.monotonic() - self._began, 1)
            self.logger.info(
                "%s is back",
                self.what,
                extra={"outage_seconds": seconds, "failures": self._failures},
            )
            self._began, self._failures = None, 0


def _first_line(error: BaseException) -> str:
    """A driver's message without its continuation lines, and never more than a line's worth."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
