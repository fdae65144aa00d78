"""An answer fits a page, or both are shown side by side."""

from __future__ import annotations

import json

import pytest

from bookpayctl.runbook.expectation import expectation
from bookpayctl.runbook.matching import ROWS_MAX, CommandAnswer, compare

NOTHING: dict[str, str] = {}


def wrong(page: str, out: str, status: int = 0, **values: str) -> tuple[str, ...]:
    expected = expectation(tuple(page.splitlines()))
    return compare(expected, CommandAnswer(status, out, ""), values).wrong


@pytest.mark.parametrize(
    ("page", "out"),
    [
        ("ready", "ready\n"),
        ("ready", "ready  \n"),
        ("kafka * up (glob)", "kafka 12 s up\n"),
        (r"\d+ letters (re)", "17 letters\n"),
        ("first\n...\nlast", "first\nlast\n"),
        ("first\n...\nlast", "first\nlast\nmore\nlast\n"),
        ("...\nlast", "a\nb\nlast\n"),
        ("...", ""),
        ("a\n...\nb (glob)\n...\nc", "a\nx\nb\nb\nc\n"),
    ],
)
def test_lines_that_fit(page: str, out: str) -> None:
    assert wrong(page, out) == ()


@pytest.mark.parametrize(
    ("page", "out"),
    [
        ("ready", "not ready\n"),
        ("ready", "ready\nand more\n"),
        ("ready", ""),
        ("ready\nagain", "ready\n"),
        ("kafka * up (glob)", "kafka 12 s up and down\n"),
        (r"\d+ letters (re)", "17 letters more\n"),
        ("first\n...\nlast", "first\nlast\nmore\n"),
        ("a[b] (glob)", "a[b]\n"),
    ],
)
def test_lines_that_do_not_fit(page: str, out: str) -> None:
    assert wrong(page, out) == ("the lines are not those expected",)


def test_without_lines_only_the_exit_status_counts() -> None:
    assert wrong("", "whatever\n") == ()
    assert wrong("", "whatever\n", 3) == ("exit status 3, not 0",)
    assert wrong("[3]", "whatever\n", 3) == ()
    assert wrong("[3]", "whatever\n") == ("exit status 0, not 3",)
    assert wrong("(?)", "whatever\n", 17) == ()


def test_right_lines_with_a_wrong_status_are_wrong() -> None:
    assert wrong("ready", "ready\n", 1) == ("exit status 1, not 0",)


DOCUMENT = json.dumps(
    {
        "exit": {"code": 1},
        "items": [
            {"id": "BP-C001", "verdict": "holds"},
            {"id": "BP-C002", "verdict": "violated", "examined": 3},
        ],
        "leader": None,
    }
)


@pytest.mark.parametrize(
    "page",
    [
        ".exit.code == 1 (json)",
        '.items[0].id == "BP-C001" (json)',
        ".items[-1].examined >= 3 (json)",
        '.items[id=BP-C002].verdict != "holds" (json)',
        ".leader == null (json)",
    ],
)
def test_values_that_hold(page: str) -> None:
    assert wrong(page, DOCUMENT) == ()


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (".exit.code == 0 (json)", ".exit.code is 1, not == 0"),
        (".exit.reason == 0 (json)", "nothing at .exit.reason"),
        (".items[id=BP-C009].verdict == 0 (json)", "nothing at .items[id=BP-C009]"),
        (".items[7].id == 0 (json)", "nothing at .items[7]"),
        (".items[0].id > 3 (json)", '.items[0].id is "BP-C001", not > 3'),
        (".leader as LEADER (json)", "nothing at .leader that could be LEADER"),
    ],
)
def test_values_that_do_not_hold(page: str, why: str) -> None:
    assert wrong(page, DOCUMENT) == (why,)


def test_what_is_no_json_is_told() -> None:
    assert wrong(".a == 1 (json)", "oops") == ("stdout is no JSON document",)


def test_patterns_and_paths_give_values_to_names() -> None:
    page = ("order (?P<ORDER>ord_\\w+) (re)",)
    from_line = compare(expectation(page), CommandAnswer(0, "order ord_1\n", ""), NOTHING)
    paths = (".items[1].examined as COUNT (json)", ".leader as LEADER? (json)", ".x as X? (json)")
    from_json = compare(expectation(paths), CommandAnswer(0, DOCUMENT, ""), NOTHING)

    assert (from_line.wrong, from_line.captured) == ((), {"ORDER": "ord_1"})
    assert (from_json.wrong, from_json.captured) == ((), {"COUNT": "3"})


def test_the_first_line_that_fits_is_the_one_that_is_kept() -> None:
    page = ("...", "(?P<ORDER>ord_\\w+) (re)", "...")

    found = compare(expectation(page), CommandAnswer(0, "x\nord_1\nord_2\n", ""), NOTHING)

    assert found.captured == {"ORDER": "ord_1"}


def test_a_value_stands_for_its_name_and_is_no_pattern() -> None:
    assert wrong("order $ORDER", "order a*b\n", ORDER="a*b") == ()
    assert wrong("order $ORDER * (glob)", "order a*b paid\n", ORDER="a*b") == ()
    assert wrong("order $ORDER * (glob)", "order axb paid\n", ORDER="a*b") != ()
    assert wrong("order $ORDER .* (re)", "order a*b paid\n", ORDER="a*b") == ()
    assert wrong('.items[0].id == "$ID" (json)', DOCUMENT, ID="BP-C001") == ()


def test_both_stand_side_by_side_where_they_differ() -> None:
    expected = expectation(("ready", "[0]"))

    found = compare(expected, CommandAnswer(1, "broken\n", "no broker\n"), NOTHING)

    assert [row.split("|")[0].strip() for row in found.rows] == ["expected", "ready", "[0]"]
    assert [row.split("|")[1].strip() for row in found.rows] == ["seen", "broken", "[1]"]


def test_where_stdout_is_empty_stderr_is_shown() -> None:
    found = compare(expectation(("ready",)), CommandAnswer(2, "", "no environment\n"), NOTHING)

    assert "no environment" in found.rows[1]


def test_of_a_long_answer_the_beginning_and_the_end_are_shown() -> None:
    said = CommandAnswer(1, "".join(f"line {n}\n" for n in range(1000)), "")

    rows = compare(expectation(("last",)), said, NOTHING).rows

    assert len(rows) == ROWS_MAX
    assert rows[1].endswith("| line 0")
    assert rows[-1].endswith("| [1]")
    assert rows[-2].endswith("| line 999")
    (left_out,) = [row for row in rows if row.endswith("more rows")]
    shown = len(rows) - 1
    assert left_out == f"... {1002 - shown} more rows"
