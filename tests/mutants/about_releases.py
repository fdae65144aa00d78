"""Sabotages of what is handed out: what it lacks, and who may sign for it."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

RELEASE_MUTANTS: Final = (
    Mutant(
        "M226",
        "the wheel lacks what only a checkout has: the wrong ledgers of the red controls",
        (Replacement("pyproject.toml", '    "controls/*.sql",\n', ""),),
        (unit("release/test_built_wheel", "test_every_file_of_both_programs_is_in_the_wheel"),),
        (
            unit(
                "release/test_built_wheel", "test_the_wheel_says_what_it_is_and_under_which_licence"
            ),
        ),
    ),
    Mutant(
        "M227",
        "the job that runs the repository's code may sign for what it made",
        (
            Replacement(
                ".github/workflows/release.yml",
                "    timeout-minutes: 60\n",
                "    timeout-minutes: 60\n    permissions: write-all\n",
            ),
        ),
        (
            unit(
                "docs/test_ci_files",
                "test_what_may_write_a_release_runs_nothing_of_the_repository",
            ),
        ),
        (unit("docs/test_ci_files", "test_a_workflow_may_read_and_nothing_else"),),
    ),
)
