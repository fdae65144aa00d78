"""Profiles: how much of everything a certificate asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.certify.planning import CertificatePart, Need, Piece

CHECK_SECONDS: Final = 45.0
AUDIT_SECONDS: Final = 20.0
REPLAY_SECONDS: Final = 10.0
WEBHOOKS_SECONDS: Final = 45.0
"""Of it, half a minute for slow clients to be shown the door (W22)."""
DOCTOR_SECONDS: Final = 5.0
DRILL_SECONDS: Final = 35.0
"""Beside its load: steady state, recovery, rest and audit."""
REHEARSAL_SECONDS: Final = 75.0
STACK_SECONDS: Final = 30.0
"""For a stack apart to come up and go down."""
CONTROL_SECONDS: Final = 10.0
"""For a control that is made around a stack that is up already."""

CONTROLS_OF_CHECK: Final = ("check/around", "check/runtimes")


@dataclass(frozen=True, slots=True)
class OfferedDrill:
    """A drill that can be run on the stack: where it strikes, and how long its load usually is.

    Attributes:
        provoking: points at which a wrong runtime is known that this drill finds there.
    """

    slug: str
    points: tuple[str, ...]
    load_seconds: float
    provoking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedControls:
    """Red controls that are tried together.

    Attributes:
        name: `check/around`, `check/runtimes`, a command, or `drill/SLUG`.
        count: how many.
        stacks: how many of them have a wrong runtime, and so a stack of their own.
    """

    name: str
    count: int
    stacks: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be asked of a stack, where it is."""

    drills: tuple[OfferedDrill, ...]
    controls: tuple[OfferedControls, ...]
    rehearsals: tuple[str, ...]
    webhooks: bool = False
    """Whether cases can be sent to its receiver."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One size of certificate.

    Attributes:
        budget: usual, as `--budget` takes it.
        drills: slug -> point; None: every drill that the stack offers.
        every_point: further points of each drill, too.
        controls: names of what is tried together; None: all of it.
        rehearsals: slugs of runbooks; None: every one that can be caused.
        webhooks: whether the cases of `webhook forge` are sent.
    """

    name: str
    budget: str
    drills: Mapping[str, str] | None
    rehearsals: Sequence[str] | None
    controls: Sequence[str] | None
    every_point: bool = False
    webhooks: bool = False


PROFILES: Final = (
    Profile(
        "smoke",
        "20m",
        drills={"crash-mid-charge": "psp.response_before_persist", "outage": "kafka"},
        rehearsals=("outbox-publisher-not-leading",),
        controls=("check/around",),
    ),
    Profile(
        "nightly",
        "2h",
        drills=None,
        rehearsals=None,
        controls=CONTROLS_OF_CHECK,
        webhooks=True,
    ),
    Profile(
        "weekly",
        "8h",
        drills=None,
        rehearsals=None,
        controls=None,
        every_point=True,
        webhooks=True,
    ),
)
BY_NAME: Final = {profile.name: profile for profile in PROFILES}


def pieces_of(profile: Profile, offer: Offer) -> list[Piece]:
    """Everything that a profile asks of what there is."""
    return [
        Piece(CertificatePart.DOCTOR, "doctor", DOCTOR_SECONDS, Need.ALWAYS),
        Piece(CertificatePart.CHECK, "check", CHECK_SECONDS, Need.ALWAYS),
        *_webhooks(profile, offer),
        *_drills(profile, offer),
        *_rehearsals(profile, offer),
        *_controls(profile, offer),
        Piece(CertificatePart.AUDIT, "audit", AUDIT_SECONDS, Need.ALWAYS),
        Piece(CertificatePart.REPLAY, "replay", REPLAY_SECONDS, Need.ALWAYS),
    ]


def _webhooks(profile: Profile, offer: Offer) -> list[Piece]:
    if not (profile.webhooks and offer.webhooks):
        return []
    return [Piece(CertificatePart.WEBHOOKS, "webhooks", WEBHOOKS_SECONDS)]


def _drills(profile: Profile, offer: Offer) -> list[Piece]:
    """One point of each is required, and where a wrong runtime is known; the others are extra.

    A profile that names its drills names their points, too.
    """
    found = []
    for drill in offer.drills:
        if profile.drills is not None and drill.slug not in profile.drills:
            continue
        first = (profile.drills or {}).get(drill.slug, drill.points[0])
        named = profile.drills is not None
        required = {first} if named else {first, *drill.provoking}
        further = [] if named else [point for point in drill.points if point != first]
        seconds = drill.load_seconds + DRILL_SECONDS
        found += [
            Piece(
                CertificatePart.DRILLS,
                f"{drill.slug} --at {point}",
                seconds,
                Need.REQUIRED if point in required else Need.EXTRA,
            )
            for point in (first, *further)
            if point in required or profile.every_point
        ]
    return found


def _rehearsals(profile: Profile, offer: Offer) -> list[Piece]:
    """The first pays for the stack that all are caused on."""
    chosen = [
        slug
        for slug in offer.rehearsals
        if profile.rehearsals is None or slug in profile.rehearsals
    ]
    return [
        Piece(CertificatePart.REHEARSALS, slug, REHEARSAL_SECONDS + (0 if place else STACK_SECONDS))
        for place, slug in enumerate(chosen)
    ]


def _controls(profile: Profile, offer: Offer) -> list[Piece]:
    """Each needs a right stack beside the wrong ones; those of `check` are required."""
    return [
        Piece(
            CertificatePart.CONTROLS,
            group.name,
            STACK_SECONDS * (1 + group.stacks) + CONTROL_SECONDS * group.count,
            Need.REQUIRED if group.name in CONTROLS_OF_CHECK else Need.EXTRA,
        )
        for group in offer.controls
        if profile.controls is None or group.name in profile.controls
    ]
