"""While the log is read nothing searches for garbage; afterwards all is as it was."""

from __future__ import annotations

import gc

import pytest

from bookpayctl.replay.reading import uncollected


def test_garbage_is_not_searched_for_while_records_are_read_and_is_again_afterwards() -> None:
    def reading() -> None:
        with uncollected():
            assert not gc.isenabled()
            raise ValueError("ends the reading")

    with pytest.raises(ValueError, match="ends the reading"):
        reading()

    assert gc.isenabled()


def test_who_had_turned_the_collector_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
