"""Shadow mode from outside: what an import takes, and when parity may be claimed."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from bookpayctl.operate.shadow import DayOutcome, ImportRefusedError, Parity, V1Row, parse
from bookpayctl.report.exit_code import ExitCode

EVENT = "11111111-2222-4333-8444-555555555555"


def test_json_lines_and_csv_say_the_same() -> None:
    lines = (
        f'{{"event_id": "{EVENT}", "outcome": "settled", "payment_intent_id": "pi_1"}}\n'
        '{"order_id": "ord_2", "outcome": "declined", "code": "expired_card"}\n'
    )
    table = (
        "event_id,order_id,outcome,payment_intent_id,code\n"
        f"{EVENT},,settled,pi_1,\n"
        ",ord_2,declined,,expired_card\n"
    )

    from_lines, from_table = parse(lines), parse(table)

    assert from_lines == [
        V1Row(1, UUID(EVENT), None, "settled", "pi_1", None),
        V1Row(2, None, "ord_2", "declined", None, "expired_card"),
    ]
    assert [(row.event_id, row.order_id, row.outcome) for row in from_table] == [
        (row.event_id, row.order_id, row.outcome) for row in from_lines
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"outcome": "settled", "payment_intent_id": "pi_1"}', "needs event_id or order_id"),
        ('{"order_id": "o", "outcome": "settled"}', "settled needs payment_intent_id"),
        ('{"order_id": "o", "outcome": "declined"}', "declined needs code"),
        ('{"order_id": "o", "outcome": "paid"}', "must be settled or declined"),
        ('{"order_id": "o"}', "must be settled or declined"),
        ('{"event_id": "1", "outcome": "declined", "code": "x"}', "is not a UUID"),
        ('{"order_id": "o", "outcome": "declined", "code": "x", "amount": 1}', "unknown field"),
        ('{"order_id": "o", ', "not JSON"),
    ],
)
def test_one_wrong_line_refuses_the_whole_file_by_its_number(line: str, reason: str) -> None:
    good = '{"order_id": "good", "outcome": "declined", "code": "expired_card"}'

    with pytest.raises(ImportRefusedError, match=f"line 2: .*{reason}"):
        parse(f"{good}\n{line}\n")


def test_an_order_that_stands_twice_is_refused() -> None:
    line = '{"order_id": "o", "outcome": "declined", "code": "expired_card"}\n'

    with pytest.raises(ImportRefusedError, match="line 2: o stands on line 1 already"):
        parse(line * 2)


def day(agreed: int = 0, differed: int = 0, unresolved: int = 0) -> DayOutcome:
    return DayOutcome(date(2026, 1, 31), "settled", agreed, differed, unresolved)


@pytest.mark.parametrize(
    ("days", "code"),
    [
        ([day(agreed=100_000)], ExitCode.PASS),
        ([day(agreed=99_999, differed=1)], ExitCode.VIOLATED),
        ([day(agreed=5, unresolved=1)], ExitCode.UNKNOWN),
        ([day(agreed=5, differed=1, unresolved=1)], ExitCode.VIOLATED),
        ([], ExitCode.VACUOUS),
        ([day()], ExitCode.VACUOUS),
    ],
)
def test_parity_is_claimed_only_of_what_was_compared(
    days: list[DayOutcome], code: ExitCode
) -> None:
    assert Parity(tuple(days), waiting=3, mismatches=()).exit()[0] is code
