"""Options of `audit` that only a mapping has: which file, which orders, and which key may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from bookpayctl.cli.durations import duration_of
from bookpayctl.cli.output import fail
from bookpayctl.report.exit_code import ExitCode

MappingOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Judge a stack that is not ours, as FILE describes it."),
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="With --mapping: orders from then on, a date or `72h` ago."),
]
UntilOption = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="With --mapping: orders from before; default: --age ago."),
]
SampleOption = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="With --mapping: so much of the orders, such as `10%`."),
]
LiveOption = Annotated[
    bool,
    typer.Option("--read-only-live", help="With --mapping: take a restricted live key, to read."),
]

RedactOption = Annotated[
    bool,
    typer.Option("--redact", help="With --mapping: keep ids of orders and clients as digests."),
]

WHOLE: Final = 100.0


@dataclass(frozen=True, slots=True)
class MappedOptions:
    """What was typed beside --mapping, parsed."""

    since: datetime | None
    until: datetime | None
    sample_percent: float | None
    read_only_live: bool
    redact: bool

    @property
    def are_given(self) -> bool:
        return self != MappedOptions(None, None, None, read_only_live=False, redact=False)


def mapped_options(
    since: str | None,
    until: str | None,
    sample: str | None,
    *,
    read_only_live: bool,
    redact: bool,
) -> MappedOptions:
    """The options as values; exit 2 where one makes no sense."""
    now = datetime.now(UTC)
    begins = None if since is None else _moment(since, "--since", now)
    ends = None if until is None else _moment(until, "--until", now)
    if begins is not None and begins >= (ends or now):
        fail(f"--since {since} leaves no time before its end", ExitCode.USAGE)
    share = None if sample is None else _share(sample)
    return MappedOptions(begins, ends, share, read_only_live, redact)


def _moment(text: str, option: str, now: datetime) -> datetime:
    """A date or time, UTC where it names no zone, or so long ago."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return now - timedelta(seconds=duration_of(text, option))
    at = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    if at > now:
        fail(f"{option} {text} has not come yet", ExitCode.USAGE)
    return at


def _share(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not text.endswith("%") or not 0 < percent <= WHOLE:
        fail(f"--sample {text!r} must be a share such as 10%", ExitCode.USAGE)
    return percent
