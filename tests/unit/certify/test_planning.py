"""In which order a certificate asks, and what its budget leaves out."""

from __future__ import annotations

from bookpayctl.certify.planning import (
    CertificatePart,
    Need,
    Piece,
    fits,
    in_order,
    note_of,
    plan,
)
from bookpayctl.certify.profiles import (
    BY_NAME,
    Offer,
    OfferedControls,
    OfferedDrill,
    pieces_of,
)

CHECK = Piece(CertificatePart.CHECK, "check", 10, Need.ALWAYS)
DRILL = Piece(CertificatePart.DRILLS, "outage --at kafka", 30)
SECOND = Piece(CertificatePart.DRILLS, "outage --at postgres", 30, Need.EXTRA)
AUDIT = Piece(CertificatePart.AUDIT, "audit", 20, Need.ALWAYS)
ALL = (AUDIT, SECOND, DRILL, CHECK)

OFFER = Offer(
    drills=(
        OfferedDrill("crash-mid-charge", ("psp.response_before_persist", "charge.before_psp"), 10),
        OfferedDrill("outage", ("kafka", "postgres"), 16),
        OfferedDrill("kill-storm", ("everybody",), 60),
    ),
    controls=(OfferedControls("check/around", 8, 0), OfferedControls("drill/outage", 1, 1)),
    rehearsals=("dead-letters", "outbox-publisher-not-leading"),
)


def names(pieces: tuple[Piece, ...]) -> list[str]:
    return [piece.name for piece in pieces]


def test_it_looks_before_it_disturbs_and_judges_last() -> None:
    assert names(tuple(in_order(ALL))) == [
        "check",
        "outage --at kafka",
        "outage --at postgres",
        "audit",
    ]


def test_with_time_enough_nothing_is_left_out() -> None:
    planned = plan(ALL, budget_seconds=90)

    assert planned.left_out == ()
    assert planned.seconds == 90


def test_what_is_extra_gives_way_first() -> None:
    assert names(plan(ALL, budget_seconds=89).left_out) == ["outage --at postgres"]


def test_the_judgement_at_the_end_keeps_its_time() -> None:
    planned = plan(ALL, budget_seconds=59)

    assert names(planned.left_out) == ["outage --at kafka", "outage --at postgres"]
    assert AUDIT in planned.asked


def test_a_budget_for_nothing_leaves_out_everything() -> None:
    assert plan(ALL, budget_seconds=5).asked == ()


def test_a_piece_begins_only_where_the_time_of_what_is_needed_more_is_left() -> None:
    assert fits(SECOND, (AUDIT,), 50)
    assert not fits(SECOND, (AUDIT,), 49)
    assert fits(AUDIT, (), 20)


def test_a_certificate_that_lacks_what_is_required_begins_with_saying_so() -> None:
    note = note_of((DRILL, SECOND), 2, 59)

    assert note is not None
    assert note.startswith("NOT CERTIFIED: the budget of 59 s left out 2 of 4 pieces, 1 of them")
    assert "outage --at kafka" in note


def test_what_was_extra_is_named_and_counted_too() -> None:
    note = note_of((SECOND,), 3, 89)

    assert note is not None
    assert note.startswith("the budget of 89 s left out 1 of 4 pieces, none of them required")
    assert note_of((), 4, 90) is None


def test_every_profile_asks_the_questions_and_judges_at_the_end() -> None:
    for profile in BY_NAME.values():
        always = [p.part for p in pieces_of(profile, OFFER) if p.need is Need.ALWAYS]

        assert always == [
            CertificatePart.DOCTOR,
            CertificatePart.CHECK,
            CertificatePart.AUDIT,
            CertificatePart.REPLAY,
        ]


def test_a_smoke_test_fits_into_its_budget() -> None:
    planned = plan(pieces_of(BY_NAME["smoke"], OFFER), budget_seconds=20 * 60)

    assert planned.left_out == ()
    assert names(planned.asked) == [
        "doctor",
        "check",
        "crash-mid-charge --at psp.response_before_persist",
        "outage --at kafka",
        "outbox-publisher-not-leading",
        "check/around",
        "audit",
        "replay",
    ]


def test_where_a_wrong_runtime_is_known_a_point_is_required_unless_the_profile_names_its_own() -> (
    None
):
    points = ("kafka", "postgres", "payments-gateway")
    drill = OfferedDrill("outage", points, 16, provoking=("postgres",))
    offer = Offer(drills=(drill,), controls=(), rehearsals=(), webhooks=True)

    def needs(profile: str) -> dict[str, Need]:
        pieces = pieces_of(BY_NAME[profile], offer)
        return {p.name: p.need for p in pieces if p.part is CertificatePart.DRILLS}

    assert needs("smoke") == {"outage --at kafka": Need.REQUIRED}
    assert needs("nightly") == {
        "outage --at kafka": Need.REQUIRED,
        "outage --at postgres": Need.REQUIRED,
    }
    assert needs("weekly") == {
        **needs("nightly"),
        "outage --at payments-gateway": Need.EXTRA,
    }


def test_hostile_webhooks_are_sent_by_nightly_and_weekly_where_they_can_be() -> None:
    offer = Offer(drills=(), controls=(), rehearsals=(), webhooks=True)
    sent = {
        name: any(p.part is CertificatePart.WEBHOOKS for p in pieces_of(profile, offer))
        for name, profile in BY_NAME.items()
    }

    assert sent == {"smoke": False, "nightly": True, "weekly": True}
    assert not any(p.part is CertificatePart.WEBHOOKS for p in pieces_of(BY_NAME["weekly"], OFFER))


def test_nightly_takes_one_point_of_every_drill_and_weekly_the_others_as_extra() -> None:
    nightly = {piece.id for piece in pieces_of(BY_NAME["nightly"], OFFER)}
    weekly = {piece.id: piece.need for piece in pieces_of(BY_NAME["weekly"], OFFER)}

    assert "certify/drills/outage/at-kafka" in nightly
    assert "certify/drills/outage/at-postgres" not in nightly
    assert weekly["certify/drills/outage/at-kafka"] is Need.REQUIRED
    assert weekly["certify/drills/outage/at-postgres"] is Need.EXTRA
    assert weekly["certify/controls/drill/outage"] is Need.EXTRA
