"""Sabotages of links between two parts, and of what proves that one was disturbed."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

LINK_MUTANTS: Final = (
    Mutant(
        "M140",
        "a toxic stays until somebody takes it away, also when nobody is left to do it",
        (
            Replacement(
                "bookpayctl/targets/container/passage.py",
                "self._rule.toxic is not None and time.monotonic() >= self._until",
                "self._rule.toxic is not None and self._until < 0",
            ),
        ),
        (unit("targets/test_toxics", "test_a_toxic_ends_by_itself_when_nobody_ends_it"),),
        (unit("targets/test_toxics", "test_a_reset_comes_after_so_many_bytes"),),
    ),
    Mutant(
        "M141",
        "a link counts as slow whose canary was answered as soon as ever",
        (
            Replacement(
                "bookpayctl/faults/link_proof.py",
                "    good = usual < least / 2 and _seconds(quickest) >= _ENOUGH * least\n",
                "    good = usual < least / 2\n",
            ),
        ),
        (unit("drills/test_link_proofs", "test_slowness_is_measured"),),
        (unit("drills/test_link_proofs", "test_a_cut_is_no_answer_on_any_connection"),),
    ),
    Mutant(
        "M142",
        "a connection that was reset, so that its caller knows, counts as half open",
        (
            Replacement(
                "bookpayctl/faults/link_proof.py",
                "    if toxic.kind is Toxicity.HALF_OPEN and ends:\n",
                "    if toxic.kind is Toxicity.RESET and ends:\n",
            ),
        ),
        (
            unit(
                "drills/test_link_proofs",
                "test_half_open_is_silence_without_an_end_on_the_old_and_answers_on_the_new",
            ),
        ),
        (unit("drills/test_link_proofs", "test_one_quick_answer_among_slow_ones_is_no_proof"),),
    ),
    Mutant(
        "M143",
        "the proxy of a link is removed, and its callers keep the address where nobody is any more",
        (
            Replacement(
                "bookpayctl/targets/local/supervise/diverted.py",
                'moved = "".join(_moved(one, proxied.port, proxied.to_port) for one in kept)',
                'moved = "".join(kept)',
            ),
        ),
        (unit("targets/test_local_diverted", "test_it_is_led_back_from_what_stands_in_it"),),
        (
            unit(
                "targets/test_local_diverted",
                "test_only_the_callers_have_another_address_and_only_that_one",
            ),
        ),
    ),
    Mutant(
        "M144",
        "connections that wait for another rule wake each other without end",
        (
            Replacement(
                "bookpayctl/targets/container/passage.py",
                "                    self._settled.notify_all()\n",
                "                    self._settled.notify_all()\n"
                "                self._changed.notify_all()\n",
            ),
        ),
        (unit("targets/test_passage", "test_held_connections_do_not_wake_each_other"),),
        (unit("targets/test_passage", "test_what_comes_passes_both_ways_and_is_counted"),),
    ),
    Mutant(
        "M145",
        "what a reset broke before the proxy had answered counts neither as before nor as cut",
        (
            Replacement(
                "bookpayctl/faults/canary.py",
                "        return one.ended_at > times.ordered_at\n",
                "        return one.ended_at > times.began_at\n",
            ),
        ),
        (
            unit(
                "drills/test_toxic_times",
                "test_a_connection_that_is_reset_before_the_proxy_has_answered_was_cut",
            ),
        ),
        (unit("drills/test_link_proofs", "test_a_cut_is_no_answer_on_any_connection"),),
    ),
    Mutant(
        "M146",
        "a toxic of a share counts as proven when every connection was struck",
        (
            Replacement(
                "bookpayctl/faults/link_proof.py",
                "    both = struck > 0 and spared > 0\n",
                "    both = struck > 0\n",
            ),
        ),
        (
            unit(
                "drills/test_link_proofs",
                "test_a_share_is_some_new_connections_and_not_others",
            ),
        ),
        (unit("drills/test_link_proofs", "test_slowness_is_measured"),),
    ),
)
