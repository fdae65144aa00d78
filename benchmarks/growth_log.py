"""What a long log in Kafka costs those who read it: replay by the record, a check by the whole.

Three brokers at once, each with a database whose orders its records are of, three to an order; the
largest keeps a hundred times the records of the smallest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import replay_verify
from benchmarks.growth_cost import Cost, Repetition, timed
from benchmarks.growth_stage import TIMES
from bookpayctl.checks import single_publisher
from bookpayctl.clients.database import writing
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from runtime.sql import migrate
from tests.support.servers import Servers, running_servers

RECORDS_OF_AN_ORDER: Final = 3

# A publisher that has led since before the first record, as after months without a change.
_TERM: Final = """
    INSERT INTO publisher_terms (publisher_id, backend_pid, began_at)
    VALUES ('growth', 1, clock_timestamp() - interval '1 day')
"""


@dataclass(frozen=True, slots=True)
class SizedLog:
    """A log and its ledger."""

    times: int
    records: int
    servers: Servers


@contextmanager
def open_logs(
    records: int, folder: Path, tell: Callable[[str], None]
) -> Iterator[tuple[SizedLog, ...]]:
    """The three of them, which go away with the block.

    Args:
        records: of the smallest, about.
    """
    with ExitStack() as stack:
        logs = []
        for times in TIMES:
            servers = stack.enter_context(running_servers(folder / f"log-{times}"))
            migrate(servers.dsn)
            create_topics(KafkaServers(servers.kafka_bootstrap_servers))
            replay_verify.fill(servers.dsn, records * times // RECORDS_OF_AN_ORDER)
            sent = replay_verify.publish(servers.dsn, servers.kafka_bootstrap_servers)
            logs.append(SizedLog(times, sent, servers))
            tell(f"{times} x: {sent:,} records")
        yield tuple(logs)


@contextmanager
def replayed(log: SizedLog) -> Iterator[Repetition]:
    """`replay --mode verify` of the whole log, for each record."""
    at = log.servers

    def replay() -> Cost:
        one = replay_verify.in_a_process("verify", at.dsn, at.kafka_bootstrap_servers)
        if one.records != log.records or one.verdict != "holds":
            raise SystemExit(f"the replay says: {one}")
        return Cost(one.seconds / one.records * 1e6, one.cpu_seconds / one.records * 1e6)

    yield replay


@contextmanager
def checked(log: SizedLog) -> Iterator[Repetition]:
    """What BP-C002 reads of the log, in all; the publisher has not changed since its beginning."""
    at = KafkaServers(log.servers.kafka_bootstrap_servers)
    with writing(log.servers.dsn) as conn:
        conn.execute(_TERM)
        terms = single_publisher.read_terms(conn)

    def processes() -> tuple[int, ...]:
        return os.getpid(), log.servers.pids["kafka"]

    yield timed(lambda: single_publisher.read_late(at, terms), 1, 1, processes)
