"""Sabotages of the judge: a checker that cannot answer must not acquit."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

EDITED: Final = "tests/acceptance/test_edited_ledgers.py"
ENDPOINTS: Final = "tests/integration/stripe_twin/test_twin_every_endpoint.py"

JUDGE_MUTANTS: Final = (
    Mutant(
        "M24",
        "a question that the judge could not even ask counts as answered with yes",
        (
            Replacement(
                "bookpayctl/judge/evaluation.py",
                """        reason = f"the question failed: {type(error).__name__}: {error}"
        return unanswered(rule.id, rule.title, rule.required, " ".join(reason.split()))
""",
                """        return Item(
            id=rule.id,
            title=rule.title,
            verdict=Verdict.HOLDS,
            required=rule.required,
            observed=f"0 violations ({type(error).__name__} ignored)",
            examined=1,
        )
""",
            ),
        ),
        (unit("judge/test_invariants", "test_a_question_that_raises_is_unknown"),),
        # The happy path of a judge: a healthy shop holds, and what is seeded is found.
        (
            unit(
                "judge/test_invariants",
                "test_a_healthy_shop_violates_nothing_and_every_invariant_looked_at_something",
            ),
            unit(
                "selftest/test_ledger_controls",
                "test_a_defect_is_seen_by_its_questions_and_by_no_other",
            ),
        ),
    ),
    Mutant(
        "M69",
        "a row with a value that no ledger can hold is judged as if it had been read",
        (
            Replacement(
                "bookpayctl/judge/evaluation.py",
                "    if guess and not answer.violations.count:\n",
                "    if guess is None:\n",
            ),
        ),
        (
            unit(
                "judge/test_evaluation",
                "test_a_value_that_could_not_be_held_makes_what_needs_it_unknown",
            ),
        ),
        (unit("judge/test_evaluation", "test_money_is_shown_in_its_own_minor_units"),),
    ),
    Mutant(
        "M70",
        "a ledger that was edited after the audit is judged again as if it were the recorded one",
        (
            Replacement(
                "bookpayctl/judge/ledgers/manifest.py",
                """        elif sha256_of(path) != table["sha256"]:
""",
                """        elif not table["sha256"]:
""",
            ),
        ),
        (unit("judge/test_verification", "test_an_edited_ledger_is_told_and_not_judged"),),
        (unit("judge/test_verification", "test_what_was_recorded_comes_out_again"),),
    ),
    Mutant(
        "M71",
        "a journal whose lines were changed or taken out passes for the one that was written",
        (
            Replacement(
                "bookpayctl/runs/directory.py",
                """        if said != previous:
            found.append""",
                """        if said is not None and not said:
            found.append""",
            ),
        ),
        (unit("judge/test_verification", "test_a_journal_that_was_changed_is_told"),),
        (unit("judge/test_verification", "test_what_was_recorded_comes_out_again"),),
    ),
    Mutant(
        "M89",
        "a question that stays good where it must be red passes its control",
        (
            Replacement(
                "bookpayctl/selftest/stacks.py",
                """    if verdict not in red.verdicts:
        return f"{red.question} stays {verdict}"
""",
                "",
            ),
            Replacement(
                "bookpayctl/selftest/ledgers.py",
                'f"{missed} stays {answers[missed].verdict.value}" for missed in sorted(expected - red)',
                "missed for missed in sorted(expected - red) if missed not in answers",
            ),
        ),
        (
            unit(
                "selftest/test_stack_controls",
                "test_a_question_that_does_not_find_out_is_broken[holds]",
            ),
            unit(
                "selftest/test_ledger_controls",
                "test_an_invariant_that_sees_nothing_fails_the_selftest",
            ),
        ),
        (unit("selftest/test_stack_controls", "test_a_question_that_finds_out_holds"),),
    ),
    Mutant(
        "M90",
        "a letter that was noted counts as one that was sent",
        (
            Replacement(
                "bookpayctl/judge/readers/ours/letters.sql", "WHERE sent_at IS NOT NULL\n", ""
            ),
        ),
        (f"{EDITED}::test_what_was_edited_or_deleted_behind_our_back_is_found",),
        (unit("judge/test_verification", "test_what_was_recorded_comes_out_again"),),
    ),
    Mutant(
        "M100",
        "two looks agree when rows of one id are there, whatever else these rows say",
        (
            Replacement(
                "bookpayctl/judge/agreement.py",
                "SUM(hash(hash({', '.join(names)})))",
                "SUM(hash(hash({names[0]})))",
            ),
        ),
        (unit("judge/test_looks", "test_every_column_of_a_part_is_in_its_digest"),),
        (unit("judge/test_looks", "test_two_looks_at_the_same_state_have_one_digest"),),
    ),
    Mutant(
        "M101",
        "two rows that say the same cancel each other in the digest of a look",
        (
            Replacement(
                "bookpayctl/judge/agreement.py",
                "SUM(hash(hash({', '.join(names)})))",
                "BIT_XOR(hash(hash({', '.join(names)})))",
            ),
        ),
        (unit("judge/test_looks", "test_rows_that_are_there_twice_do_not_cancel_each_other"),),
        (unit("judge/test_looks", "test_two_looks_at_the_same_state_have_one_digest"),),
    ),
    Mutant(
        "M102",
        "of a history only its end is kept, so that a wrong step that healed is not seen",
        (
            Replacement(
                "bookpayctl/judge/invariants/derived.sql",
                "WHERE c.is_last OR a.kind IS NULL OR c.from_state IS DISTINCT FROM c.reached\n",
                "WHERE c.is_last\n",
            ),
        ),
        (unit("judge/test_evaluation", "test_a_wrong_step_is_seen_though_the_history_ends_well"),),
        (unit("judge/test_evaluation", "test_money_is_shown_in_its_own_minor_units"),),
    ),
    Mutant(
        "M182",
        "a payment with the steps of the plain way went it, in whatever order they were",
        (
            Replacement(
                "bookpayctl/judge/invariants/derived.sql",
                "CASE WHEN h.steps = 3 AND h.begun < h.taken AND h.taken < h.ended THEN",
                "CASE WHEN h.steps = 3 AND h.begun < h.taken THEN",
            ),
        ),
        (unit("judge/test_evaluation", "test_the_plain_way_out_of_order_is_seen"),),
        (unit("judge/test_evaluation", "test_money_is_shown_in_its_own_minor_units"),),
    ),
    Mutant(
        "M103",
        "tables that rules ask of are made without columns that only tables on top of them read",
        (
            Replacement(
                "bookpayctl/judge/rules.py",
                "            words |= named | columns_read(made)\n",
                "            words |= set()\n",
            ),
        ),
        (unit("judge/test_ledger_tables", "test_a_derived_table_has_what_tables_on_it_read"),),
        (unit("judge/test_ledger_tables", "test_a_rule_is_its_head_and_its_statements"),),
    ),
    Mutant(
        "M120",
        "a question that could not be answered passes its control",
        (
            Replacement(
                "bookpayctl/controls/control.py",
                'RED: Final = frozenset({"violated", "warning"})',
                'RED: Final = frozenset({"violated", "warning", "unknown"})',
            ),
        ),
        (
            unit(
                "selftest/test_stack_controls",
                "test_a_question_that_does_not_find_out_is_broken[unknown]",
            ),
        ),
        (unit("selftest/test_stack_controls", "test_a_question_that_finds_out_holds"),),
    ),
    Mutant(
        "M121",
        "the twin dates its answers by the machine's clock, whatever its objects are dated by",
        (
            Replacement(
                "bookpayctl/stripe_twin/api/responses.py",
                "formatdate(entry.at, usegmt=True)",
                "formatdate(entry.wall_at, usegmt=True)",
            ),
        ),
        (f"{ENDPOINTS}::test_every_answer_is_dated_by_the_clock_of_its_ledger",),
        (f"{ENDPOINTS}::test_a_read_carries_no_headers_of_keys",),
    ),
    Mutant(
        "M122",
        "a replay compares no payload of a record with its row's",
        (
            Replacement(
                "bookpayctl/replay/questions/R03_records_are_their_rows.sql",
                "    r.payload_sha256 IS DISTINCT FROM e.payload_sha256 AS another_payload,\n",
                "    FALSE AS another_payload,\n",
            ),
        ),
        (
            unit(
                "selftest/test_ledger_controls",
                "test_a_defect_is_seen_by_its_questions_and_by_no_other[record-of-another-payload]",
            ),
        ),
        (
            unit(
                "selftest/test_ledger_controls",
                "test_in_ledgers_that_agree_every_question_holds_over_something",
            ),
        ),
    ),
)
