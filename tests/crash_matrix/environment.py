"""One whole environment for all cells, and what a cell needs from it: SQL, the twin, processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
import pytest

from bookpayctl.clients.stripe_twin import TwinControl, TwinError
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.platforms import open_target
from bookpayctl.targets.target import Target
from runtime.domain.names import SCHEMA

NAME: Final = "crash-matrix"
COMMAND_SECONDS_MAX: Final = 240
# A twin that a cell killed is back well before this.
TWIN_BACK_SECONDS_MAX: Final = 60.0


@dataclass
class MatrixEnvironment:
    """The environment under test; `renew` gives the next cell a clean one.

    Attributes:
        extra: variables its services get beside the usual ones, for a sabotage.
    """

    home: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    target: Target = field(init=False)
    conn: psycopg.Connection[tuple[Any, ...]] = field(init=False)

    @property
    def environment(self) -> Environment:
        return self.target.environment

    def up(self) -> None:
        self._command("up")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BOOKPAY_HOME", str(self.home))
            self.target = open_target(environments.load(NAME))
        self.conn = psycopg.connect(
            self.environment.dsn,
            autocommit=True,
            application_name="crash-matrix",
            options=f"-c search_path={SCHEMA},public",
        )

    def down(self) -> None:
        if hasattr(self, "conn"):
            self.conn.close()
        self._command("down", "--purge")

    def renew(self) -> None:
        self.down()
        self.up()

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bookpayctl", *arguments, "--name", NAME],
            env={**os.environ, "BOOKPAY_HOME": str(self.home), **self.extra},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return self.conn.execute(query, values).fetchall()

    @property
    def twin(self) -> TwinControl:
        url = self.environment.stripe_control_url
        assert url is not None, "the matrix runs on the twin"
        return TwinControl(url, timeout_seconds=30.0)

    def complete_debit(self, payment_intent_id: str) -> None:
        """The bank decides now; that it has decided already is as good."""
        document = {"payment_intent": payment_intent_id, "succeed": True}

        def is_decided() -> bool:
            try:
                self.twin.ask("POST", "/complete", document)
            except TwinError as error:
                # A twin that is just starting again is asked until it answers.
                return "only requires_action and processing" in str(error)
            return True

        decided = wait_until(is_decided, bool, deadline_seconds=TWIN_BACK_SECONDS_MAX)
        assert decided.reached, f"the bank could not decide {payment_intent_id}"

    def webhooks_owed(self) -> int | None:
        """Webhooks still to be delivered; None while the twin is starting again."""
        try:
            return self.twin.webhooks_owed()
        except TwinError:
            return None
