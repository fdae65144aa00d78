"""When a stack is at rest: nothing moves, and a capture has sent what was written by then."""

from __future__ import annotations

from dataclasses import replace

from bookpayctl.judge.quiescence import PendingWork

AT_REST = PendingWork(0, 0, 0, 0, 0)
CAPTURED = replace(AT_REST, written=1_000, confirmed=900)


def test_a_stack_of_our_publishers_is_at_rest_when_nothing_is_unmarked_or_open() -> None:
    assert AT_REST.is_quiescent_since(None)
    assert not replace(AT_REST, unpublished=1).is_quiescent_since(None)
    assert not replace(AT_REST, pending_orders=1).is_quiescent_since(None)


def test_a_capture_has_to_confirm_what_was_written_when_all_else_rested() -> None:
    assert not CAPTURED.is_quiescent_since(None)
    assert not CAPTURED.is_quiescent_since(901)
    assert CAPTURED.is_quiescent_since(900)
    assert not replace(CAPTURED, confirmed=None).is_quiescent_since(900)


def test_what_is_open_is_waited_for_whatever_the_capture_confirmed() -> None:
    assert not replace(CAPTURED, open_payments=1).is_quiescent_since(900)


def test_a_capture_is_told_by_what_it_has_to_confirm() -> None:
    assert CAPTURED.sentence().startswith("the capture has 100 bytes of log to confirm")
