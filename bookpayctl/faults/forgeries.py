"""A fault of the network's other side: webhooks that nobody may believe, at a steady rate.

They are the cases of `webhook forge` that have to be refused and leave nothing. What the receiver
answered to each is its own record; a forgery that is believed is registered as a probe of this run,
so that no audit takes it for money.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from bookpayctl.clients.raw_http import RawAnswer, RawRequest, exchange
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.target import Target

SENDERS: Final = 16


class ForgeriesSent(Fault):
    """Requests sent in turn, so many a second for so long, whatever is answered.

    Args:
        requests: name and bytes of each; all must be refused with a 4xx.
    """

    def __init__(
        self,
        target: Target,
        run: Run,
        *,
        prefix: str,
        requests: Sequence[tuple[str, RawRequest]],
        rate_per_second: float,
        seconds: float,
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.requests = tuple(requests)
        self.rate_per_second = rate_per_second
        self.seconds = seconds
        self.answers: Counter[tuple[str, int | None]] = Counter()
        """How often each kind was answered with each status; None for no answer."""
        self._lock = threading.Lock()

    def plan_undo(self) -> None:
        """A request that ends its reader would leave a process behind that does not run."""
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        for _, request in self.requests:
            self._register(request)
        parts = urlsplit(self.target.environment.webhook_url)
        host, port = parts.hostname or "", parts.port or 80
        began, gap = time.monotonic(), 1 / self.rate_per_second
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="forger") as pool:
            for number in range(int(self.seconds * self.rate_per_second)):
                due = began + number * gap
                # An open loop: the pace is the experiment, and nothing is waited for.
                threading.Event().wait(max(0.0, due - time.monotonic()))
                name, request = self.requests[number % len(self.requests)]
                pool.submit(self._send, name, host, port, request)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """The receiver answered them."""
        del deadline_seconds  # all have been answered, or will not be
        title = "forgeries reached the receiver"
        required = f"each of {len(self.requests)} kinds answered at least once"
        heard = {name for (name, status) in self.answers if status is not None}
        mute = sorted({name for name, _ in self.requests} - heard)
        if mute or not heard:
            reason = f"no answer to {', '.join(mute) or 'any'}"
            return [self._unproven("forgeries-sent", title, required, reason)]
        by_status = Counter[int | None]()
        for (_, status), count in self.answers.items():
            by_status[status] += count
        observed = ", ".join(f"{count} x {status}" for status, count in by_status.most_common())
        return [self._proven("forgeries-sent", title, required, observed, by_status.total())]

    def believed(self) -> list[str]:
        """Kinds that were answered with anything but a refusal, or with a failure of its own."""
        return [
            f"{count} x {name}: {status}"
            for (name, status), count in sorted(self.answers.items(), key=str)
            if status is not None and not 400 <= status < 500
        ]

    def _send(self, name: str, host: str, port: int, request: RawRequest) -> None:
        answer: RawAnswer = exchange(host, port, request)
        with self._lock:
            self.answers[name, answer.status] += 1

    def _register(self, request: RawRequest) -> None:
        try:
            document = json.loads(request.body)
        except (ValueError, RecursionError):
            return
        identifier = document.get("id") if isinstance(document, dict) else None
        if isinstance(identifier, str):
            self.run.probe("stripe_event", identifier)
