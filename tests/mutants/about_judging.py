"""Sabotages of the judge: a checker that cannot answer must not acquit."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

JUDGE_MUTANTS: Final = (
    Mutant(
        "M24",
        "a question that the judge could not even ask counts as answered with yes",
        (
            Replacement(
                "bookpayctl/judge/invariants/__init__.py",
                """        reason = f"the question failed: {type(error).__name__}: {error}"
        return unanswered(invariant.id, invariant.title, invariant.required, reason)
""",
                """        return Item(
            id=invariant.id,
            title=invariant.title,
            verdict=Verdict.HOLDS,
            required=invariant.required,
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
            unit("judge/test_invariants", "test_a_seeded_defect_violates_its_invariant"),
        ),
    ),
)
