"""Each runbook whose situation can be caused on one machine: caused, run, and proven over.

One stack for all of them, as an operator has one; each leaves it as the next needs it. What a page
says about its situation is then what somebody saw.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runbook.deciding import LOCAL, Chosen
from bookpayctl.runbook.library import find, slugs
from bookpayctl.runbook.page import Runbook
from bookpayctl.runbook.running import RunbookRequest, run_runbook
from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.machine.state import socket_path
from bookpayctl.targets.platforms import open_target
from tests.support.command_line import CommandLine, environment_that_is_up, verdicts

WITH_CAUSES = [book for book in map(find, slugs()) if book.causes]

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("BOOKPAY_REHEARSE"),
        reason="set BOOKPAY_REHEARSE=1: a minute for each of the runbooks",
    ),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    home = tmp_path_factory.mktemp("rehearsed") / ".bookpay"
    with environment_that_is_up(home) as command_line:
        yield command_line


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's supervisorctl is the one that is installed beside this interpreter."""
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join((own, os.environ["PATH"])))


@pytest.fixture
def environment(shop: CommandLine) -> Iterator[Environment]:
    """The shop's; whatever a page left frozen, stopped or armed is well again for the next."""
    found = environments.load_from(shop.root, shop.name)
    yield found
    target = open_target(found)
    for name, process in target.processes().items():
        if process.running:
            target.thaw(name)
    cleared, up = shop.run("stripe", "fault", "clear"), shop.run("up")
    assert (cleared.returncode, up.returncode) == (0, 0), up.stderr


@pytest.mark.parametrize("book", WITH_CAUSES, ids=lambda book: book.slug)
def test_a_runbook_ends_what_its_rehearsal_causes(
    book: Runbook, shop: CommandLine, environment: Environment
) -> None:
    values = {
        "DB_DSN": environment.dsn,
        "SECRETS": str(environment.secrets_dir),
        "SUPERVISOR": str(socket_path(environment.root)),
    }
    causes = RunbookRequest(Chosen(book, LOCAL, book.causes), environment, values, yes=True)

    caused = run_runbook(causes, lambda line: None)
    ran = shop.ask("runbook", "run", book.slug, "--yes")

    assert caused.code is ExitCode.PASS, [item.evidence for item in caused.items]
    wrong = [item for item in ran["items"] if item["verdict"] not in ("holds", "skipped")]
    assert wrong == [], "\n".join("\n".join(item["evidence"]) for item in wrong)
    assert ran["exit"]["code"] == ExitCode.PASS
    assert "holds" in verdicts(ran).values()
