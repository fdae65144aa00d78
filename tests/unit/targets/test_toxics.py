"""What each toxic does to real connections, measured at both ends; and each ends by itself."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator

import pytest

from bookpayctl.targets.container.lane import UNDER_WAY_BYTES_MAX, Lane, is_struck
from bookpayctl.targets.toxic import Direction, Toxic, Toxicity
from tests.support.proxied_shop import Shop, is_silent, says
from tests.support.waiting import eventually, holds_for

LONG = 60.0
SILENT_SECONDS = 0.4


@pytest.fixture
def shop() -> Iterator[Shop]:
    found = Shop()
    yield found
    found.gate.change(Toxic(Toxicity.RESET, LONG))
    found.close()


def seconds_of(conn: socket.socket, text: bytes) -> float:
    """How long it takes until all of it was said back."""
    began = time.monotonic()
    conn.sendall(text)
    left = len(text)
    while left:
        left -= len(conn.recv(65_536))
    return time.monotonic() - began


def heard_until_reset(conn: socket.socket) -> bytes:
    heard = b""
    try:
        while data := conn.recv(4096):
            heard += data
    except ConnectionResetError:
        return heard
    raise AssertionError(f"it ended without a reset, after {heard!r}")


def test_latency_comes_on_top_in_each_direction_and_on_old_and_new_connections(shop: Shop) -> None:
    with shop.visit() as old:
        says(old, b"before")
        shop.gate.change(Toxic(Toxicity.LATENCY, LONG, delay_ms=150))

        with shop.visit() as new:
            assert seconds_of(old, b"late") >= 0.3
            assert seconds_of(new, b"late") >= 0.3


def test_latency_in_one_direction_comes_once(shop: Shop) -> None:
    one_way = Toxic(Toxicity.LATENCY, LONG, delay_ms=200, direction=Direction.TO_CALLER)
    shop.gate.change(one_way)

    with shop.visit() as conn:
        assert seconds_of(conn, b"late") >= 0.2
        conn.sendall(b"heard at once")
        eventually(lambda: shop.gate.counts.to_service_bytes == 17, "it went there")
        conn.recv(65_536)


def test_what_is_late_is_not_slow(shop: Shop) -> None:
    """A megabyte under way at once: the delay comes once, not for each chunk."""
    shop.gate.change(Toxic(Toxicity.LATENCY, LONG, delay_ms=100, direction=Direction.TO_SERVICE))

    lane = Lane(Direction.TO_SERVICE, random.Random(0))
    lane.turn(Toxic(Toxicity.LATENCY, LONG, delay_ms=100), now=0.0)
    while room := lane.room_bytes():
        lane.take(b"x" * room, now=0.0)

    assert lane.due(0.099) == []
    assert sum(map(len, lane.due(0.1))) == UNDER_WAY_BYTES_MAX


def test_jitter_never_changes_the_order() -> None:
    lane = Lane(Direction.TO_SERVICE, random.Random(7))
    lane.turn(Toxic(Toxicity.LATENCY, LONG, delay_ms=50, jitter_ms=50), now=0.0)

    for number in range(100):
        lane.take(bytes([number]), now=number / 1000)

    assert b"".join(lane.due(10.0)) == bytes(range(100))


def test_a_narrow_link_passes_so_many_bytes_a_second(shop: Shop) -> None:
    narrow = Toxic(Toxicity.BANDWIDTH, LONG, bytes_per_second=2_000, direction=Direction.TO_CALLER)
    shop.gate.change(narrow)

    with shop.visit() as conn:
        seconds = seconds_of(conn, b"x" * 1_000)

    assert seconds >= 0.4
    eventually(lambda: shop.gate.counts.to_caller_bytes == 1_000, "all of it was counted")


def test_a_narrow_link_holds_no_more_than_a_tenth_of_a_second() -> None:
    """What it does not take stays with its sender, who so learns that the link is slow."""
    lane = Lane(Direction.TO_SERVICE, random.Random(0))
    lane.turn(Toxic(Toxicity.BANDWIDTH, LONG, bytes_per_second=1_000), now=0.0)
    assert lane.room_bytes() == 100

    lane.take(b"x" * 100, now=0.0)

    assert lane.room_bytes() == 0
    assert (lane.due(0.099), lane.next_due()) == ([], 0.1)


def test_a_slicer_sends_pieces_with_a_pause_between_two(shop: Shop) -> None:
    slices = Toxic(Toxicity.SLICER, LONG, slice_bytes=1, delay_ms=10, direction=Direction.TO_CALLER)
    shop.gate.change(slices)

    with shop.visit() as conn:
        conn.sendall(b"a" * 30)
        began = time.monotonic()
        sizes: list[int] = []
        while sum(sizes) < 30:
            sizes.append(len(conn.recv(65_536)))

    assert time.monotonic() - began >= 0.25
    assert len(sizes) > 10


def test_in_a_black_hole_nobody_hears_a_word_and_what_was_said_is_lost(shop: Shop) -> None:
    with shop.visit() as old:
        says(old, b"before")
        shop.gate.change(Toxic(Toxicity.BLACK_HOLE, LONG))
        with shop.visit() as new:
            old.sendall(b"lost")
            new.sendall(b"lost, too")
            eventually(lambda: shop.gate.counts.lost_bytes == 13, "all was taken")
            holds_for(lambda: is_silent(old) and is_silent(new), "silence", SILENT_SECONDS)

            shop.gate.change(None)

            # A stream with a hole goes on for nobody.
            for conn in (old, new):
                with pytest.raises(ConnectionResetError):
                    conn.recv(1)
    with shop.visit() as later:
        assert says(later, b"hello") == b"hello"


def test_one_way_what_is_said_arrives_and_no_answer_comes(shop: Shop) -> None:
    one_way = Toxic(Toxicity.BLACK_HOLE, LONG, direction=Direction.TO_CALLER)
    with shop.visit() as conn:
        says(conn, b"before")
        shop.gate.change(one_way)
        conn.sendall(b"heard")

        eventually(lambda: shop.gate.counts.to_service_bytes == 11, "it arrived")
        eventually(lambda: shop.gate.counts.lost_bytes == 5, "the answer was lost")
        assert is_silent(conn)
        assert shop.gate.counts.to_caller_bytes == 6


def test_half_open_connections_stay_mute_and_new_ones_are_served(shop: Shop) -> None:
    with shop.visit() as old:
        says(old, b"before")
        shop.gate.change(Toxic(Toxicity.HALF_OPEN, LONG))
        old.sendall(b"anybody?")

        with shop.visit() as new:
            assert says(new, b"hello") == b"hello"
        eventually(lambda: shop.gate.counts.lost_bytes == 8, "it was taken")
        holds_for(lambda: is_silent(old), "silence", SILENT_SECONDS)
        shop.gate.change(None)

        with pytest.raises(ConnectionResetError):
            old.recv(1)


def test_a_reset_comes_after_so_many_bytes(shop: Shop) -> None:
    cut = Toxic(Toxicity.RESET, LONG, after_bytes=10, direction=Direction.TO_CALLER)
    shop.gate.change(cut)

    with shop.visit() as conn:
        conn.sendall(b"x" * 100)
        heard = heard_until_reset(conn)

    # What arrives before a reset may be thrown away with it; more than that never comes.
    assert len(heard) <= 10
    assert shop.gate.counts.to_caller_bytes == 10


@pytest.mark.parametrize("kind", [Toxicity.HOLD, Toxicity.BLACK_HOLE, Toxicity.RESET])
def test_a_toxic_ends_by_itself_when_nobody_ends_it(shop: Shop, kind: Toxicity) -> None:
    shop.gate.change(Toxic(kind, 0.3))
    began = time.monotonic()

    eventually(lambda: shop.gate.state()["toxic"] is None, "its time is over")
    with shop.visit() as conn:
        assert says(conn, b"hello") == b"hello"

    assert time.monotonic() - began >= 0.2


def test_a_share_is_chosen_by_its_seed() -> None:
    half = Toxic(Toxicity.HOLD, LONG, share=0.5, seed=3)

    struck = [number for number in range(1000) if is_struck(half, number)]

    assert 400 < len(struck) < 600
    assert struck == [number for number in range(1000) if is_struck(half, number)]
    other = Toxic(Toxicity.HOLD, LONG, share=0.5, seed=4)
    assert struck != [number for number in range(1000) if is_struck(other, number)]


def test_connections_outside_the_share_are_served(shop: Shop) -> None:
    half = Toxic(Toxicity.BLACK_HOLE, LONG, share=0.5, seed=1)
    chosen = {number: is_struck(half, number) for number in range(1, 9)}
    shop.gate.change(half)

    visits = {number: shop.visit() for number in chosen}
    for conn in visits.values():
        conn.sendall(b"hello")

    eventually(lambda: shop.gate.counts.struck == sum(chosen.values()), "its share was struck")
    for number, conn in visits.items():
        with conn:
            assert chosen[number] or conn.recv(5) == b"hello"
    assert {True, False} == set(chosen.values())
