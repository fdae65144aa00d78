"""Every question has a red control or says why not, and every control can still be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.checks import CHECKS
from bookpayctl.controls import defects as defects_file
from bookpayctl.controls.catalogue import WITHOUT, WRONG_STACKS, controls_of, drill_of
from bookpayctl.controls.control import WrongStack
from bookpayctl.controls.defects import DefectError, defects, parsed
from bookpayctl.controls.edit import Edit, NotApplicableError, changed_texts
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.forgery import CASES
from bookpayctl.judge.rules import rules
from runtime.domain.names import Topic

ROOT = Path(__file__).resolve().parents[3]
CHECK_IDS = [check.id for check in CHECKS]
RULE_IDS = [rule.id for rule in rules()]
DRILLS = [entry.slug for entry in CATALOGUE]


@pytest.mark.parametrize("question", [*CHECK_IDS, *RULE_IDS, *DRILLS])
def test_every_question_has_a_control_or_a_reason_for_having_none(question: str) -> None:
    assert bool(controls_of(question)) != (question in WITHOUT)


def test_reasons_are_given_for_questions_that_there_are() -> None:
    assert set(WITHOUT) <= {*CHECK_IDS, *DRILLS}
    assert {red.question for stack in WRONG_STACKS for red in stack.red} <= {
        *(CHECK_IDS),
        *(RULE_IDS),
        *(case.id for case in CASES),
        "crash-mid-charge/charged-once",
        "partition/never-failed",
        "slow-stripe/one-key-each",
        "slow-stripe/charged-once",
        "half-open-connection/work-went-on",
        "one-way-partition/none-marked",
        "clogged-links/charged-once",
    }
    assert {slug for slug in map(drill_of, WRONG_STACKS) if slug} <= set(DRILLS)


def test_an_item_of_a_drill_is_certified_as_the_drill_is() -> None:
    assert "new-key-after-a-crash" in controls_of("crash-mid-charge/charged-once")
    assert controls_of("crash-mid-charge/charged-once") == controls_of("crash-mid-charge")
    assert controls_of("node-drain/settled") == ()


def test_no_two_controls_have_one_name() -> None:
    names = [*(stack.name for stack in WRONG_STACKS), *(defect.name for defect in defects())]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("stack", WRONG_STACKS, ids=lambda stack: stack.name)
def test_a_wrong_runtime_can_be_made_of_the_one_that_there_is(stack: WrongStack) -> None:
    changed = changed_texts(ROOT, stack.edits)

    assert bool(changed) == bool(stack.edits)
    assert stack.red
    assert stack.edits or stack.sql or stack.topic_settings or stack.aged_files
    assert set(stack.topic_settings) <= {topic.value for topic in Topic}


def test_an_edit_of_a_text_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotApplicableError, match="0 times"):
        changed_texts(ROOT, [Edit("runtime/domain/signature.py", "of another release", "")])
    with pytest.raises(NotApplicableError, match="not there"):
        changed_texts(ROOT, [Edit("runtime/domain/no_such.py", "a", "b")])


@pytest.mark.parametrize(
    "text",
    [
        "-- name: wrong\nDELETE FROM orders;\n",
        "-- name: wrong\n-- red: I10\n",
        "-- Name: wrong\n-- red: I10\nDELETE FROM orders;\n",
        "-- name: wrong\n-- red: I10\n-- also: I11\nDELETE FROM orders;\n",
    ],
    ids=["turns nothing red", "no statement", "no name", "no reason for what else is red"],
)
def test_a_defect_that_is_not_whole_is_no_defect(text: str) -> None:
    with pytest.raises(DefectError, match="no defect"):
        list(parsed(f"-- A head.\n\n{text}"))


def test_every_defect_of_the_file_is_read() -> None:
    text = (Path(defects_file.__file__).parent / "defects.sql").read_text()

    assert len(defects()) == text.count("\n-- red: ")
