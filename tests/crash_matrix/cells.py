"""The cells of the crash matrix: every failpoint with every fault, and which of them a commit runs.

F13 is Stripe's: its faults are the twin's, and who is killed or frozen is the gateway which waits
for the answer, or the twin which holds it.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.faults.names import INAPPLICABLE, Action, Failpoint

ROOT: Final = Path(__file__).resolve().parents[2]

SAMPLE_SIZE: Final = 8

MATRIX_ACTIONS: Final = (Action.EXIT, Action.DROPCONN, Action.EXECTIMEOUT, Action.STOP)

# A cell of these takes five times as long as any other: a process has to sleep longer than its
# leases. No commit draws them; `nox -s crash_matrix` runs them all.
SLOW_ACTIONS: Final = frozenset({Action.STOP})

# The twin's faults stand for this one: nobody of ours is there when Stripe's answer is lost.
TWIN_POINTS: Final = frozenset({Failpoint.PSP_EXECUTED_RESPONSE_LOST})

SERVICE_OF_PREFIX: Final = {
    "api": "orders-service-http",
    "publisher": "outbox-publisher",
    "worker": "payments-worker",
    "psp": "payments-gateway",
    "receiver": "payments-webhook-receiver",
    "saga": "orders-service-consumer",
    "recon": "payments-reconciler",
}
# Steps of the saga and of a charge that the worker takes.
WORKERS_OWN: Final = frozenset(
    {
        Failpoint.PSP_RESPONSE_BEFORE_PERSIST,
        Failpoint.SAGA_REFUND_SENT_NO_RESPONSE,
        Failpoint.SAGA_REFUND_BEFORE_PERSIST,
    }
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one point; `victim` is who is killed or frozen where the twin is at fault."""

    point: Failpoint
    action: Action
    victim: str | None = None

    @property
    def id(self) -> str:
        suffix = f"-{self.victim}" if self.victim else ""
        return f"{self.point.number}-{self.action}{suffix}"

    @property
    def title(self) -> str:
        return f"{self.point.value} ({self.victim})" if self.victim else self.point.value

    @property
    def service(self) -> str:
        if self.point in WORKERS_OWN:
            return "payments-worker"
        return SERVICE_OF_PREFIX[self.point.value.split(".")[0]]

    @property
    def why_not(self) -> str | None:
        """Why this cell cannot apply; None when it can."""
        return INAPPLICABLE.get((self.point, self.action))

    @property
    def is_the_twins(self) -> bool:
        return self.point in TWIN_POINTS


def every_cell() -> list[Cell]:
    """All of them, point by point, those that cannot apply included."""
    cells = []
    for point in Failpoint:
        for action in MATRIX_ACTIONS:
            named = point in TWIN_POINTS and action in (Action.EXIT, Action.STOP)
            victims = ("payments-gateway", "stripe-twin") if named else (None,)
            cells += [Cell(point, action, victim) for victim in victims]
    return cells


def applicable_cells() -> list[Cell]:
    return [cell for cell in every_cell() if cell.why_not is None]


def quick_cells() -> list[Cell]:
    """Those that a commit draws from."""
    return [cell for cell in applicable_cells() if cell.action not in SLOW_ACTIONS]


def sample(cells: list[Cell], seed: str, size: int = SAMPLE_SIZE) -> list[Cell]:
    """At least one cell of every service, then others, drawn from `seed`; in the order of `cells`.

    The seed is the commit, so that a red build stays red when it is run again, and over many
    commits every cell has its turn.
    """
    rng = random.Random(seed)
    services = sorted({cell.service for cell in cells})
    chosen = [rng.choice([c for c in cells if c.service == service]) for service in services]
    rest = [cell for cell in cells if cell not in chosen]
    chosen += rng.sample(rest, max(0, min(size - len(chosen), len(rest))))
    return [cell for cell in cells if cell in chosen]


def commit_id(root: Path = ROOT) -> str:
    """What is tested: the commit; without git, a digest of the runtime's own files."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    except FileNotFoundError:
        # No git on this machine: the files say as well what is tested.
        return digest_of_tree(root)
    return digest_of_tree(root)


def digest_of_tree(root: Path) -> str:
    hashed = hashlib.sha256()
    for path in sorted((root / "runtime").rglob("*.py")):
        hashed.update(str(path.relative_to(root)).encode())
        hashed.update(path.read_bytes())
    return hashed.hexdigest()
