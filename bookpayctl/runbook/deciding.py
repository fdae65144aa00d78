"""What is decided of a step before it is typed, and what its answer makes of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.controls.catalogue import RUNBOOK_PREFIX
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.verdict import Item, Verdict, not_asked
from bookpayctl.runbook.matching import CommandAnswer, PageComparison
from bookpayctl.runbook.page import PROOF, Runbook, Step

LOCAL: Final = "local"
KUBE: Final = "kube"

FIRST_LOOK: Final = "First look"
"""What the steps above the first heading are called."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a page is to be run where.

    Attributes:
        platform: `local` or `kube`; a cluster of kind's is one of Kubernetes.
        steps: those asked for, also those of the other platform.
    """

    book: Runbook
    platform: str
    steps: tuple[Step, ...]

    @property
    def here(self) -> list[Step]:
        return [step for step in self.steps if step.platform in ("", self.platform)]

    @property
    def dangerous(self) -> list[Step]:
        return [step for step in self.here if step.danger]


def platform_of(target: str) -> str:
    """The word of a page for the place an environment runs on."""
    return LOCAL if target == LOCAL else KUBE


def refusal_of(chosen: Chosen, *, yes: bool, can_ask: bool) -> str | None:
    """Why nothing may begin; None where it may.

    Before the first step, so that nobody is left in the middle of a page.
    """
    if yes or can_ask or not chosen.dangerous:
        return None
    first = chosen.dangerous[0]
    return f"step {first.number} {first.danger}, and no terminal is there to ask; see --yes"


def why_skipped(step: Step, platform: str, known: Collection[str]) -> str | None:
    """Why a step is not typed although nothing went wrong; None where it is."""
    if step.platform not in ("", platform):
        return f"only on {step.platform}"
    unknown = sorted(step.uses - set(known))
    if unknown:
        return f"there is no ${unknown[0]}: an earlier answer had none"
    return None


def answered(
    slug: str, step: Step, title: str, answer: CommandAnswer, found: PageComparison
) -> Item:
    """The item of a step that came to an answer."""
    asked = ["the exit status"] if step.expected.status is not None else []
    asked += [f"{len(step.expected.lines)} lines"] if step.expected.lines else []
    asked += [f"{len(step.expected.values)} values"] if step.expected.values else []
    return Item(
        id=item_id(slug, step),
        title=title,
        verdict=Verdict.VIOLATED if found.wrong else Verdict.HOLDS,
        required=f"{', '.join(asked) or 'an answer'} as on the page",
        observed="; ".join(found.wrong) or f"as on the page, exit {answer.status}",
        examined=1,
        evidence=found.rows,
        fix=_fix(slug, step) if found.wrong else "",
    )


def overdue(slug: str, step: Step, title: str, reason: str) -> Item:
    """The item of a step that gave no answer in time; the exit code is the deadline's."""
    return Item(
        id=item_id(slug, step),
        title=title,
        verdict=Verdict.VACUOUS,
        required="an answer within the step's deadline",
        observed=reason,
        examined=0,
        fix=_fix(slug, step),
    )


def not_typed(slug: str, step: Step, title: str, reason: str) -> Item:
    """The item of a step that was left out."""
    return not_asked(item_id(slug, step), title, "typed where it applies", reason)


def item_id(slug: str, step: Step) -> str:
    """Stable while the page's steps are."""
    return f"{RUNBOOK_PREFIX}{slug}/{step.number}"


def rehearsal_id(slug: str) -> str:
    """Of the answer whether a page's situation could be caused."""
    return f"{RUNBOOK_PREFIX}{slug}/caused"


def title_of(step: Step, shown: str) -> str:
    return f"{step.section or FIRST_LOOK}: {shown}"


def proven(chosen: Chosen, items: Sequence[Item]) -> ExitCode | None:
    """VACUOUS where a whole page was gone through and nothing of its proof was; else None."""
    proofs = [item for step, item in zip(chosen.steps, items, strict=True) if step.section == PROOF]
    went_wrong = any(item.verdict not in (Verdict.HOLDS, Verdict.SKIPPED) for item in items)
    if went_wrong or chosen.steps != chosen.book.steps:
        return None
    return None if any(item.verdict is Verdict.HOLDS for item in proofs) else ExitCode.VACUOUS


def missing(needed: Iterable[str], given: Collection[str]) -> list[str]:
    """The names that nobody gave a value, by the alphabet."""
    return sorted(set(needed) - set(given))


def _fix(slug: str, step: Step) -> str:
    return f"read runbooks/{slug}.md, line {step.line}; again: bookpayctl runbook run {slug}"
