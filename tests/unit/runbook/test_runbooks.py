"""Every runbook that is shipped can be followed by someone who was asleep a minute ago."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bookpayctl.cli.app import build_command
from bookpayctl.runbook.console import PROMPT, headings
from bookpayctl.runbook.library import find, folder, slugs, text_of
from bookpayctl.runbook.page import PROOF, REHEARSAL, SECTIONS, Runbook, needed_by
from tests.support.alerts import alert_rules
from tests.support.command_tree import command_words, not_typed

ROOT = Path(__file__).parents[3]
FIRST_COMMAND_LINE_MAX = 10
GIVEN = {"DB_DSN", "NAME", "SECRETS"}
GIVEN_HERE = {"SUPERVISOR"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

BOOKS = {slug: find(slug) for slug in slugs()}
each = pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)


def test_the_installed_package_has_them_too() -> None:
    link = ROOT / "bookpayctl" / "runbooks"

    assert link.is_symlink()
    assert link.resolve() == folder().resolve() == ROOT / "runbooks"
    assert '"runbooks/*.md"' in (ROOT / "pyproject.toml").read_text()


@each
def test_a_page_has_every_section_in_their_order(book: Runbook) -> None:
    causes = (REHEARSAL,) if book.causes else ()

    assert book.sections == (*SECTIONS, *causes)


@each
def test_the_first_command_stands_within_ten_lines(book: Runbook) -> None:
    lines = text_of(book.slug).splitlines()[:FIRST_COMMAND_LINE_MAX]

    assert any(line.startswith(PROMPT) for line in lines)


@each
def test_every_command_has_its_answer_beside_it(book: Runbook) -> None:
    steps = (*book.steps, *book.causes, *book.afterwards)

    assert [step.command for step in steps if not step.expected.is_shown] == []


@each
def test_every_command_of_bookpayctl_can_be_typed(book: Runbook) -> None:
    group = build_command()
    inline = re.findall(r"`(bookpayctl [^`\n]+)`", text_of(book.slug))
    typed = [*(step.command for step in (*book.steps, *book.causes, *book.afterwards)), *inline]

    lines = [words for one in typed if (words := command_words(one))[:1] == ["bookpayctl"]]

    assert lines
    assert [words for words in lines if not_typed(group, words[1:])] == []


@each
def test_the_proof_is_an_exit_status_and_changes_nothing(book: Runbook) -> None:
    proof = [step for step in book.steps if step.section == PROOF]

    assert proof
    assert [step.command for step in proof if step.expected.status is None or step.danger] == []


@each
def test_whatever_may_hurt_is_a_mitigation(book: Runbook) -> None:
    places = {step.section for step in book.steps if step.danger}

    assert places <= {"Mitigation"}


@each
def test_a_rehearsed_situation_is_caused_by_commands_and_any_other_has_a_reason(
    book: Runbook,
) -> None:
    assert book.causes or not book.rehearsed
    assert book.rehearsed or len(book.unrehearsed) > len("it cannot be")


@each
def test_a_page_needs_nothing_from_elsewhere(book: Runbook) -> None:
    local = {step for step in book.steps if step.platform == "local"}
    elsewhere = needed_by(tuple(step for step in book.steps if step not in local))

    assert book.needs <= GIVEN | GIVEN_HERE
    assert elsewhere - set().union(*(step.expected.captured for step in local)) <= GIVEN


@each
def test_every_link_of_a_page_leads_to_a_place(book: Runbook) -> None:
    text = text_of(book.slug)
    anchors = {f"#{heading.lower()}" for heading in headings(text)}
    links = [link for link in LINK.findall(text) if "://" not in link]

    dead = [
        link
        for link in links
        if link not in anchors and not (folder() / link.partition("#")[0]).is_file()
    ]

    assert dead == []


def test_every_alert_leads_to_a_page_that_names_it() -> None:
    urls = {name: rule["annotations"]["runbook_url"] for name, rule in alert_rules().items()}

    pages = {alert: Path(url).stem for alert, url in urls.items()}

    assert len(pages) > 5
    assert {alert: page for alert, page in pages.items() if page not in BOOKS} == {}
    assert {a: page for a, page in pages.items() if a not in BOOKS[page].alerts} == {}


def test_every_alert_that_a_page_names_is_there() -> None:
    named = {alert for book in BOOKS.values() for alert in book.alerts}

    assert named <= set(alert_rules())
