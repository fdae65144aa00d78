"""One twin per test module, and a webhook receiver where a test wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.twin import STARTED, TwinProcess
from tests.support.webhook_endpoint import Receiver


@pytest.fixture(scope="session", autouse=True)
def _no_process_left() -> Iterator[None]:
    """A test that failed before its own stop does not leave its twin behind."""
    yield
    for child in STARTED:
        if not child.has_ended():
            child.kill()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinProcess]:
    process = TwinProcess(tmp_path_factory.mktemp("twin"))
    yield process
    assert process.stop() == 0, process.log.read_text()


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "twin" in request.fixturenames:
        request.getfixturevalue("twin").ask("DELETE", "/faults")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def hooked(tmp_path: Path, receiver: Receiver) -> Iterator[TwinProcess]:
    """A twin of its own whose events all go to `receiver`, signed with `whsec_suite`."""
    secret_file = tmp_path / "secret"
    secret_file.write_text("whsec_suite\n")
    process = TwinProcess(
        tmp_path / "twin",
        *("--endpoint", receiver.url, "--secret-file", str(secret_file)),
        *("--webhook-timeout-seconds", "30"),
    )
    yield process
    assert process.stop() == 0, process.log.read_text()
