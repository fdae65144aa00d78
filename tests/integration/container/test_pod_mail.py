"""The mail sink of a pod keeps what it acknowledges, and ends when it is told to."""

from __future__ import annotations

import signal
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.support.pods import OTHER_ADDRESS, PodProcess, open_folder
from tests.support.processes import free_port, stop_all

PORT = free_port()


@pytest.fixture
def volume() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def sink(volume: Path) -> Iterator[PodProcess]:
    arguments = ["mail-sink", "--data", str(volume / "mail"), "--port", str(PORT)]
    made = PodProcess("mail-sink", volume, arguments)
    yield made
    stop_all([made])


def is_ready(volume: Path) -> bool:
    asked = PodProcess("ready", volume, ["ready", "mail-sink", "--port", str(PORT)])
    asked.start()
    return asked.wait_end() == 0


def send(subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", subject
    message.set_content("Ihre Bestellung über 12 €")
    with smtplib.SMTP(OTHER_ADDRESS, PORT, timeout=30) as client:
        client.send_message(message)


def test_what_was_acknowledged_is_a_file_and_stays(sink: PodProcess, volume: Path) -> None:
    # An empty folder, as a mounted volume is, or one that was cut off while it was made.
    (volume / "mail" / "tmp").mkdir(parents=True)
    assert not is_ready(volume)
    sink.start()
    sink.wait_until(lambda: is_ready(volume), "is ready")

    send("first")
    sink.kill()
    sink.start()
    sink.wait_until(lambda: is_ready(volume), "is ready")
    send("second")

    kept = [path.read_text() for path in (volume / "mail" / "new").iterdir()]
    subjects = sorted(line for text in kept for line in text.splitlines() if "Subject" in line)
    assert subjects == ["Subject: first", "Subject: second"]

    sink.signal(signal.SIGTERM)
    assert sink.wait_end() == 0
