"""`python -m bookpayctl.stripe_tap`: the tap in the foreground, as a supervisor runs it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from bookpayctl.stripe_tap.journal import Journal
from bookpayctl.stripe_tap.proxy import Proxy, Upstream, upstream_of

_USAGE_ERROR = 2
_GRACE_SECONDS = 8.0

logger = logging.getLogger("stripe_tap")


def main(arguments: list[str]) -> int:
    """Run until told to stop; returns the exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    parser = argparse.ArgumentParser(prog="python -m bookpayctl.stripe_tap", description=__doc__)
    parser.add_argument("--upstream", required=True, help="address of Stripe, its server alone")
    parser.add_argument("--journal", type=Path, required=True, help="file that is appended to")
    parser.add_argument("--port", type=int, default=0, help="0 is any free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    given = parser.parse_args(arguments)
    try:
        upstream = upstream_of(given.upstream)
        with Journal(given.journal, _now) as journal:
            asyncio.run(_serve(upstream, journal, given.host, given.port))
    except (OSError, ValueError) as error:
        print(f"stripe tap: {error}", file=sys.stderr)  # noqa: T201 - its only way to say so
        return _USAGE_ERROR
    return 0


async def _serve(upstream: Upstream, journal: Journal, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    proxy = Proxy(upstream, journal)
    bound = await proxy.listen(host, port)
    logger.info("stripe tap listens on http://%s:%s, before %s", host, bound, upstream.authority)
    keeping = asyncio.create_task(journal.keep_on_disk())
    await stop.wait()
    await proxy.close(grace_seconds=_GRACE_SECONDS)
    keeping.cancel()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
