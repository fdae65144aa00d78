"""Sabotages of what is kept and told of runs: a page, a report again, runs that are deleted."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

REPORT_MUTANTS: Final = (
    Mutant(
        "M75",
        "what a system said becomes part of the page that tells of it",
        (
            Replacement(
                "bookpayctl/run_report/markup.py",
                "            parts.append(text(child))\n",
                "            parts.append(child)\n",
            ),
        ),
        (unit("run_report/test_page", "test_what_a_system_said_is_text_wherever_it_stands"),),
        (unit("run_report/test_page", "test_the_verdict_stands_first"),),
    ),
    Mutant(
        "M76",
        "a kept report is believed whatever its answers come to",
        (
            Replacement(
                "bookpayctl/report/record.py",
                "            if (report.verdict.value, report.code) == wanted:\n",
                "            if report.kind and wanted:\n",
            ),
        ),
        (unit("report/test_record", "test_an_answer_that_was_mended_is_refused"),),
        (unit("report/test_markdown", "test_the_verdict_comes_first"),),
    ),
    Mutant(
        "M77",
        "a run is deleted although what it changed is not undone",
        (
            Replacement(
                "bookpayctl/runs/pruning.py",
                "    if run.pending:\n",
                "    if run.pending and run.why:\n",
            ),
        ),
        (unit("runs/test_pruning", "test_a_run_with_something_to_undo_stays"),),
        (unit("runs/test_pruning", "test_a_deleted_run_is_gone_and_its_bytes_are_told"),),
    ),
    Mutant(
        "M78",
        "the probes of a deleted run are forgotten, and an audit takes them for a customer's orders",
        (
            Replacement(
                "bookpayctl/runs/pruning.py",
                "        _keep_probes(path, runs_dir / PRUNED)\n",
                "",
            ),
        ),
        (
            unit(
                "runs/test_pruning",
                "test_what_a_deleted_run_made_on_purpose_is_left_out_of_audits_as_before",
            ),
        ),
        (unit("runs/test_pruning", "test_a_deleted_run_is_gone_and_its_bytes_are_told"),),
    ),
)
