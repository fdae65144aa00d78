"""Sabotages around Debezium: what would lose, double or pass by an event where it publishes."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

CAPTURED: Final = "payments_reconciler/test_captured_events"
CONNECT: Final = "targets/test_connect"
QUIESCENCE: Final = "judge/test_quiescence"
PROGRAMS: Final = "targets/test_local_programs"

CAPTURE_MUTANTS: Final = (
    Mutant(
        "M250",
        "an event that was lost where a capture publishes has its mark taken back, and stays lost",
        (
            Replacement(
                "runtime/adapters/store/missed.py",
                "        _INSERT_WHAT_IS_DUE if captured else _REPUBLISH,\n",
                "        _REPUBLISH,\n",
            ),
        ),
        (integration(CAPTURED, "test_a_lost_event_reaches_the_capture_again_as_it_was"),),
    ),
    Mutant(
        "M251",
        "an event that a capture has just sent is sent again at every look",
        (
            Replacement(
                "runtime/adapters/store/missed.py",
                'sent_at="coalesce(told_at, created_at)"',
                "sent_at=\"'-infinity'::timestamptz\"",
            ),
        ),
        (
            integration(CAPTURED, "test_an_event_written_within_the_window_is_not_sent_again"),
            integration(CAPTURED, "test_an_event_sent_again_waits_twice_as_long_for_the_next_time"),
        ),
    ),
    Mutant(
        "M252",
        "every row that a capture sent is counted as a backlog, and the alert rings for ever",
        (
            Replacement(
                "runtime/adapters/store/reconcile.py",
                "{_OUTBOX_UNPUBLISHED} if captured else set()",
                "set[str]()",
            ),
        ),
        (integration(CAPTURED, "test_unmarked_rows_are_no_backlog_of_a_capture"),),
    ),
    Mutant(
        "M253",
        "our publishers run beside Debezium, and every event goes out twice",
        (
            Replacement(
                "bookpayctl/targets/local/supervise/programs.py",
                "captured = addresses.publisher == DEBEZIUM\n",
                "captured = False\n",
            ),
        ),
        (unit(PROGRAMS, "test_no_publisher_of_ours_runs_beside_debezium"),),
        (unit(PROGRAMS, "test_there_are_eleven_service_processes_a_twin_and_a_mail_sink"),),
    ),
    Mutant(
        "M254",
        "what a capture has still to send is not waited for, and the audit calls it lost",
        (
            Replacement(
                "bookpayctl/judge/quiescence.py",
                "        return self.is_settled and place is not None"
                " and (self.confirmed or 0) >= place\n",
                "        return self.is_settled\n",
            ),
        ),
        (
            unit(
                QUIESCENCE,
                "test_a_capture_has_to_confirm_what_was_written_when_all_else_rested",
            ),
        ),
        (
            unit(
                QUIESCENCE,
                "test_a_stack_of_our_publishers_is_at_rest_when_nothing_is_unmarked_or_open",
            ),
        ),
    ),
    Mutant(
        "M255",
        "the local worker calls an event sent before every copy has it",
        (
            Replacement(
                "bookpayctl/targets/servers/connect.py",
                '"producer.acks": "all"',
                '"producer.acks": "1"',
            ),
        ),
        (unit(CONNECT, "test_the_worker_converts_as_that_of_the_manifests"),),
        (unit(CONNECT, "test_the_heartbeats_have_their_topic"),),
    ),
    Mutant(
        "M256",
        "the local connector has a snapshot of its own: every event there ever was goes out again",
        (
            Replacement(
                "bookpayctl/targets/servers/connect.py",
                '        "heartbeat.interval.ms": str(_HEARTBEAT_MS),\n',
                '        "heartbeat.interval.ms": str(_HEARTBEAT_MS),\n'
                '        "snapshot.select.statement.overrides": "",\n',
            ),
        ),
        (
            unit(
                CONNECT,
                "test_the_connector_is_that_of_the_manifests_but_for_where_things_are",
            ),
        ),
        (unit(CONNECT, "test_the_heartbeats_have_their_topic"),),
    ),
    Mutant(
        "M257",
        "a drill strikes publishers that are not there, and says that nothing was lost",
        (
            Replacement(
                "bookpayctl/drill/scenario.py",
                "        if environment.captured and point in self.publisher_points:\n",
                "        if False:\n",
            ),
        ),
        (
            unit(
                "drills/test_drills_beside_debezium",
                "test_a_refused_drill_begins_nothing_and_says_who_publishes",
            ),
        ),
        (unit("drills/test_where_drills_run", "test_the_drills_of_a_cluster_are_these"),),
    ),
    Mutant(
        "M258",
        "an environment whose rows bear no mark is given to our publishers, who send all of them",
        (
            Replacement(
                "bookpayctl/targets/local/up.py",
                "    if recorded is None or not recorded.captured"
                " or options.publisher == DEBEZIUM:\n",
                "    if True:\n",
            ),
        ),
        (
            unit(
                "targets/test_publisher_fixed",
                "test_nobody_else_publishes_where_debezium_has",
            ),
        ),
        (unit("targets/test_publisher_fixed", "test_debezium_may_follow_our_publishers"),),
    ),
    Mutant(
        "M259",
        "a slot that nobody reads is called health",
        (
            Replacement(
                "bookpayctl/targets/status.py",
                'return self.active and self.wal_status != "lost"\n',
                'return self.wal_status != "lost"\n',
            ),
        ),
        (
            unit(
                "targets/test_local_status",
                "test_where_a_capture_publishes_its_slot_is_asked_for_and_no_leader",
            ),
        ),
        (unit("targets/test_local_status", "test_all_healthy_is_a_pass"),),
    ),
)
