"""What a drill is made of: what it asks, where it strikes, and what its own steps may use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from bookpayctl.drill.phase import Phase
from bookpayctl.faults.fault import Fault
from bookpayctl.load.plan import OrderKind
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runs.directory import Run
from bookpayctl.session import Session
from bookpayctl.targets.cluster_target import ClusterAct, ClusterTarget
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.link import LinkTarget
from bookpayctl.targets.platforms import NAMES, cluster_of, links_of
from bookpayctl.targets.target import Target

EVIDENCE_MAX: Final = 5
"""So many of what is not as required are named."""

_T = TypeVar("_T")


def never_asked(_text: str) -> None:
    """Wait for nobody."""


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What to run it on and how hard.

    Attributes:
        point: where the fault strikes, one of the drill's points.
        deadline_seconds: how long each wait may take, and the bound for recovery.
        audited: whether the drill ends with its own audit; a caller that audits more than the
            drill's orders does it itself.
        keeps_fault: whether what was done stays in place at the end, for `recover` to undo.
        pause_before: the phase before which `pause` is called; None for none.
        pause: returns when the operator has seen enough.
    """

    environment: Environment
    point: str
    rate_per_second: float = 10.0
    duration_seconds: float = 10.0
    deadline_seconds: float = 60.0
    seed: int = 0
    strict: bool = False
    audited: bool = True
    keeps_fault: bool = False
    pause_before: Phase | None = None
    pause: Callable[[str], None] = never_asked


@dataclass(frozen=True, slots=True)
class DrillContext:
    """What a drill's own steps may use."""

    slug: str
    request: DrillRequest
    session: Session

    @property
    def environment(self) -> Environment:
        return self.request.environment

    @property
    def target(self) -> Target:
        return self.session.target

    @property
    def cluster(self) -> ClusterTarget:
        """The target, for drills that run in clusters alone.

        Raises:
            LookupError: it is none; the drill should not have begun.
        """
        found = cluster_of(self.target)
        if found is None:
            raise LookupError(f"environment {self.environment.name} is in no cluster")
        return found

    @property
    def links(self) -> LinkTarget:
        """The target, for drills that harm its links.

        Raises:
            LookupError: nothing can be done to them; the drill should not have begun.
        """
        found = links_of(self.target)
        if found is None:
            raise LookupError(f"the links of environment {self.environment.name} are out of reach")
        return found

    @property
    def run(self) -> Run:
        return self.session.run

    @property
    def deadline_seconds(self) -> float:
        return self.request.deadline_seconds

    def observe(self, text: str) -> None:
        """Say what is going on."""
        self.session.observe(text)

    def judged(
        self,
        name: str,
        title: str,
        required: str,
        observed: str,
        *,
        good: bool,
        examined: int,
        evidence: Sequence[str] = (),
        fix: str = "",
    ) -> Item:
        """An item of this drill that was answered; one that examined nothing is vacuous."""
        answered = Verdict.HOLDS if good else Verdict.VIOLATED
        return Item(
            id=f"{self.slug}/{name}",
            title=title,
            verdict=answered if examined > 0 or not good else Verdict.VACUOUS,
            required=required,
            observed=observed,
            examined=examined,
            evidence=tuple(evidence),
            fix="" if good else fix,
        )

    def judged_each(
        self,
        name: str,
        title: str,
        required: str,
        bad: Sequence[_T],
        told: Callable[[_T], str],
        *,
        of: Sized,
        seen: str,
        fix: str = "",
    ) -> Item:
        """An item about each of several things: how many are right, and the first that are not.

        Args:
            bad: those that are not as required, and `told` what is said of one.
            of: all that were looked at.
            seen: what is said behind `N of M`.
        """
        return self.judged(
            name,
            title,
            required,
            f"{len(of) - len(bad)} of {len(of)} {seen}",
            good=not bad,
            examined=len(of),
            evidence=[told(one) for one in bad[:EVIDENCE_MAX]],
            fix=fix,
        )

    def unanswered(self, name: str, title: str, required: str, reason: str) -> Item:
        """An item of this drill whose question could not be answered."""
        return unanswered(f"{self.slug}/{name}", title, required, reason)


class Scenario(ABC):
    """One drill under way: its faults, how they are injected, and what is watched afterwards."""

    aids: Sequence[Fault] = ()
    """Changes that only help to see; they are undone like faults and need no proof."""

    clients_ask_again = False
    """Whether a client that gets no answer asks again under its key, where no more is promised."""

    observes_anyway = False
    """Whether what followed can be told although one fault of several is not proven."""

    mix: Mapping[OrderKind, int] = MappingProxyType({OrderKind.OK: 1})
    """What the load's customers pay with, by weight."""

    def __init__(self, context: DrillContext) -> None:
        self.context = context
        self.finish_load: Callable[[], None] = no_load
        """Wait for the load's planned end; what is observed is watched under load otherwise."""

    @property
    @abstractmethod
    def faults(self) -> Sequence[Fault]:
        """What is tested: each must be proven to have landed."""

    def prepare(self) -> None:  # noqa: B027 - most drills have nothing to prepare
        """Put in place what must be there before the orders come; its undo is promised by then."""

    def inject(self) -> None:
        """Cause them, in order, after the aids."""
        for fault in (*self.aids, *self.faults):
            fault.inject()

    @abstractmethod
    def observe(self) -> list[Item]:
        """What followed; asked only when every fault is proven, or see `observes_anyway`."""


def no_load() -> None:
    """There is none yet, and nothing to wait for."""


def fits_everywhere(_target: Target) -> str | None:
    """Nothing is needed beyond a platform."""
    return None


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill: its question and expected answer are said before it acts.

    Attributes:
        points: where it can strike, name -> meaning; the first is the default.
        platforms: where it runs; elsewhere it is refused.
        acts: what it does that only a cluster can; an account that may not is refused.
        publisher_points: those that strike our publishers, or need what they set or send again;
            refused where Debezium publishes in their place.
        why_not: asked of the environment before anything is done: what it lacks for this drill;
            None where it lacks nothing.
    """

    slug: str
    question: str
    expected: str
    blast_radius: str
    points: dict[str, str]
    scenario: Callable[[DrillContext], Scenario]
    platforms: tuple[str, ...] = NAMES
    acts: tuple[ClusterAct, ...] = ()
    publisher_points: frozenset[str] = frozenset()
    why_not: Callable[[Target], str | None] = fits_everywhere

    def why_not_on(self, environment: Environment, point: str | None = None) -> str | None:
        """Why it cannot be run on an environment, whatever state that is in; None where it can.

        Args:
            point: where it is to strike; None: its default.
        """
        if environment.target in self.platforms:
            return self._why_not_at(environment, point or next(iter(self.points)))
        return (
            f"{self.slug} runs on {', '.join(self.platforms)} alone, and environment"
            f" {environment.name!r} is on {environment.target}; nothing here can do what it does"
        )

    def _why_not_at(self, environment: Environment, point: str) -> str | None:
        if environment.captured and point in self.publisher_points:
            return (
                f"{self.slug} at {point} strikes outbox-publisher, or needs what it sets or sends"
                f" again, and in environment {environment.name!r} Debezium publishes in its place"
            )
        return None


def plan(drill: Drill, request: DrillRequest) -> list[tuple[str, str]]:
    """What running it would do, without doing any of it."""
    environment = request.environment
    refused = drill.why_not_on(environment, request.point)
    return [
        ("question", drill.question),
        ("expected", drill.expected),
        ("environment", f"{environment.name} ({environment.target}) at {environment.root}"),
        ("runs on", ", ".join(drill.platforms)),
        *([] if refused is None else [("refused here", refused)]),
        ("load", f"{request.rate_per_second:g} orders/s for {request.duration_seconds:g} s, ok"),
        ("fault", f"{request.point}: {drill.points[request.point]}"),
        ("blast radius", drill.blast_radius),
        ("undo", "promised on disk before the fault; `bookpayctl recover` after a kill"),
        ("proof", "without it the verdict is unknown, exit 3"),
        ("bound", f"every wait ends after {request.deadline_seconds:g} s"),
    ]
