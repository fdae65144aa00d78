"""Lists of Stripe, read side by side by ranges of creation times: each object once, whatever comes.

The account here is a list in memory that answers pages as Stripe documents it.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookpayctl.clients.stripe_api import Collection, ListPage, StripeBusyError, StripeReadError
from bookpayctl.judge.ledgers.store import opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.stripe import OUR_METADATA, read_lists
from bookpayctl.judge.readers.stripe_lists import read_side_by_side, wait_seconds
from bookpayctl.judge.readers.stripe_ranges import CreatedRange, cut, rest_of

NOW = 1_795_000_000
PAGE = 5


class Account:
    """Lists of objects; `grows` makes one more behind each answer, as a shop that goes on."""

    def __init__(self, moments: Iterable[int], *, grows: bool = False) -> None:
        self._lock = threading.Lock()
        self._grows = grows
        self._made: list[dict[str, Any]] = []
        for moment in sorted(moments):
            self._make(moment)
        self.asked: list[tuple[int | None, int | None, str | None]] = []
        self.refusing: list[Exception] = []

    @property
    def ids(self) -> set[str]:
        return {one["id"] for one in self._made}

    def page(
        self, collection: Collection, *, begin: int | None, end: int | None, after: str | None
    ) -> ListPage:
        """One answer, as `GET /v1/charges?created[gte]=&created[lt]=&starting_after=`."""
        with self._lock:
            self.asked.append((begin, end, after))
            if self.refusing:
                raise self.refusing.pop()
            found = [
                one
                for one in reversed(self._made)
                if (begin or 0) <= one["created"] and (end is None or one["created"] < end)
            ]
            if after is not None:
                number = int(after.removeprefix("ch_"))
                found = [one for one in found if one["number"] < number]
            if self._grows:
                self._make(max(NOW, self._made[-1]["created"]))
            return ListPage(found[:PAGE], len(found) > PAGE)

    def _make(self, moment: int) -> None:
        number = len(self._made)
        self._made.append({"id": f"ch_{number}", "number": number, "created": moment})


def read(account: Account, told: list[str] | None = None, **options: Any) -> Counter[str]:
    """How often each object was read."""
    seen: Counter[str] = Counter()

    def take(_collection: Collection, objects: Sequence[dict[str, Any]]) -> None:
        seen.update(one["id"] for one in objects)

    observe = (lambda _text: None) if told is None else told.append
    read_side_by_side(account.page, ("charges",), take, observe, **options)
    return seen


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(
        st.one_of(st.integers(1, 50), st.integers(NOW - 100, NOW), st.integers(1, NOW)),
        max_size=120,
    )
)
def test_each_object_is_read_once_however_they_lie_in_time(moments: list[int]) -> None:
    account = Account(moments)

    assert read(account) == Counter(account.ids)


def test_ranges_that_touch_neither_share_an_object_nor_leave_one_out() -> None:
    account = Account(second for second in range(NOW - 60, NOW) for _ in range(7))

    seen = read(account)

    assert seen == Counter(account.ids)
    ends = {end for begin, end, _ in account.asked if end is not None}
    assert ends, "the list was not cut, so no border was examined"


def test_what_is_made_while_it_is_read_appears_once_at_most_and_moves_nothing() -> None:
    account = Account(range(NOW - 300, NOW), grows=True)
    before = set(account.ids)

    seen = read(account)

    assert before <= set(seen)
    assert max(seen.values()) == 1
    assert len(account.ids) > len(before)


def test_a_range_without_an_end_is_asked_for_before_any_other() -> None:
    account = Account(range(NOW - 300, NOW), grows=True)

    read(account)

    assert account.asked[0] == (None, None, None)
    newest = max(end for _, end, _ in account.asked if end is not None)
    assert newest <= NOW - PAGE


def test_only_what_is_not_older_is_read_where_that_is_asked() -> None:
    account = Account(range(NOW - 300, NOW))

    assert len(read(account, since=NOW - 40)) == 40


def test_a_refused_page_is_asked_for_again_behind_the_same_object_and_told() -> None:
    account = Account(range(NOW - 100, NOW))
    account.refusing = [StripeBusyError("GET /v1/charges: 429 slow down")] * 2
    told: list[str] = []

    seen = read(account, told)

    assert seen == Counter(account.ids)
    assert account.asked[:3] == [(None, None, None)] * 3
    assert told == [
        "Stripe: read 100 charges; it refused 2 pages, last GET /v1/charges: 429 slow down"
    ]


def test_what_stripe_says_of_waiting_is_the_least_that_is_waited() -> None:
    rng = random.Random(1)

    assert all(wait_seconds(1, 7.0, rng) == 7.0 for _ in range(20))
    assert 0.25 <= wait_seconds(1, None, rng) <= 0.5
    assert 4.0 <= wait_seconds(2_000, None, rng) <= 8.0


@pytest.mark.parametrize(
    "refusal",
    [
        StripeBusyError("GET /v1/charges: 429 slow down", 61.0),
        StripeBusyError("GET /v1/charges: 503 not now", 3_600.0),
        StripeBusyError("GET /v1/charges: connection refused", 11.0, is_away=True),
    ],
    ids=["refuses", "fails", "is away"],
)
def test_an_account_that_answers_nothing_is_given_up_and_not_asked_sooner_than_it_allows(
    refusal: StripeBusyError,
) -> None:
    account = Account(range(NOW - 100, NOW))
    account.refusing = [refusal] * 9

    with pytest.raises(StripeReadError, match=rf"{refusal}; refused 1 times, and no page came"):
        read(account)

    assert len(account.asked) == 1


def test_a_page_that_asking_again_would_not_bring_ends_the_reading() -> None:
    account = Account(range(NOW - 100, NOW))
    account.refusing = [StripeReadError("GET /v1/charges: 403 the key may not")]

    with pytest.raises(StripeReadError, match="403 the key may not"):
        read(account)


def test_a_server_that_does_not_keep_to_ranges_is_not_believed() -> None:
    account = Account(range(NOW - 100, NOW))

    def all_of_it(
        collection: Collection, *, begin: int | None, end: int | None, after: str | None
    ) -> ListPage:
        return account.page(collection, begin=None, end=None, after=None)

    with pytest.raises(StripeReadError, match="was not made in the range"):
        read_side_by_side(
            all_of_it, ("charges",), lambda _name, _found: None, print, since=NOW - 50
        )


def test_a_second_is_not_cut_and_a_dense_list_is_cut_near_its_page() -> None:
    page = [{"id": "ch_2", "created": NOW}, {"id": "ch_1", "created": NOW - 10}]
    rest = rest_of(CreatedRange(), page)

    assert cut(rest, page) == (
        CreatedRange(NOW - 90, None, "ch_1"),
        CreatedRange(None, NOW - 90),
    )
    assert cut(CreatedRange(NOW - 10, None, "ch_1"), page) is None
    assert cut(rest, [{"id": "ch_1", "created": None}]) is None


def test_one_list_that_the_key_may_not_read_leaves_no_table_of_any(tmp_path: Path) -> None:
    def page(collection: Collection, **_bounds: Any) -> ListPage:
        if collection == "disputes":
            raise StripeReadError("GET /v1/disputes: 403 the key may not")
        return ListPage([], has_more=False)

    with opened() as connection, pytest.raises(StripeReadError, match="/v1/disputes: 403"):
        read_lists(page, LedgerWriter(connection, tmp_path), OUR_METADATA, print)

    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".parquet"] == []
