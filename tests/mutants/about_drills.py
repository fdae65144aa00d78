"""Sabotages of drills: a fault that nobody saw land must not be taken for one that was survived."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

DRILL_MUTANTS: Final = (
    Mutant(
        "M61",
        "a link whose canary was answered all the while counts as cut",
        (
            Replacement(
                "bookpayctl/faults/canary.py",
                "return self.before > 0 and self.asked > 0 and self.answered == 0",
                "return self.before > 0 and self.asked > 0",
            ),
        ),
        (unit("drills/test_proofs", "test_anything_less_is_no_proof_of_a_cut"),),
        (
            unit(
                "drills/test_proofs",
                "test_a_connection_is_cut_when_it_was_answered_before_and_not_meanwhile",
            ),
        ),
    ),
    Mutant(
        "M62",
        "a ghost that was gone before its successor came counts as one beside it",
        (
            Replacement(
                "bookpayctl/faults/ghost.py",
                "return self.frozen_before and self.after_given_up > 0 and self.beside_successor > 0",
                "return self.frozen_before and self.after_given_up > 0",
            ),
        ),
        (
            unit(
                "drills/test_proofs",
                "test_a_ghost_that_nobody_saw_beside_its_successor_is_not",
            ),
        ),
        (unit("drills/test_proofs", "test_a_ghost_is_proven_by_who_sees_it_beside_its_successor"),),
    ),
    Mutant(
        "M63",
        "a drill of a cluster is begun on one machine, where it would break something else",
        (
            Replacement(
                "bookpayctl/drill/scenario.py",
                "        if environment.target in self.platforms:\n",
                "        if environment.target in (*self.platforms, *NAMES):\n",
            ),
        ),
        (
            unit(
                "drills/test_where_drills_run",
                "test_one_of_a_cluster_is_refused_on_this_machine_and_begins_nothing",
            ),
        ),
        (unit("drills/test_where_drills_run", "test_every_drill_says_where_it_runs"),),
    ),
    Mutant(
        "M160",
        "a 503 that does not say when to come again passes for a clear refusal",
        (
            Replacement(
                "bookpayctl/drills/observing/clients.py",
                "    if call.status == SERVICE_UNAVAILABLE and not call.retry_after:\n",
                "    if call.status == SERVICE_UNAVAILABLE and call.retry_after == '':\n",
            ),
        ),
        (
            unit(
                "drills/test_refusals",
                "test_a_503_that_does_not_say_when_to_come_again_is_none",
            ),
        ),
        (
            unit(
                "drills/test_refusals",
                "test_a_503_that_says_when_to_come_again_is_a_clear_refusal",
            ),
        ),
    ),
    Mutant(
        "M161",
        "a race in which a copy was sold twice counts as one that was sold once",
        (
            Replacement(
                "bookpayctl/faults/race.py",
                "len(race.order_ids) != 1 or",
                "not race.order_ids or",
            ),
            Replacement(
                "bookpayctl/faults/race.py",
                "race.refused != len(race.ends) - 1",
                "race.refused > len(race.ends) - 1",
            ),
        ),
        (unit("drills/test_server_drills", "test_any_other_end_of_a_race_is_none"),),
        (
            unit(
                "drills/test_server_drills",
                "test_a_copy_that_one_buyer_has_and_all_others_were_told_of_is_sold_once",
            ),
        ),
    ),
    Mutant(
        "M150",
        "a payment that was called failed for a moment counts as one that never was",
        (
            Replacement(
                "bookpayctl/drills/observing/struck_charges.py",
                "({PaymentState.FAILED, PaymentState.PARKED} & set(self.payment_steps)),",
                "({PaymentState.FAILED, PaymentState.PARKED} & set(self.payment_steps[-1:])),",
            ),
        ),
        (unit("drills/test_stripe_drills", "test_what_healed_is_wrong_all_the_same"),),
        (
            unit(
                "drills/test_stripe_drills",
                "test_a_request_under_another_key_or_none_is_named",
            ),
        ),
    ),
    Mutant(
        "M151",
        "a request without a key counts as one under the payment's own",
        (
            Replacement(
                "bookpayctl/drills/observing/struck_charges.py",
                "for post in self.posts if post.key != self.event_id)",
                "for post in self.posts if post.key and post.key != self.event_id)",
            ),
        ),
        (
            unit(
                "drills/test_stripe_drills",
                "test_a_request_under_another_key_or_none_is_named",
            ),
        ),
        (unit("drills/test_stripe_drills", "test_what_healed_is_wrong_all_the_same"),),
    ),
    Mutant(
        "M152",
        "a success after a failure, or the other way round, counts as no step back",
        (
            Replacement(
                "bookpayctl/drills/observing/heard_webhooks.py",
                " or (ranks[0] == ranks[1] == 1 and before != after)",
                "",
            ),
        ),
        (unit("drills/test_stripe_drills", "test_a_step_back_from_an_end_is_found"),),
        (
            unit(
                "drills/test_stripe_drills",
                "test_an_event_is_overtaken_by_a_later_one_of_its_own_payment_alone",
            ),
        ),
    ),
    Mutant(
        "M153",
        "a webhook that nobody answered counts as received",
        (
            Replacement(
                "bookpayctl/drills/observing/real_webhooks.py",
                'if row["status"] != 200]',
                'if row["status"] not in (200, None)]',
            ),
        ),
        (
            unit(
                "drills/test_stripe_drills",
                "test_a_webhook_that_was_not_received_is_named_and_one_outside_the_window_is_not",
            ),
        ),
        (unit("drills/test_stripe_drills", "test_too_few_webhooks_before_are_no_baseline"),),
    ),
    Mutant(
        "M162",
        "a new partition whose records nobody has read counts as taken up",
        (
            Replacement(
                "bookpayctl/drills/kafka_partitions_added.py",
                "        return self.end > 0 and (self.committed or 0) >= self.end\n",
                "        return self.end > 0\n",
            ),
        ),
        (unit("drills/test_server_drills", "test_a_new_partition_that_waits_is_not"),),
        (
            unit(
                "drills/test_server_drills",
                "test_new_partitions_are_taken_up_when_both_sides_have_read_theirs",
            ),
        ),
    ),
    Mutant(
        "M268",
        "a stack that does not come to rest does not say who is not ready",
        (
            Replacement(
                "bookpayctl/drill/unrest.py",
                "        if process.ready is not True\n",
                "        if process.ready is None\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_unrest",
                "test_who_is_not_ready_and_the_orders_that_wait_longest_are_named",
            ),
        ),
        (integration("whole_stack/test_unrest", "test_a_stack_at_rest_is_kept_by_nothing"),),
    ),
)
