"""A load beside something else: one thread, stopped by one event, its history on disk."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from bookpayctl.load.history import HistoryFile
from bookpayctl.load.plan import OrderKind, plan_arrivals
from bookpayctl.load.sender import Accepted, Load
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.environment import Environment


class BackgroundLoad:
    """Orders of a mix at a steady rate, until their planned end or until `stop` is set."""

    def __init__(
        self,
        environment: Environment,
        run: Run,
        stop: threading.Event,
        *,
        rate_per_second: float,
        duration_seconds: float,
        seed: int,
        mix: Mapping[OrderKind, int],
        asks_again: bool = False,
    ) -> None:
        """Plan it; nothing is sent yet.

        Args:
            asks_again: whether a client that gets no answer asks again under its key.
        """
        self._stop = stop
        # Client keys of this run's load all begin with this.
        key_prefix = f"{run.run_id}-load-"
        self._history = HistoryFile(
            run.history_path,
            run_id=run.run_id,
            tenant_id=environment.tenant_id,
            key_prefix=key_prefix,
        )
        planned = plan_arrivals(
            rate_per_second=rate_per_second,
            duration_seconds=duration_seconds,
            mix=dict(mix),
            seed=seed,
        )
        self._load = Load(
            environment, planned, self._history, key_prefix=key_prefix, asks_again=asks_again
        )
        self._result: Accepted | None = None
        self._thread = threading.Thread(target=self._run, name="background-load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def has_accepted(self, deadline_seconds: float) -> bool:
        """Whether some order was accepted, as soon as one is or the load is over."""
        waited = wait_until(
            self._load.progress,
            lambda progress: bool(progress.outcomes.get("ok")) or not self._thread.is_alive(),
            deadline_seconds=deadline_seconds,
        )
        return bool(waited.value.outcomes.get("ok"))

    def finish(self) -> None:
        """Wait for the planned end."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def accepted(self) -> Accepted | None:
        """What the clients saw, once the load has ended; its stop event must be set."""
        if self._thread.ident is not None:
            self._thread.join()
        self._history.close()
        return self._result

    def _run(self) -> None:
        self._result = self._load.run(self._stop, lambda _: None)
