"""Commands asked of stacks that are wrong on purpose: each must find out, and for its own reason.

First the same is asked of a stack that is right: what is red there already certifies nothing. A
wrong runtime gets a stack of its own; what is wrong only around a right one is made so in the
first stack, one thing after another, when all is asked there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from bookpayctl.clients.database import DatabaseError
from bookpayctl.clients.kafka import BrokerError
from bookpayctl.controls.catalogue import CONTROL_PREFIX, why_uncertified
from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.edit import NotApplicableError
from bookpayctl.controls.events_and_orders import DECLINED, PAID
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.verdict import Item, Verdict, not_asked, unanswered
from bookpayctl.selftest.throwaway import Throwaway, ThrowawayError, throwaway

Observer = Callable[[str], None]

_FAILURES: Final = (ThrowawayError, NotApplicableError, DatabaseError, BrokerError)
_NOT_THERE: Final = {"verdict": "not among the answers", "observed": "", "evidence": ()}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command answered, by the id of each item; `failure` is why it did not.

    Attributes:
        code: with which it ended.
    """

    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failure: str = ""
    code: ExitCode = ExitCode.VIOLATED

    def verdict_of(self, question: str) -> str:
        return str(self.answers.get(question, _NOT_THERE)["verdict"])

    def words_of(self, question: str) -> str:
        """All that the answer says."""
        found = self.answers.get(question, _NOT_THERE)
        parts = (found["observed"], found.get("reason"), *found["evidence"])
        return "; ".join(str(part) for part in parts if part)


def stack_items(controls: Sequence[WrongStack], observe: Observer) -> Iterator[Item]:
    """An item for each control, as soon as it is known."""
    if not controls:
        return
    right: dict[tuple[str, ...], Asked] = {}
    try:
        with throwaway((), observe) as stack:
            for order in (PAID, DECLINED):
                stack.succeed(*order)
            for command in dict.fromkeys(control.command for control in controls):
                observe(f"a stack that is right: {' '.join(command)}")
                right[command] = _asked(stack, command)
            for control in controls:
                if not control.edits:
                    yield _timed(control, right, partial(_asked_wrong, stack, control), observe)
    except _FAILURES as error:
        yield from (_unknown(c, f"the stack that is right: {error}") for c in controls)
        return
    for control in controls:
        if control.edits:
            yield _timed(control, right, partial(_asked_of_copy, control, observe), observe)


def question_items(
    controls: Sequence[WrongStack], questions: Mapping[str, str], observe: Observer
) -> Iterator[Item]:
    """An item for each control, then one for each question that none of them is made for.

    Args:
        questions: what was chosen, id -> title.
    """
    yield from stack_items(controls, observe)
    certified = {red.subject for control in controls for red in control.red}
    for question, title in questions.items():
        if question not in certified:
            yield without_control(question, title)


def without_control(question: str, title: str) -> Item:
    """What is said of a question that no control turns red: it was not tested."""
    name = f"{CONTROL_PREFIX}none-for-{question}"
    return not_asked(name, title, "a red control", why_uncertified(question))


def item_of(control: WrongStack, right: Asked, wrong: Asked) -> Item:
    """What a control shows of the questions that it is made for."""
    for asked, which in ((right, "right"), (wrong, "wrong")):
        if asked.failure:
            return _unknown(control, f"the stack that is {which}: {asked.failure}")
    spoilt = [red for red in control.red if right.verdict_of(red.question) in red.verdicts]
    if spoilt:
        seen = right.words_of(spoilt[0].question)
        return _unknown(control, f"{spoilt[0].question} is red where nothing is wrong: {seen}")
    problems = [problem for red in control.red if (problem := _problem(red, wrong))]
    # A pipeline reads nothing but the code; a warning is no reason for one, unless asked to be.
    if not problems and wrong.code is ExitCode.PASS and _is_violated(control, wrong):
        problems = ["the answer is red, and the command ends with exit 0"]
    pairs = [
        f"{red.question}: {right.verdict_of(red.question)}, then {wrong.verdict_of(red.question)}"
        for red in control.red
    ]
    return Item(
        id=f"{CONTROL_PREFIX}{control.name}",
        title=_title(control),
        verdict=Verdict.VIOLATED if problems else Verdict.HOLDS,
        required=_required(control),
        observed="; ".join(problems or [*pairs, f"exit {wrong.code.value}"]),
        examined=len(control.red),
        evidence=tuple(f"{red.question}: {wrong.words_of(red.question)}" for red in control.red),
        fix=f"bookpayctl explain {control.red[0].question}" if problems else "",
    )


def _problem(red: RedAnswer, wrong: Asked) -> str:
    verdict = wrong.verdict_of(red.question)
    if verdict not in red.verdicts:
        return f"{red.question} stays {verdict}"
    if red.says not in wrong.words_of(red.question):
        return f"{red.question} is {verdict}, and not because of {red.says!r}"
    return ""


def _is_violated(control: WrongStack, wrong: Asked) -> bool:
    return any(wrong.verdict_of(red.question) == Verdict.VIOLATED for red in control.red)


def _required(control: WrongStack) -> str:
    questions = ", ".join(red.question for red in control.red)
    return f"red: {questions}, by `bookpayctl {' '.join(control.command)}`"


def _unknown(control: WrongStack, reason: str) -> Item:
    name = f"{CONTROL_PREFIX}{control.name}"
    return unanswered(name, _title(control), _required(control), reason)


def _title(control: WrongStack) -> str:
    return f"{', '.join(red.question for red in control.red)}: {control.wrong}"


def _timed(
    control: WrongStack,
    right: Mapping[tuple[str, ...], Asked],
    ask: Callable[[], Asked],
    observe: Observer,
) -> Item:
    began = time.monotonic()
    observe(f"{control.name}: {control.wrong}")
    item = item_of(control, right[control.command], ask())
    return replace(item, duration_ms=int((time.monotonic() - began) * 1000))


def _asked(stack: Throwaway, command: Sequence[str]) -> Asked:
    try:
        answers, code = stack.answers_and_code(command)
        return Asked(answers, code=ExitCode(code))
    except _FAILURES as error:
        return Asked(failure=str(error))


def _asked_wrong(stack: Throwaway, control: WrongStack) -> Asked:
    try:
        stack.arrange(control)
    except _FAILURES as error:
        return Asked(failure=str(error))
    return _asked(stack, control.command)


def _asked_of_copy(control: WrongStack, observe: Observer) -> Asked:
    try:
        with throwaway(control.edits, observe) as stack:
            return _asked_wrong(stack, control)
    except _FAILURES as error:
        return Asked(failure=str(error))
