"""What is concluded from a forged webhook's answer, and what a case is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bookpayctl.clients.raw_http import RawAnswer
from bookpayctl.forgery import CASES
from bookpayctl.forgery.case import (
    NOTHING,
    RECEIVED,
    SIGNATURE_INVALID,
    STORED,
    UNAVAILABLE,
    Case,
    ForgedPayment,
    ForgeryInput,
    RowsLeft,
    Variant,
    encoded,
    honest,
)
from bookpayctl.forgery.forge import Sent, judge
from bookpayctl.report.verdict import Verdict

SECRET = "whsec_never_shown"
MATERIAL = ForgeryInput(
    SECRET,
    1_760_000_000,
    "127.0.0.1:1",
    "/stripe/webhook",
    ForgedPayment("e", "pi_1", 1, "usd", "x"),
)
CASE = Case("W07", "a timestamp only int() reads", lambda _: [])
VARIANT = Variant(
    "a plus", "a plus before t", honest(MATERIAL, encoded()), (SIGNATURE_INVALID,), NOTHING
)
REFUSED = RawAnswer(400, {}, b'{"error":"invalid signature"}', 0.001)


def sent(heard: RawAnswer, left: RowsLeft = NOTHING, variant: Variant = VARIANT) -> Sent:
    return Sent(variant, heard, left)


def test_an_answer_as_required_that_left_nothing_holds_with_its_evidence() -> None:
    item = judge(CASE, [sent(REFUSED)])

    assert (item.verdict, item.examined) == (Verdict.HOLDS, 1)
    refusal = '400 {"error":"invalid signature"}'
    assert item.evidence == (f"a plus | expected {refusal} | got {refusal}",)


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        (replace(REFUSED, status=200, body=b'{"received":true}'), NOTHING),
        (replace(REFUSED, status=500), NOTHING),
        (replace(REFUSED, body=b'{"error":"no"}'), NOTHING),
        (replace(REFUSED, body=REFUSED.body + b"\n"), NOTHING),
        (REFUSED, RowsLeft(events=1)),
        (REFUSED, RowsLeft(quarantined=1)),
        (REFUSED, RowsLeft(events=-1)),
    ],
)
def test_another_answer_or_a_row_left_behind_is_a_violation(
    heard: RawAnswer, left: RowsLeft
) -> None:
    item = judge(CASE, [sent(REFUSED), sent(heard, left)])

    assert item.verdict is Verdict.VIOLATED
    assert item.fix


def test_no_answer_is_unknown_and_a_violation_beside_it_is_a_violation() -> None:
    silent = RawAnswer(None, {}, b"", 1.0, "ConnectionRefusedError")

    assert judge(CASE, [sent(REFUSED), sent(silent)]).verdict is Verdict.UNKNOWN
    both = [sent(silent), sent(replace(REFUSED, status=200))]
    assert judge(CASE, both).verdict is Verdict.VIOLATED


def test_nothing_sent_is_vacuous_and_not_a_pass() -> None:
    assert judge(CASE, []).verdict is Verdict.VACUOUS


def test_an_accepted_event_must_leave_its_row() -> None:
    good = replace(VARIANT, expected=(RECEIVED,), left=STORED)
    heard = RawAnswer(200, {}, b'{"received":true}', 0.001)

    assert judge(CASE, [sent(heard, STORED, good)]).verdict is Verdict.HOLDS
    assert judge(CASE, [sent(heard, NOTHING, good)]).verdict is Verdict.VIOLATED


def test_a_header_that_belongs_to_the_answer_must_be_there() -> None:
    away = replace(VARIANT, expected=(UNAVAILABLE,))
    heard = RawAnswer(503, {"retry-after": "1"}, b'{"error":"temporarily unavailable"}', 0.001)

    assert judge(CASE, [sent(heard, variant=away)]).verdict is Verdict.HOLDS
    bare = replace(heard, headers={})
    assert judge(CASE, [sent(bare, variant=away)]).verdict is Verdict.VIOLATED


def test_no_case_shows_the_secret_in_what_it_tells() -> None:
    for case in CASES:
        for variant in case.variants(MATERIAL):
            line = Sent(variant, REFUSED, NOTHING).line()
            assert SECRET not in line + variant.sent + variant.name


def test_every_case_sends_something_and_says_what_it_expects() -> None:
    for case in CASES:
        variants = case.variants(MATERIAL)
        assert variants, case.id
        assert all(variant.expected and variant.name for variant in variants)
        assert all(b"".join(variant.request.pieces()) for variant in variants)
