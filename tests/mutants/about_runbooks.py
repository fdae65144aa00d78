"""Sabotages of runbooks: what is compared, who is asked, what is kept and what counts."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

RUNBOOK_MUTANTS: Final = (
    Mutant(
        "M170",
        "an answer whose lines are not those of the page is as good as one that has them",
        (
            Replacement(
                "bookpayctl/runbook/matching.py",
                '        wrong.append("the lines are not those expected")\n',
                '        captured.pop("the lines are not those expected", None)\n',
            ),
        ),
        (unit("runbook/test_matching", "test_lines_that_do_not_fit"),),
        (unit("runbook/test_matching", "test_lines_that_fit"),),
    ),
    Mutant(
        "M171",
        "a dangerous page begins although nobody can be asked",
        (
            Replacement(
                "bookpayctl/runbook/deciding.py",
                "    if yes or can_ask or not chosen.dangerous:\n",
                "    if not yes or can_ask or not chosen.dangerous:\n",
            ),
        ),
        (
            unit(
                "runbook/test_running",
                "test_without_a_terminal_a_dangerous_page_is_refused_whole",
            ),
        ),
        (unit("runbook/test_running", "test_one_step_alone_proves_itself"),),
    ),
    Mutant(
        "M172",
        "a page whose proof was skipped passes",
        (
            Replacement(
                "bookpayctl/runbook/deciding.py",
                "    return None if any(item.verdict is Verdict.HOLDS for item in proofs)"
                " else ExitCode.VACUOUS\n",
                "    return None if any(item.verdict is Verdict.HOLDS for item in items)"
                " else ExitCode.VACUOUS\n",
            ),
        ),
        (unit("runbook/test_running", "test_a_page_whose_proof_was_skipped_is_vacuous"),),
        (unit("runbook/test_running", "test_one_step_alone_proves_itself"),),
    ),
    Mutant(
        "M173",
        "Ctrl-C leaves the child of a step running",
        (
            Replacement(
                "bookpayctl/runbook/execution.py",
                "    except BaseException:\n        end_group(child)\n        raise\n",
                "    except BaseException:\n        raise\n",
            ),
        ),
        (unit("runbook/test_running", "test_ctrl_c_ends_the_child_and_says_so"),),
        (unit("runbook/test_running", "test_one_step_alone_proves_itself"),),
    ),
    Mutant(
        "M174",
        "what a command printed is kept with its secrets",
        (
            Replacement(
                "bookpayctl/runbook/running.py",
                "    return redacted(text, request.secrets)[-KEPT_CHARACTERS:]\n",
                "    return text[-KEPT_CHARACTERS:]\n",
            ),
        ),
        (unit("runbook/test_running", "test_no_secret_is_written_down"),),
        (unit("runbook/test_running", "test_one_step_alone_proves_itself"),),
    ),
    Mutant(
        "M175",
        "a page goes on after a step that was not as expected",
        (
            Replacement(
                "bookpayctl/runbook/running.py",
                '        course.ended = f"step {step.number} was not as expected"\n',
                '        course.ended = ""\n',
            ),
        ),
        (
            unit(
                "runbook/test_running",
                "test_the_first_wrong_answer_ends_it_with_both_side_by_side",
            ),
        ),
        (unit("runbook/test_running", "test_one_step_alone_proves_itself"),),
    ),
    Mutant(
        "M176",
        "a value that was captured is read as several words of a command",
        (
            Replacement(
                "bookpayctl/runbook/variables.py",
                "    return [filled(word, values) for word in words]\n",
                "    return shlex.split(filled(command, values))\n",
            ),
        ),
        (unit("runbook/test_variables", "test_a_value_is_one_word_whatever_it_holds"),),
        (unit("runbook/test_variables", "test_only_names_in_capitals_are_names"),),
    ),
    Mutant(
        "M177",
        "the lines of a transcript are changed and it still follows itself",
        (
            Replacement(
                "bookpayctl/runbook/transcript.py",
                '        "lines": list(lines),\n',
                '        "lines": [{**line, "previous": "0" * 64} for line in lines],\n',
            ),
        ),
        (
            unit(
                "runbook/test_running",
                "test_a_transcript_has_every_answer_and_follows_itself",
            ),
        ),
        (unit("runbook/test_running", "test_one_step_alone_proves_itself"),),
    ),
)
