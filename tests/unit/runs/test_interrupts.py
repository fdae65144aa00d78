"""A signal ends what it came into, also where somebody on the way makes something else of it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from bookpayctl.runs.interrupts import Stopped, interruptible


def come(number: signal.Signals) -> None:
    signal.raise_signal(number)


def swallowed() -> None:
    try:
        come(signal.SIGTERM)
    except BaseException:  # noqa: BLE001 - as a library's C code does
        return


def made_an_error() -> None:
    try:
        come(signal.SIGTERM)
    except BaseException:  # noqa: BLE001 - as above
        raise RuntimeError("Query interrupted") from None


@pytest.mark.parametrize("met", [lambda: come(signal.SIGTERM), swallowed, made_an_error])
def test_whoever_asked_to_stop_is_heard(met: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(Stopped) as stopped, interruptible():
        met()

    assert stopped.value.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_first_of_two_counts() -> None:
    def twice() -> None:
        try:
            come(signal.SIGINT)
        finally:
            swallowed()

    with pytest.raises(Stopped) as stopped, interruptible():
        twice()

    assert stopped.value.number == signal.SIGINT


def test_without_a_signal_an_error_is_the_blocks_own() -> None:
    with pytest.raises(RuntimeError, match="of its own"), interruptible():
        raise RuntimeError("of its own")

    with interruptible():
        pass
