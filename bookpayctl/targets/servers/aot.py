"""A class archive for the broker: made once, so that every later start takes half the time.

The archive is what the JVM learnt in one short run on an empty folder. It depends on the jars and
on the JVM, lies beside the jars, and is never needed: without one the broker starts as it is.

Source:
    JEP 514, Ahead-of-Time Command-Line Ergonomics (JDK 25).
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bookpayctl.targets import children
from bookpayctl.targets.readiness import kafka_answers
from bookpayctl.targets.servers import kafka
from bookpayctl.targets.servers.free_ports import free_ports

# A training run takes ten seconds on two cores; beyond this the archive is not worth waiting for.
_TRAINING_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.1


def ensure(jars: Path) -> bool:
    """Make the archive for these jars unless it was tried before.

    An attempt that failed leaves an empty file, so that it is not repeated at every `up`.

    Returns:
        Whether an archive is there now.
    """
    archive = kafka.archive_file(jars)
    if not archive.exists():
        with _locked(jars / "archive.lock"):
            if not archive.exists():
                made = _train(jars)
                if made is None:
                    archive.touch()
                else:
                    made.replace(archive)
    return archive.stat().st_size > 0


def _train(jars: Path) -> Path | None:
    """Run a broker until it answers, and let its JVM write the archive as it ends."""
    folder = Path(tempfile.mkdtemp(prefix=".training-", dir=jars))
    output = jars / ".archive.unfinished"
    output.unlink(missing_ok=True)
    port, controller_port = free_ports(2)
    server = kafka.Kafka(jars, folder, port, controller_port)
    try:
        kafka.prepare(server)
        child = subprocess.Popen(
            kafka.training_command(server, output),
            cwd=folder,
            env=children.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _until_it_answers(server, child)
            child.terminate()
            child.wait(_TRAINING_SECONDS_MAX)
        finally:
            child.kill()
            child.wait()
    except (kafka.KafkaError, subprocess.TimeoutExpired):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return output if output.exists() else None


def _until_it_answers(server: kafka.Kafka, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _TRAINING_SECONDS_MAX
    while not kafka_answers(server.bootstrap_servers):
        if child.poll() is not None or time.monotonic() > deadline:
            raise kafka.KafkaError("the training run did not come up")
        time.sleep(_POLL_SECONDS)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
