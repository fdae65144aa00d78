"""A stop ends a question that would last for ever, at once and as a stop."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Windows over millions of rows: DuckDB drops what a handler raises there, and goes on.
PROGRAM = """
import os, signal, sys, threading, time
from bookpayctl.judge.ledgers.store import StoreError, opened, rows
from bookpayctl.runs.interrupts import Stopped, interruptible

QUESTION = '''
    SELECT MAX(x) FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY r % 1000 ORDER BY x) AS n
        FROM (SELECT MD5(CAST(range AS VARCHAR)) AS x, range AS r FROM range(400000000))
    ) WHERE n > 3
'''

def stop_when_at_work():
    began = time.process_time()
    while time.process_time() < began + 0.5:
        time.sleep(0.01)
    os.kill(os.getpid(), int(sys.argv[2]))

try:
    with interruptible(), opened() as connection:
        threading.Thread(target=stop_when_at_work, daemon=True).start()
        try:
            if sys.argv[1] == "rows":
                list(rows(connection, QUESTION))
            else:
                connection.execute(QUESTION).fetchall()
        except StoreError:
            print("taken for an error of the engine's")
except Stopped as stopped:
    print("stopped by", stopped)
"""


@pytest.mark.parametrize("number", [2, 15], ids=["INT", "TERM"])
@pytest.mark.parametrize("way", ["execute", "rows"])
def test_a_signal_breaks_off_what_the_engine_is_at(way: str, number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, way, str(number)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.stdout.strip() == f"stopped by {'SIGINT' if number == 2 else 'SIGTERM'}", done
