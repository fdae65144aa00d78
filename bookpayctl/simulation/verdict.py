"""What one seed came to: what is wrong at its end, and what was rare on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bookpayctl.simulation.checker import Finding, check
from bookpayctl.simulation.decisions import RIGHT, Decisions
from bookpayctl.simulation.ledgers import Ledgers, ledgers_of
from bookpayctl.simulation.scenario import Ended, play
from bookpayctl.simulation.store import StepRow

ORDERS: Final = 200

OWN: Final[Mapping[str, tuple[str, str]]] = {
    "S01": ("no service breaks", "nothing is raised that nobody expects"),
    "S02": ("everything comes to rest", "after the heal nothing waits for ever"),
    "S03": ("results are written under their lease", "a result's token is the row's"),
    "S04": ("a lease is taken when it is over", "by the clock of the environment"),
    "S05": ("a success that is heard is heeded", "whoever hears of it first"),
}
"""Invariants that only a simulation can ask: title and requirement."""

SOMETIMES: Final = (
    "a charge that was looked up",
    "a charge that was not there",
    "a client that heard nothing",
    "a commit that was not done",
    "a commit whose answer was lost",
    "a crash",
    "a day that passed",
    "a fenced result",
    "a freeze",
    "a key in flight",
    "a key of ours that Stripe refused",
    "a key too old to be posted",
    "a leader whose lock was gone",
    "a lease that ran out",
    "a parked webhook",
    "a quarantined webhook",
    "a rebalance",
    "a record that the broker did not take",
    "a record whose acknowledgement was lost",
    "a refund that was asked for again",
    "a refund that was looked up",
    "a refund whose sender died",
    "a replayed key",
    "a replayed order",
    "a request that was lost",
    "a saved 500",
    "a tombstone",
    "a webhook duplicate",
    "a webhook that never came",
    "a webhook that won the race",
    "an attempt too late to be sent",
    "an event told again",
    "an executed call whose answer was lost",
    "an inbox duplicate",
    "an open PaymentIntent that was canceled",
    "an order that was taken in too late to be charged blindly",
    "an orphaned lease",
    "offsets that were refused",
    "out of stock",
    "records that were never read",
)
"""What a run must have seen at least once; one that never met these proves nothing about them."""


@dataclass(frozen=True, slots=True)
class SeedVerdict:
    """One seed.

    Attributes:
        findings: by invariant; empty when all hold.
        counts: how often rare things happened.
        digest: of the whole history; equal for equal seeds and code.
    """

    seed: int
    findings: Mapping[str, tuple[Finding, ...]]
    counts: Mapping[str, int]
    digest: str


def try_seed(
    seed: int, orders: int = ORDERS, decisions: Decisions = RIGHT
) -> tuple[SeedVerdict, Ended, Ledgers]:
    """Play a seed and check its end; the ledgers are for whoever wants to judge them again."""
    ended = play(seed, orders, decisions)
    ledgers = ledgers_of(ended.world)
    findings = {**check(ledgers), **_own(ended)}
    verdict = SeedVerdict(
        seed,
        {invariant: tuple(found) for invariant, found in sorted(findings.items())},
        dict(ended.counts),
        digest_of(ended),
    )
    return verdict, ended, ledgers


def digest_of(ended: Ended) -> str:
    """Of every note in its order, with its time to the last bit."""
    return sha256(repr(ended.world.history).encode()).hexdigest()


def _own(ended: Ended) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    if ended.broken is not None:
        found["S01"] = [("", " ".join(ended.broken.split()))]
    elif not ended.drained:
        found["S02"] = [("", f"not at rest at {ended.world.now:.0f} s")]
    for invariant, subject, what in ended.world.alarms:
        found.setdefault(invariant, []).append((subject, what))
    unfenced = list(_unfenced(ended.world.store.payment_steps))
    if unfenced:
        found["S03"] = unfenced
    return found


def _unfenced(steps: Iterable[StepRow]) -> Iterable[Finding]:
    """Results that came to the machine under another lease than the row's."""
    holders: dict[str, int | None] = {}
    for step in steps:
        holder = holders.get(step.subject)
        if step.kind != "refused" and step.after == "charging" and step.token is not None:
            holders[step.subject] = step.token
            continue
        # A success that goes back at once has two lines; the first one ends the attempt.
        ends = step.kind == "refused" or step.before == "charging"
        if ends and step.token is not None and step.token != holder:
            yield step.subject, f"written under lease {step.token}, the row's is {holder}"
        if step.after != "charging":
            holders[step.subject] = None


def trace(ended: Ended, subject: str) -> list[str]:
    """What happened to an order, by its id or its root event's; with what struck everybody."""
    root = subject.removeprefix("ord_")
    return [
        f"{at:10.3f} s  {who:26} {what}"
        for at, who, order_id, what in ended.world.history
        if order_id == f"ord_{root}" or root in what or not order_id
    ]
