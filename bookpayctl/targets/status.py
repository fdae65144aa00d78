"""What every target can say about an environment, whatever it runs on.

Only values. A fact that could not be asked for is an `UnknownFact` with the reason; it is never
shown as good, and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bookpayctl.report.exit_code import ExitCode, worst


@dataclass(frozen=True, slots=True)
class UnknownFact:
    """A question nobody answered."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process now.

    Attributes:
        state: `running`, `stopped`, or what its supervisor calls it.
        restarts: since the supervisor started; starts that were asked for do not count.
        ready: what the process itself said; the detail names the checks that failed.
        lag: records its consumer group has not committed yet; None when it has no group.
    """

    name: str
    service: str
    state: str
    pid: int | None
    uptime_seconds: float | None
    restarts: int | UnknownFact
    port: int | None
    ready: bool | UnknownFact
    detail: str
    lag: int | UnknownFact | None


@dataclass(frozen=True, slots=True)
class SlotUse:
    """The replication slot that publishers stream the outbox by.

    Attributes:
        streamed: somebody reads it; otherwise the leader polls meanwhile.
        kept_bytes: of the write-ahead log, for this slot.
        left_bytes: that may be written before the slot is lost; None where nothing bounds it.
    """

    streamed: bool
    lost: bool
    kept_bytes: int
    left_bytes: int | None

    def __str__(self) -> str:
        if self.lost:
            return "the slot is lost"
        left = "" if self.left_bytes is None else f", {self._mb(self.left_bytes)} to its end"
        how = "streams the log" if self.streamed else "polls beside its slot"
        return f"{how}, {self._mb(self.kept_bytes)} kept{left}"

    @staticmethod
    def _mb(size_bytes: int) -> str:
        return f"{size_bytes / 1e6:,.1f} MB"


@dataclass(frozen=True, slots=True)
class Leader:
    """The publisher that holds the lock.

    Attributes:
        publisher_id: as it named itself in publisher_terms; empty when it has not yet.
        term: None until it has recorded one.
        slot: of the write-ahead log; None where there is none, and it polls.
    """

    publisher_id: str
    backend_pid: int
    term: int | None
    held_seconds: float | None
    slot: SlotUse | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """How far change data capture is, where it publishes and no publisher of ours leads.

    Attributes:
        active: whether the connector reads the slot.
        wal_status: `lost` once PostgreSQL has thrown away what it still needs.
        behind_bytes: of PostgreSQL's log, all tables counted, that it has not confirmed.
    """

    slot: str
    active: bool
    wal_status: str
    behind_bytes: int

    @property
    def reads(self) -> bool:
        """Whether what is written is read."""
        return self.active and self.wal_status != "lost"


@dataclass(frozen=True, slots=True)
class OpenPayments:
    """Payments of one state that are not final: the backlog."""

    state: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Things of one kind that are open or wait for an operator; zero is an answer, too."""

    what: str
    count: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class MovedByOthers:
    """Money that others moved, of one kind and currency: `refunds`, `disputes open`, ..."""

    what: str
    count: int
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Status:
    """An environment now.

    Attributes:
        leader: None when the database says that nobody holds the lock.
        captured: whether change data capture publishes, so that nobody has to lead.
        capture: None where none publishes, or its slot is not there.
    """

    name: str
    processes: tuple[ProcessStatus, ...]
    leader: Leader | UnknownFact | None
    open_payments: tuple[OpenPayments, ...] | UnknownFact
    waiting: tuple[Waiting, ...] | UnknownFact
    moved_by_others: tuple[MovedByOthers, ...] | UnknownFact = ()
    captured: bool = False
    capture: Capture | UnknownFact | None = None
    notes: tuple[str, ...] = ()

    def exit(self) -> tuple[ExitCode, str]:
        """The exit code and its reason: something is down, could not be asked, or all is well."""
        if not self.processes:
            return ExitCode.VACUOUS, "no_processes"
        code = worst(
            [
                *(_process_code(process) for process in self.processes),
                self._publishing_code(),
                ExitCode.UNKNOWN if isinstance(self.open_payments, UnknownFact) else ExitCode.PASS,
            ]
        )
        reasons = {
            ExitCode.VIOLATED: "something_is_down",
            ExitCode.UNKNOWN: "could_not_ask",
            ExitCode.PASS: "all_healthy",
        }
        return code, reasons[code]

    def _publishing_code(self) -> ExitCode:
        """Whether somebody publishes: a leader, or a capture that reads its slot."""
        publishing = self.capture if self.captured else self.leader
        if isinstance(publishing, UnknownFact):
            return ExitCode.UNKNOWN
        reads = publishing.reads if isinstance(publishing, Capture) else publishing is not None
        return ExitCode.PASS if reads else ExitCode.VIOLATED


def _process_code(process: ProcessStatus) -> ExitCode:
    if process.state != "running" or process.ready is False:
        return ExitCode.VIOLATED
    if any(
        isinstance(fact, UnknownFact) for fact in (process.ready, process.restarts, process.lag)
    ):
        return ExitCode.UNKNOWN
    return ExitCode.PASS
