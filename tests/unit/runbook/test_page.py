"""A page becomes steps, and what cannot be one is refused by its line."""

from __future__ import annotations

import pytest

from bookpayctl.runbook.expectation import JsonExpectation, LineExpectation, LineKind
from bookpayctl.runbook.page import RunbookError, runbook

FRONT = "---\nalerts: [Late]\nrehearsed: a letter is lost\n---\n# Letters are late\n"
TWO = f"""{FRONT}
```console on=local within=30s
$ bookpayctl status      # who runs
* healthy (glob)
$ bookpayctl dlq list -o json
.dead_letters[0].id as LETTER? (json)
[5]
```

## Mitigation

```console danger="sends letters again" deadline=2m
$ bookpayctl dlq show $LETTER
...
(?)
```

## Rehearsal

```console
$ bookpayctl order place
```
"""


def test_commands_are_steps_with_the_words_above_them() -> None:
    book = runbook("late", TWO)

    assert [step.command for step in book.steps] == [
        "bookpayctl status",
        "bookpayctl dlq list -o json",
        "bookpayctl dlq show $LETTER",
    ]
    assert [step.number for step in book.steps] == [1, 2, 3]
    assert [step.section for step in book.steps] == ["", "", "Mitigation"]
    assert [step.platform for step in book.steps] == ["local", "local", ""]
    assert [step.within_seconds for step in book.steps] == [30, 30, 0]
    assert [step.deadline_seconds for step in book.steps] == [60, 60, 120]
    assert [step.danger for step in book.steps] == ["", "", "sends letters again"]
    assert (book.alerts, book.rehearsed) == (("Late",), "a letter is lost")


def test_a_step_knows_the_line_it_stands_in() -> None:
    lines = TWO.splitlines()

    book = runbook("late", TWO)

    for step in (*book.steps, *book.causes):
        assert lines[step.line - 1].startswith(f"$ {step.command}")


def test_what_causes_the_situation_is_no_step() -> None:
    book = runbook("late", TWO)

    assert [step.command for step in book.causes] == ["bookpayctl order place"]


def test_what_is_typed_afterwards_causes_nothing() -> None:
    book = runbook("late", f"{TWO}\n```console afterwards within=5s\n$ bookpayctl up\n```\n")

    assert [step.command for step in book.causes] == ["bookpayctl order place"]
    assert [(step.command, step.within_seconds) for step in book.afterwards] == [
        ("bookpayctl up", 5)
    ]


def test_only_a_rehearsal_has_an_afterwards() -> None:
    text = TWO.replace("```console danger", "```console afterwards danger")

    with pytest.raises(RunbookError, match="afterwards"):
        runbook("late", text)


def test_expectations_are_lines_values_and_a_status() -> None:
    first, second, third = (step.expected for step in runbook("late", TWO).steps)

    assert first.lines == (LineExpectation(LineKind.GLOB, "* healthy"),)
    assert first.status == 0
    assert second.values == (
        JsonExpectation(".dead_letters[0].id", "as", name="LETTER", optional=True),
    )
    assert second.status == 5
    assert third.lines == (LineExpectation(LineKind.ANYTHING, "..."),)
    assert third.status is None


def test_a_page_needs_what_no_earlier_step_captures() -> None:
    asks = TWO.replace("bookpayctl status ", "bookpayctl order show $ORDER ")

    assert runbook("late", TWO).needs == set()
    assert runbook("late", asks).needs == {"ORDER"}


def test_a_command_for_a_shell_is_refused_unless_its_block_says_so() -> None:
    piped = f"{FRONT}\n```console\n$ bookpayctl status | tail -1\n```\n"

    with pytest.raises(RunbookError, match=r"late, line 7: .*needs a shell"):
        runbook("late", piped)
    assert runbook("late", piped.replace("console", "console shell")).steps[0].shell


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# No front\n", "no front matter"),
        ("---\nalert: X\n---\n# T\n", "other keys"),
        ("---\nalerts: []\n---\n# T\n", "either how it is `rehearsed`"),
        ("---\nrehearsed: a\nunrehearsed: b\n---\n# T\n", "either how it is `rehearsed`"),
        (f"{FRONT}\n```console sometimes\n$ true\n```\n", "'sometimes' is not"),
        (f"{FRONT}\n```console\nno prompt\n```\n", "without a command"),
        (f"{FRONT}\n```console\n$ true\n( (re)\n```\n", "is no pattern"),
        (f"{FRONT}\n```console\n$ true\n.a = 1 (json)\n```\n", "is neither"),
        (f"{FRONT}\n```console\n$ true\n.a == one (json)\n```\n", "compares with no JSON"),
        (f"{FRONT}\n```console deadline=soon\n$ true\n```\n", "soon"),
        (f'{FRONT}\n```console\n$ echo "open\n```\n', "quotation"),
    ],
)
def test_what_is_no_runbook_is_refused(text: str, why: str) -> None:
    with pytest.raises(RunbookError, match=why):
        runbook("late", text)
