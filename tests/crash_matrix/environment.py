"""One whole environment for all cells, and what a cell needs from it: SQL, the twin, processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import urllib3

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.supervise import endings
from runtime.domain.names import SCHEMA

NAME: Final = "crash-matrix"
COMMAND_SECONDS_MAX: Final = 240


@dataclass
class Stand:
    """The environment under test; `renew` gives the next cell a clean one.

    Attributes:
        extra: variables its services get beside the usual ones, for a sabotage.
    """

    home: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    environment: Environment = field(init=False)
    conn: psycopg.Connection = field(init=False)

    def up(self) -> None:
        self._command("up")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BOOKPAY_HOME", str(self.home))
            self.environment = environments.load(NAME)
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

    # --- the database ---

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.conn.execute(query, values).fetchall()

    def arm(self, run_id: str, point: str, action: str, **match: str | None) -> None:
        """Arm a failpoint once, and wait until every process that listens has heard of it."""
        self.conn.execute(
            "INSERT INTO failpoints (run_id, point, action, match_order_id, match_event_id,"
            " match_tenant_id) VALUES (%s, %s, %s, %s, %s, %s)",
            (
                *(run_id, point, action),
                *(match.get("order_id"), match.get("event_id"), match.get("tenant_id")),
            ),
        )
        heard = wait_until(
            lambda: self.rows(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND starts_with(query, 'SELECT DISTINCT point') AND (state <> 'idle'"
                " OR query_start < (SELECT max(armed_at) FROM failpoints))"
            ),
            lambda deaf: not deaf,
            deadline_seconds=10,
            every_seconds=0.02,
        )
        assert heard.reached, "not every process has heard of the failpoint"

    def disarm(self) -> None:
        self.conn.execute("DELETE FROM failpoints")

    # --- the twin ---

    def twin(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Any:
        answer = self._ask_twin(method, path, document)
        assert answer.status == 200, answer.data
        return json.loads(answer.data)

    def _ask_twin(
        self, method: str, path: str, document: Mapping[str, Any] | None
    ) -> urllib3.BaseHTTPResponse:
        """Ask its control API; a twin that is just starting again is asked until it answers."""
        return urllib3.request(
            method,
            f"{self.environment.stripe_control_url}{path}",
            body=None if document is None else json.dumps(document).encode(),
            timeout=10.0,
            retries=urllib3.Retry(connect=20, read=0, backoff_factor=0.1, backoff_max=0.5),
        )

    def add_fault(self, action: str, **definition: object) -> str:
        return str(self.twin("POST", "/faults", {"action": action, **definition})["id"])

    def complete_debit(self, payment_intent_id: str) -> None:
        """The bank decides now; that it has decided already is as good."""
        document = {"payment_intent": payment_intent_id, "succeed": True}
        answer = self._ask_twin("POST", "/complete", document)
        assert answer.status == 200 or b"only requires_action and processing" in answer.data

    def webhooks_owed(self) -> int:
        return int(self.twin("GET", "/status")["webhooks_owed"])

    def clear_faults(self) -> None:
        self.twin("DELETE", "/faults")

    # --- processes ---

    def log_position(self) -> int:
        return endings.log_position(self.environment)

    def log_sizes(self) -> dict[str, int]:
        """How much each process has written so far."""
        logs = self.environment.logs_dir.glob("*.log")
        return {path.stem: path.stat().st_size for path in logs}

    def log_since(self, process: str, sizes: Mapping[str, int]) -> str:
        """What a process has written since; its log is not long enough to be rotated here."""
        with (self.environment.logs_dir / f"{process}.log").open("rb") as file:
            file.seek(sizes.get(process, 0))
            return file.read().decode(errors="replace")

    def happenings(self, since: int) -> endings.Happenings:
        return endings.happenings(self.environment, since=since)

    def kill(self, process: str) -> int:
        """SIGKILL one process of the environment; returns the pid it had."""
        pid = endings.processes(self.environment)[process].pid
        assert pid is not None, f"{process} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid
