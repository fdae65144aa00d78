"""Each runbook whose situation can be caused on one machine: caused, run, and proven over.

One stack for all of them, as an operator has one; each leaves it as the next needs it. What a page
says about its situation is then what somebody saw.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runbook.library import find, slugs
from bookpayctl.runbook.page import Runbook
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
        # Some pages wait for minutes, and so does what puts back what they leave.
        yield replace(command_line, seconds_max=600)


@pytest.mark.parametrize("book", WITH_CAUSES, ids=lambda book: book.slug)
def test_a_runbook_ends_what_its_rehearsal_causes(book: Runbook, shop: CommandLine) -> None:
    ran = shop.ask("runbook", "rehearse", book.slug, "--yes")

    wrong = [item for item in ran["items"] if item["verdict"] not in ("holds", "skipped")]
    assert wrong == [], "\n".join("\n".join(item["evidence"]) for item in wrong)
    assert ran["exit"]["code"] == ExitCode.PASS
    assert verdicts(ran)[f"runbook/{book.slug}/caused"] == "holds"
