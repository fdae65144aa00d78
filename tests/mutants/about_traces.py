"""Sabotages of what is told of an order: to whom, of what, and what it may cost."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

_TESTS: Final = "runtime/test_runtime_traces"
_CONTROLS: Final = (unit(_TESTS, "test_a_span_of_no_trace_is_not_told"),)

TRACE_MUTANTS: Final = (
    Mutant(
        "M220",
        "what a full queue of spans loses is counted nowhere",
        (
            Replacement(
                "runtime/adapters/otlp.py",
                '            metrics.TRACE_SPANS.labels("queue_full").inc()\n',
                "            return\n",
            ),
        ),
        (unit(_TESTS, "test_a_full_queue_loses_spans_counts_them_and_makes_nobody_wait"),),
        _CONTROLS,
    ),
    Mutant(
        "M221",
        "whoever asks decides whose child an order's span is",
        (
            Replacement(
                "runtime/tracing.py",
                "caller if caller is not None and caller.trace_id == trace_id else parent",
                "caller if caller is not None else parent",
            ),
        ),
        (unit(_TESTS, "test_a_caller_of_another_trace_is_nobodys_parent"),),
        _CONTROLS,
    ),
    Mutant(
        "M222",
        "an event that was rolled back is told as written",
        (
            Replacement(
                "runtime/tracing.py",
                "ended.insertions if error is None else ():",
                "ended.insertions:",
            ),
        ),
        (unit(_TESTS, "test_what_a_transaction_wrote_is_told_with_it_and_not_when_it_failed"),),
        _CONTROLS,
    ),
    Mutant(
        "M223",
        "an error's own words, which may quote a card, leave with its span",
        (
            Replacement(
                "runtime/tracing.py",
                "        begun.end(type(error).__name__)\n",
                "        begun.end(str(error))\n",
            ),
        ),
        (unit(_TESTS, "test_an_error_is_told_by_its_kind_and_never_by_its_words"),),
        _CONTROLS,
    ),
)
