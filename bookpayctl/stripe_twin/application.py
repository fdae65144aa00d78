"""Puts the twin together and runs it: two listeners, three loops, one ledger."""

import asyncio
import gc
import logging
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from bookpayctl.stripe_twin.api.latency import Latency
from bookpayctl.stripe_twin.api.pipeline import Pipeline
from bookpayctl.stripe_twin.api.probe import with_probes
from bookpayctl.stripe_twin.api.webhook_endpoints import new_endpoint
from bookpayctl.stripe_twin.clock import VirtualClock
from bookpayctl.stripe_twin.control.actions import Actions
from bookpayctl.stripe_twin.control.routes import Control
from bookpayctl.stripe_twin.faults.book import FaultBook
from bookpayctl.stripe_twin.idempotency import IdempotencyKeys
from bookpayctl.stripe_twin.ids import IdGenerator
from bookpayctl.stripe_twin.ledger.accounts import Accounts
from bookpayctl.stripe_twin.ledger.balances import Balances
from bookpayctl.stripe_twin.ledger.endpoints import Endpoints, active_secrets
from bookpayctl.stripe_twin.ledger.search_index import SearchIndex
from bookpayctl.stripe_twin.ledger.store import Ledger
from bookpayctl.stripe_twin.ledger.work import Origin, TwinContext, Work
from bookpayctl.stripe_twin.resources.account_objects import WebhookEndpoint, WebhookSecret
from bookpayctl.stripe_twin.resources.kinds import WEBHOOK_ENDPOINT
from bookpayctl.stripe_twin.settings import Settings, read_secrets
from bookpayctl.stripe_twin.timers import Timers
from bookpayctl.stripe_twin.webhooks.dispatcher import Dispatcher
from bookpayctl.stripe_twin.webhooks.schedule import SCHEDULES
from bookpayctl.stripe_twin.wire.message import TransmissionOutcome
from bookpayctl.stripe_twin.wire.server import Server

_SHUTDOWN_GRACE_SECONDS = 5.0
# A file of one or two lines; whoever rolls a secret waits longer than this anyway.
_SECRETS_READ_EVERY_SECONDS = 0.5

# Marks the endpoint of --endpoint, so that the next start knows it again under another URL.
_CONFIGURED = "the endpoint the twin was started with"
# The committing thread needs the interpreter for an instant after each fsync; the default of 5 ms
# would be most of the latency of an answer under load.
_SWITCH_INTERVAL_SECONDS = 0.0005
# A charge makes a few hundred short-lived objects; at the default of 700 the collector would run
# several times for each of them.
_COLLECT_AFTER_ALLOCATIONS = 20_000
log = logging.getLogger("stripe_twin")


class StripeTwin:
    """A running twin; `url` and `control_url` say where."""

    def __init__(
        self, settings: Settings, *, wall: Callable[[], float], rng: random.Random
    ) -> None:
        """Open the ledger and wire the parts.

        Raises:
            LedgerBusyError: another twin uses the data directory.
            ValueError: there is no such retry schedule.
        """
        self.failed: BaseException | None = None
        self.stopped = asyncio.Event()
        self._settings = settings
        if settings.schedule not in SCHEDULES:
            raise ValueError(f"no schedule {settings.schedule!r}; known: {', '.join(SCHEDULES)}")
        # First, because it takes the lock: a second twin on this directory ends here, before it has
        # changed anything.
        self.ledger = Ledger(settings.data, on_failure=self._fail)
        self.clock = VirtualClock(wall, _stored_offset(self.ledger))
        ids = IdGenerator(rng, wall)
        self.context = _context_of(settings, self.ledger, self.clock, ids)
        self.endpoints = self.context.endpoints
        keys = IdempotencyKeys(self.ledger)
        faults = FaultBook(self.ledger, self.clock, ids)
        self.dispatcher = Dispatcher(
            self.ledger,
            self.clock,
            ids,
            self.endpoints,
            faults,
            schedule=SCHEDULES[settings.schedule],
            timeout_seconds=settings.webhook_timeout_seconds,
        )
        self.timers = Timers(self.context, keys, self.dispatcher)
        self.pipeline = Pipeline(
            self.context,
            keys,
            faults,
            rng=rng,
            latency=Latency(settings.latency_milliseconds),
            accept=self.timers.accept,
        )
        actions = Actions(self.context, faults, self.pipeline, self.timers, self.dispatcher)
        self.control = Control(self.ledger, actions)
        self._api = Server(
            with_probes(self.ledger, self.pipeline.handle), self.pipeline.note_outcome
        )
        self._control = Server(self.control.handle, _nothing_to_note)
        self._loops: list[asyncio.Task[None]] = []
        self.url = ""
        self.control_url = ""

    async def start(self) -> None:
        """Make the endpoint of the settings, listen, and let time act."""
        # Before the first request can come: whatever it does is owed to this endpoint.
        self._ensure_endpoint()
        await self.ledger.durable()
        given = self._settings
        port = await self._api.listen(given.host, given.port)
        self.url = f"http://{_url_host(given.host)}:{port}"
        control_port = await self._control.listen(given.control_host, given.control_port)
        self.control_url = f"http://{_url_host(given.control_host)}:{control_port}"
        loops = [
            self.dispatcher.run(),
            self.timers.run(),
            self.timers.prune(),
            self.timers.index(),
        ]
        if self._settings.secret_file is not None:
            loops.append(self._follow_secrets(self._settings.secret_file))
        for loop in loops:
            task = asyncio.get_running_loop().create_task(loop)
            task.add_done_callback(self._loop_ended)
            self._loops.append(task)

    def signing_secrets(self) -> list[str]:
        """What the configured endpoint's deliveries are signed with, newest first."""
        return [
            secret
            for endpoint in self.endpoints.all()
            if endpoint["url"] == self._settings.endpoint
            for secret in active_secrets(endpoint, self.clock.now())
        ]

    async def stop(self) -> None:
        """Let requests under way end, write what is left, let go of the ledger."""
        # Listeners first, then what they feed: the other way round a last request would find no
        # dispatcher.
        await self._api.close(grace_seconds=_SHUTDOWN_GRACE_SECONDS)
        await self._control.close(grace_seconds=_SHUTDOWN_GRACE_SECONDS)
        for task in self._loops:
            task.cancel()
        await asyncio.wait(self._loops)
        await self.dispatcher.close()
        self.control.close()
        self.context.search.close()
        # A ledger that has failed cannot write what is left, and the kernel gives up the lock by
        # itself.
        if self.failed is None:
            await self.ledger.close()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        # The loops have no end of their own. A twin that answers and no longer delivers would be
        # worse than none.
        if not task.cancelled():
            self._fail(task.exception() or RuntimeError("a loop of the twin ended"))

    def _fail(self, error: BaseException) -> None:
        """Nothing may be answered any more: memory is ahead of the ledger."""
        self.failed = error
        log.error("the twin stops: %s", error)
        self.stopped.set()

    async def _follow_secrets(self, path: Path) -> None:
        """Sign with what the file says, from soon after it changes; a bad file changes nothing.

        Secrets roll this way as they do at Stripe: the new one in the first line and the old one
        below it until every receiver knows the new one.
        """
        wanted = self._settings.secrets
        complaint = ""
        while True:
            await asyncio.sleep(_SECRETS_READ_EVERY_SECONDS)
            try:
                found = read_secrets(path)
            except (OSError, ValueError) as error:
                # Said once and not twice a second.
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("the secrets stay what they were: %s", error)
                continue
            complaint = ""
            if found != wanted:
                wanted = found
                self._sign_with(found)
                await self.ledger.durable()
                log.info("webhooks are signed with %d secrets from %s", len(found), path)

    def _sign_with(self, secrets: tuple[str, ...]) -> None:
        endpoint = self._configured_endpoint(self._settings.endpoint or "")
        if endpoint is not None:
            endpoint["twin_secrets"] = _lasting(secrets)
            work = Work(self.context, self._settings.account, Origin())
            work.save(WEBHOOK_ENDPOINT, endpoint)
            work.commit()

    def _ensure_endpoint(self) -> None:
        """One endpoint for the configured URL, with the configured events and secrets.

        It stays the same endpoint when the URL changes between two starts, so that what is still
        owed goes to the new address and nothing is sent to the old one.
        """
        url = self._settings.endpoint
        if url is None:
            return
        work = Work(self.context, self._settings.account, Origin())
        wanted = list(self._settings.enabled_events)
        known = self._configured_endpoint(url)
        if known is None:
            secrets = self._settings.secrets or (f"whsec_{self.context.ids.random_hex(32)}",)
            endpoint = new_endpoint(work, url=url, enabled_events=wanted, secrets=list(secrets))
        else:
            # An endpoint of an earlier start: its id is what attempts on record and retries under
            # way go by.
            endpoint = known
            endpoint["url"] = url
            endpoint["enabled_events"] = wanted
            if self._settings.secrets:
                endpoint["twin_secrets"] = _lasting(self._settings.secrets)
        endpoint["description"] = _CONFIGURED
        work.save(WEBHOOK_ENDPOINT, endpoint)
        work.commit()

    def _configured_endpoint(self, url: str) -> WebhookEndpoint | None:
        """A copy of the endpoint an earlier start made, else of one that has the URL already."""
        mine = self.endpoints.of_account(self._settings.account)
        # By the mark first: two endpoints can share a URL, and only one of them is the configured
        # one.
        marked = [e for e in mine if e["description"] == _CONFIGURED]
        found = marked or [e for e in mine if e["url"] == url]
        return found[0].copy() if found else None


def run(settings: Settings, *, announce: Callable[[StripeTwin], None]) -> int:
    """Run a twin in the foreground until SIGTERM or SIGINT; returns the exit code.

    Args:
        settings: of the twin.
        announce: called once, when both ports accept.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(_COLLECT_AFTER_ALLOCATIONS)
    # What is loaded by now lives as long as the process; the collector need not look at it again.
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, announce))


async def _run(settings: Settings, announce: Callable[[StripeTwin], None]) -> int:
    twin = StripeTwin(settings, wall=time.time, rng=random.Random())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The first signal starts an orderly stop; another one changes nothing.
        loop.add_signal_handler(number, twin.stopped.set)
    await twin.start()
    announce(twin)
    await twin.stopped.wait()
    await twin.stop()
    return 0 if twin.failed is None else 1


def _context_of(
    settings: Settings, ledger: Ledger, clock: VirtualClock, ids: IdGenerator
) -> TwinContext:
    accounts = Accounts(ledger, settings.account, settings.key_file)
    return TwinContext(
        ledger=ledger,
        clock=clock,
        ids=ids,
        default_account=settings.account,
        accounts=accounts,
        endpoints=Endpoints(ledger, accounts),
        balances=Balances(ledger),
        search=SearchIndex(ledger.path),
        debit_seconds=settings.debit_seconds,
        refund_seconds=settings.refund_seconds,
        dispute_seconds=settings.dispute_seconds,
        search_lag_seconds=settings.search_lag_seconds,
    )


def _lasting(secrets: tuple[str, ...]) -> list[WebhookSecret]:
    return [{"value": secret, "expires_at": None} for secret in secrets]


def _stored_offset(ledger: Ledger) -> float:
    try:
        rows = ledger.select("SELECT value FROM settings WHERE name = 'clock_offset_seconds'")
    except sqlite3.DatabaseError as error:
        raise RuntimeError("the ledger cannot be read; it is not overwritten") from error
    return float(rows[0][0] or 0) if rows else 0.0


def _nothing_to_note(_number: int, _outcome: TransmissionOutcome) -> None:
    """The control port keeps no journal."""


def _url_host(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104 - compared, not bound
