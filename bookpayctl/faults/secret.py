"""A fault of secrets: the webhook's signing secret is rotated, in the two steps that Stripe has.

First the new one beside the old, which both sides take; then the old one is gone. It is not put
back: what is promised is that the rotation comes to its end, with the newest alone. No secret is
ever in a run's folder.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.files import rewrite_atomically
from bookpayctl.runs.waiting import wait_until


class SecretRotated(Fault):
    """The file that the receiver and the twin read; local environments alone have one."""

    old = ""
    new = ""

    @property
    def path(self) -> Path:
        return undo.signing_secret_path(self.target.environment)

    def plan_undo(self) -> None:
        self._plan(undo.FINISH_ROTATION)

    def inject(self) -> None:
        """The new secret beside the old one, newest first."""
        self.old = self.path.read_text().split()[0]
        self.new = f"whsec_{secrets.token_hex(24)}"
        self._write(f"{self.new}\n{self.old}\n")
        self.run.journal("rotated", secrets=2)

    def drop_old(self) -> None:
        """The new one alone."""
        self._write(f"{self.new}\n")
        self.run.journal("rotated", secrets=1)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Ask the target what the receiver is given."""
        title, required = "the secret was rotated", "the old one and a new one are accepted"
        found = wait_until(
            self.target.signing_secrets,
            lambda now: now is not None and now.count == 2,
            deadline_seconds=deadline_seconds,
        )
        if not found.reached or found.value is None:
            reason = "nobody knows" if found.value is None else f"{found.value.count} secrets"
            return [self._unproven("rotated", title, required, reason)]
        return [self._proven("rotated", title, required, f"2 in {found.value.place}", 2)]

    def _write(self, text: str) -> None:
        try:
            rewrite_atomically(self.path, text)
        except OSError as error:
            raise FaultError(f"the secret could not be written: {error}") from error
