"""A live replay is refused where the payments ledger does not know orders that the log has."""

from __future__ import annotations

from bookpayctl.replay.ledger_cover import LedgerCover, PlacedRecord, cover_of

WHERE = ("orders.placed", 0)
OTHER = ("orders.placed", 1)
LOG = [PlacedRecord(*WHERE, offset, (f"e-{offset}", f"ord_{offset}")) for offset in range(4)]


def cover(
    *known: str,
    set_aside: frozenset[tuple[str, int, int]] = frozenset(),
    committed: dict[tuple[str, int], int | None] | None = None,
) -> LedgerCover:
    return cover_of(
        LOG,
        known=frozenset(known),
        set_aside=set_aside,
        committed={WHERE: 4} if committed is None else committed,
    )


def test_a_ledger_that_knows_every_order_covers_the_range() -> None:
    found = cover("e-0", "e-1", "ord_2", "e-3")

    assert (found.records, found.gaps, found.problem()) == (4, 0, None)


def test_an_order_that_nobody_knows_is_a_gap_and_is_named() -> None:
    found = cover("e-0", "e-1", "e-3")

    assert found.problem() == (
        "the payments ledger does not cover the range: 1 of 4 records in orders.placed are of"
        " orders without a payment and would charge them, such as orders.placed/0/2"
    )


def test_a_record_that_was_set_aside_is_no_gap() -> None:
    assert cover("e-0", "e-1", "e-3", set_aside=frozenset({(*WHERE, 2)})).problem() is None


def test_a_record_that_the_worker_has_not_come_to_is_no_gap() -> None:
    found = cover("e-0", "e-1", committed={WHERE: 2})

    assert (found.waiting, found.problem()) == (2, None)


def test_a_partition_without_an_offset_waits_as_long_as_another_has_one() -> None:
    assert cover("e-0", committed={WHERE: None, OTHER: 5}).problem() is None


def test_a_group_that_has_lost_every_offset_excuses_nothing() -> None:
    found = cover("e-0", committed={WHERE: None, OTHER: None})

    assert (found.waiting, found.gaps) == (0, 3)
