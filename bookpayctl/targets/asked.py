"""What every platform asks broker and database for `status`; who does not answer is unknown."""

from __future__ import annotations

from bookpayctl.targets.backlog import LedgerError, LedgerFacts, read_ledger
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.lag import LagError, group_lags
from bookpayctl.targets.status import ProcessStatus, Status, UnknownFact


def lags_of(environment: Environment) -> dict[str, int] | UnknownFact:
    """Group -> records that it has not committed yet."""
    try:
        return group_lags(environment.kafka)
    except LagError as error:
        return UnknownFact(str(error))


def ledger_of(environment: Environment) -> LedgerFacts | UnknownFact:
    """What the database says of leader, backlog and money."""
    try:
        return read_ledger(environment.dsn)
    except LedgerError as error:
        return UnknownFact(str(error))


def status_of(
    environment: Environment,
    processes: tuple[ProcessStatus, ...],
    facts: LedgerFacts | UnknownFact,
    notes: tuple[str, ...],
) -> Status:
    """An environment's status; what the database did not say is unknown in each place."""
    return Status(
        name=environment.name,
        processes=processes,
        leader=facts if isinstance(facts, UnknownFact) else facts.leader,
        open_payments=facts if isinstance(facts, UnknownFact) else facts.open_payments,
        waiting=facts if isinstance(facts, UnknownFact) else facts.waiting,
        moved_by_others=facts if isinstance(facts, UnknownFact) else facts.moved_by_others,
        captured=environment.captured,
        capture=facts if isinstance(facts, UnknownFact) else facts.capture,
        notes=notes,
    )
