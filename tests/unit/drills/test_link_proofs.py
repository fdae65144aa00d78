"""What a canary has to see before a toxic counts as having struck; anything less is unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from bookpayctl.faults.canary import KEPT, NEW, ToxicTimes
from bookpayctl.faults.link_proof import seen_of
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity
from bookpayctl.targets.witness import HeardLine

TIMES = ToxicTimes(9.5, 10.0, 20.0)

LATE = Toxic(Toxicity.LATENCY, 10.0, Direction.TO_CALLER, delay_ms=500)
NARROW = Toxic(Toxicity.BANDWIDTH, 10.0, bytes_per_second=1_000)
SLICED = Toxic(Toxicity.SLICER, 10.0, Direction.TO_CALLER, slice_bytes=1, delay_ms=10)
HALF_OPEN = Toxic(Toxicity.HALF_OPEN, 10.0)
UNEVEN = Toxic(Toxicity.LATENCY, 10.0, Direction.TO_CALLER, delay_ms=800, jitter_ms=400)
SOME_LATE = Toxic(Toxicity.LATENCY, 10.0, Direction.TO_CALLER, share=0.5, delay_ms=500)
SOME_LOST = Toxic(Toxicity.BLACK_HOLE, 10.0, share=0.5)
SOME_RESET = Toxic(Toxicity.RESET, 10.0, share=0.5)
BLACK_HOLE = Toxic(Toxicity.BLACK_HOLE, 10.0)

Asked = tuple[float, float | None, str]
"""When it was asked, when it ended, and the answer; an error where it is empty."""

USUAL: list[Asked] = [(float(at), at + 0.01, "HTTP 200, 200 bytes") for at in range(1, 9)]


def lines(connection: str, asked: Iterable[Asked]) -> list[HeardLine]:
    told: list[tuple[float, dict[str, object]]] = []
    for number, (at, ended, answer) in enumerate(asked, start=1):
        told.append((at, {"connection": connection, "number": number, "asked": True}))
        end = {"answer": answer} if answer else {"error": "ConnectionResetError"}
        if ended is not None:
            told.append((ended, {"connection": connection, "number": number, **end}))
    told.sort(key=lambda one: one[0])
    return [HeardLine(at, json.dumps(said)) for at, said in told]


def is_proof(toxic: Toxic, meanwhile: Iterable[Asked], *, connection: str = NEW) -> bool:
    heard = lines(connection, [*USUAL, *meanwhile])
    return seen_of(toxic, heard, connection, TIMES).is_proof


@pytest.mark.parametrize(
    ("toxic", "seconds", "proven"),
    [
        (LATE, 0.51, True),
        (LATE, 0.2, False),
        # 200 bytes at 1,000 a second.
        (NARROW, 0.21, True),
        (NARROW, 0.05, False),
        (SLICED, 2.1, True),
        (SLICED, 0.5, False),
    ],
    ids=str,
)
def test_slowness_is_measured(toxic: Toxic, seconds: float, proven: bool) -> None:
    meanwhile: list[Asked] = [(at, at + seconds, "HTTP 200, 200 bytes") for at in (12.0, 15.0)]

    assert is_proof(toxic, meanwhile) is proven
    assert is_proof(toxic, meanwhile, connection=KEPT) is proven


def test_one_quick_answer_among_slow_ones_is_no_proof() -> None:
    slow = (12.0, 12.6, "HTTP 200, 200 bytes")

    assert is_proof(LATE, [slow])
    assert not is_proof(LATE, [slow, (13.0, 13.01, "HTTP 200, 200 bytes")])


def test_what_was_as_slow_before_proves_nothing() -> None:
    usual = [(float(at), at + 0.45, "HTTP 200, 200 bytes") for at in range(1, 9)]
    meanwhile = [(12.0, 12.6, "HTTP 200, 200 bytes")]

    assert not seen_of(LATE, lines(NEW, [*usual, *meanwhile]), NEW, TIMES).is_proof


@pytest.mark.parametrize("toxic", [LATE, NARROW, SLICED, HALF_OPEN, BLACK_HOLE], ids=str)
def test_a_canary_that_asked_nothing_meanwhile_proves_nothing(toxic: Toxic) -> None:
    assert not is_proof(toxic, [])
    assert not seen_of(toxic, [], NEW, TIMES).is_proof


def test_a_cut_is_no_answer_on_any_connection() -> None:
    silent: list[Asked] = [(12.0, None, ""), (14.0, 14.1, ""), (16.0, 24.0, "HTTP 200, 200 bytes")]

    assert is_proof(BLACK_HOLE, silent)
    assert not is_proof(BLACK_HOLE, [*silent, (17.0, 17.1, "HTTP 200, 200 bytes")])


def test_half_open_is_silence_without_an_end_on_the_old_and_answers_on_the_new() -> None:
    assert is_proof(HALF_OPEN, [(10.5, None, "")], connection=KEPT)
    assert is_proof(HALF_OPEN, [(10.5, 20.5, "")], connection=KEPT)
    # A reset tells the caller: then nobody waits for an answer.
    assert not is_proof(HALF_OPEN, [(10.5, 13.0, "")], connection=KEPT)
    assert not is_proof(HALF_OPEN, [(9.4, 9.6, "")], connection=KEPT)
    assert not is_proof(HALF_OPEN, [(12.0, 12.1, "row (1,)")], connection=KEPT)

    answered: list[Asked] = [(at, at + 0.01, "row (1,)") for at in (11.0, 12.0, 13.0, 14.0)]
    assert is_proof(HALF_OPEN, answered)
    assert not is_proof(
        HALF_OPEN, [*answered, (15.0, None, ""), (16.0, None, ""), (17.0, None, "")]
    )


def test_jitter_is_answers_that_are_not_all_alike() -> None:
    quick, slow = (12.0, 12.5, "HTTP 200, 200 bytes"), (14.0, 15.1, "HTTP 200, 200 bytes")

    assert is_proof(UNEVEN, [quick, slow])
    assert not is_proof(UNEVEN, [quick, quick])


SLOW: Asked = (12.0, 12.6, "HTTP 200, 200 bytes")
QUICK: Asked = (13.0, 13.01, "HTTP 200, 200 bytes")
SILENT: Asked = (14.0, None, "")
RESET: Asked = (9.4, 9.7, "")


@pytest.mark.parametrize(
    ("toxic", "struck", "spared"),
    [(SOME_LATE, SLOW, QUICK), (SOME_LOST, SILENT, QUICK), (SOME_RESET, RESET, QUICK)],
    ids=["late", "lost", "reset at once"],
)
def test_a_share_is_some_new_connections_and_not_others(
    toxic: Toxic, struck: Asked, spared: Asked
) -> None:
    assert is_proof(toxic, [struck, spared])
    assert not is_proof(toxic, [struck])
    assert not is_proof(toxic, [spared])
    assert not is_proof(toxic, [])
    # What was asked just before its end, or is neither slow nor as ever, tells nothing.
    assert not is_proof(toxic, [spared, (19.5, None, ""), (19.0, 20.5, "HTTP 200, 200 bytes")])


@pytest.mark.parametrize(("toxic", "struck"), [(SOME_LATE, SLOW), (SOME_LOST, SILENT)], ids=str)
def test_a_connection_that_is_kept_is_of_a_share_all_the_while_or_never(
    toxic: Toxic, struck: Asked
) -> None:
    assert is_proof(toxic, [struck], connection=KEPT)
    assert is_proof(toxic, [QUICK], connection=KEPT)
    assert not is_proof(toxic, [QUICK, struck], connection=KEPT)
    assert not is_proof(toxic, [], connection=KEPT)
