"""When a delivery that failed is tried again. Pure.

Stripe publishes three days with exponential back-off for live mode and three tries over a few
hours for sandboxes, and no single interval; the intervals here are our choice.
"""

SCHEDULES: dict[str, tuple[float, ...]] = {
    # A receiver that was down for ten seconds hears of its events within a few more.
    "local": (1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600, 1800, 3600, 10800, 21600),
    "sandbox": (300, 3600, 10800),
    "live": (
        *(60, 300, 900, 1800, 3600, 7200, 14400, 28800),
        *(43200, 43200, 43200, 43200, 43200),
    ),
}


def next_attempt_after(schedule: tuple[float, ...], failed_attempts: int) -> float | None:
    """Seconds until the next try after so many failures; None when there is none."""
    if not 1 <= failed_attempts <= len(schedule):
        return None
    return schedule[failed_attempts - 1]
