"""Sabotages of certificates: what is left out, what is not asked, and what is advised."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

CERTIFICATE_MUTANTS: Final = (
    Mutant(
        "M200",
        "a drill takes the time of the audit that was to judge it",
        (
            Replacement(
                "bookpayctl/certify/planning.py",
                "    return piece.seconds + reserved <= seconds_left\n",
                "    return piece.seconds + min(reserved, 0) <= seconds_left\n",
            ),
        ),
        (unit("certify/test_planning", "test_the_judgement_at_the_end_keeps_its_time"),),
        (unit("certify/test_planning", "test_with_time_enough_nothing_is_left_out"),),
    ),
    Mutant(
        "M201",
        "a certificate that left out what its profile requires holds",
        (
            Replacement(
                "bookpayctl/certify/run.py",
                "    if piece.need is Need.EXTRA or not answered:\n",
                "    if piece.need is not None or not answered:\n",
            ),
        ),
        (
            unit(
                "certify/test_certificate",
                "test_what_was_required_and_left_out_is_unknown_and_said_first",
            ),
        ),
        (unit("certify/test_certificate", "test_where_all_was_asked_and_holds_it_passes"),),
    ),
    Mutant(
        "M202",
        "what was left out is not told before the answers",
        (
            Replacement(
                "bookpayctl/certify/run.py",
                "        notes=() if note is None else (note,),\n",
                "        notes=() if note is not None else (str(note),)[:0],\n",
            ),
        ),
        (
            unit(
                "certify/test_certificate",
                "test_what_was_extra_and_left_out_is_named_and_spoils_nothing",
            ),
        ),
        (unit("certify/test_certificate", "test_one_violation_is_the_verdict"),),
    ),
    Mutant(
        "M203",
        "the code of a part is forgotten, so that one which looked at nothing makes a pass",
        (
            Replacement(
                "bookpayctl/certify/run.py",
                "        self.codes += [answer.code, *answer.incidents]\n",
                "        self.codes += [*answer.incidents]\n",
            ),
        ),
        (
            unit(
                "certify/test_certificate",
                "test_a_part_that_came_to_no_pass_makes_none_of_the_whole",
            ),
        ),
        (unit("certify/test_certificate", "test_one_violation_is_the_verdict"),),
    ),
    Mutant(
        "M204",
        "a page is called rehearsed although its situation was never there",
        (
            Replacement(
                "bookpayctl/runbook/rehearsing.py",
                "    if caused.code is not ExitCode.PASS:\n        wrong",
                "    if caused.code is ExitCode.USAGE:\n        wrong",
            ),
        ),
        (
            unit(
                "runbook/test_rehearsing",
                "test_a_situation_that_was_not_caused_is_unknown_and_not_violated",
            ),
        ),
        (
            unit(
                "runbook/test_rehearsing",
                "test_a_situation_that_was_caused_holds_with_the_commands_that_did_it",
            ),
        ),
    ),
    Mutant(
        "M205",
        "an operator is advised to type what there is not",
        (
            Replacement(
                "bookpayctl/checks/operations/nothing_waits_for_a_person.py",
                '    "refunds failed": "bookpayctl refund list",\n',
                '    "refunds failed": "bookpayctl refund list --failed",\n',
            ),
        ),
        (
            unit(
                "cli/test_advised_commands",
                "test_every_command_that_is_advised_exists_with_its_options",
            ),
        ),
        (unit("cli/test_advised_commands", "test_what_does_not_exist_is_found"),),
    ),
)
