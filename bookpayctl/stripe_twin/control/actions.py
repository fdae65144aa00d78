"""What the operator can do to a running twin."""

from collections.abc import Mapping

from bookpayctl.stripe_twin.api.pipeline import Pipeline
from bookpayctl.stripe_twin.api.webhook_endpoints import new_endpoint
from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.faults.book import FaultBook
from bookpayctl.stripe_twin.faults.rule import parse_rule
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.endpoints import ROLL_SECONDS_MAX, active_secrets, rolled
from bookpayctl.stripe_twin.ledger.work import Origin, TwinContext, Work
from bookpayctl.stripe_twin.payments.settling import complete
from bookpayctl.stripe_twin.resources.kinds import WEBHOOK_ENDPOINT, public
from bookpayctl.stripe_twin.timers import Timers
from bookpayctl.stripe_twin.webhooks.dispatcher import Dispatcher
from bookpayctl.stripe_twin.webhooks.schedule import SCHEDULES


class BadRequestError(ValueError):
    """The operator's request makes no sense; the message says what to change."""


class Actions:
    """Each method is one action; its result is on disk when the answer goes out.

    Raises (all of them):
        ValueError: the request makes no sense; the message says why.
        LookupError: there is no such thing.
    """

    def __init__(
        self,
        context: TwinContext,
        faults: FaultBook,
        pipeline: Pipeline,
        timers: Timers,
        dispatcher: Dispatcher,
    ) -> None:
        self._context = context
        self._faults = faults
        self._pipeline = pipeline
        self._timers = timers
        self._dispatcher = dispatcher

    def health(self) -> dict[str, object]:
        self._context.ledger.select("SELECT 1 FROM settings LIMIT 1")
        return {"status": "ok", "account": self._context.default_account}

    def state(self) -> dict[str, object]:
        """What is not in the ledger's tables."""
        return {
            "account": self._context.default_account,
            "clock": self.clock(),
            "latency": self.latency(),
            "faults": len(self._faults.listed()),
        }

    def clock(self) -> dict[str, object]:
        clock = self._context.clock
        return {"now": clock.now(), "wall": clock.wall(), "offset_seconds": clock.offset_seconds}

    def advance_clock(self, body: Mapping[str, Json]) -> dict[str, object]:
        """Let virtual time pass; keys age, debits settle, retries fall due."""
        offset = self._context.clock.advance(_number(body, "seconds"))
        # On disk before the answer: time that a drill has let pass must not come back with a
        # restart.
        self._context.ledger.put(schema.PUT_SETTING, ("clock_offset_seconds", str(offset)))
        self._timers.wake()
        return self.clock()

    def latency(self) -> dict[str, object]:
        latency = self._pipeline.latency
        return {
            "milliseconds": latency.milliseconds,
            "jitter_milliseconds": latency.jitter_milliseconds,
            "p99_milliseconds": latency.p99_milliseconds,
        }

    def set_latency(self, body: Mapping[str, Json]) -> dict[str, object]:
        fixed = _number(body, "milliseconds")
        jitter, p99 = (
            _number(body, name) if name in body else 0.0
            for name in ("jitter_milliseconds", "p99_milliseconds")
        )
        if min(fixed, jitter, p99) < 0:
            raise BadRequestError("latencies are at least 0")
        if 0 < p99 <= fixed:
            raise BadRequestError("p99_milliseconds must be above milliseconds, the median")
        latency = self._pipeline.latency
        latency.milliseconds, latency.jitter_milliseconds = fixed, jitter
        latency.p99_milliseconds = p99
        return self.latency()

    def faults(self) -> dict[str, object]:
        return {"data": self._faults.listed()}

    def add_fault(self, body: Mapping[str, Json]) -> dict[str, object]:
        return {"id": self._faults.add(parse_rule(body))}

    def clear_faults(self, fault_id: str | None) -> dict[str, object]:
        cleared = self._faults.clear(fault_id)
        if fault_id is not None and not cleared:
            raise LookupError(f"no active fault is called {fault_id}")
        return {"cleared": cleared}

    def complete(self, body: Mapping[str, Json]) -> Mapping[str, object]:
        """The customer authenticates, or the bank decides; shows the PaymentIntent after."""
        succeed = body.get("succeed", True)
        if not isinstance(succeed, bool):
            raise BadRequestError("succeed must be true or false")
        # An operator stands above accounts and may name one.
        account = body.get("account", self._context.default_account)
        work = Work(self._context, str(account), Origin())
        intent = complete(work, _string(body, "payment_intent"), succeed=succeed)
        self._timers.accept(work.commit())
        return public(dict(intent))

    def endpoints(self) -> dict[str, object]:
        """All endpoints with the secrets that sign for them now."""
        now = self._context.clock.now()
        return {
            "data": [
                {**public(dict(endpoint)), "secrets": active_secrets(endpoint, now)}
                for endpoint in self._context.endpoints.all()
            ]
        }

    def add_endpoint(self, body: Mapping[str, Json]) -> dict[str, object]:
        secrets = _strings(body, "secrets") or [f"whsec_{self._context.ids.random_hex(32)}"]
        work = Work(self._context, self._context.default_account, Origin())
        endpoint = new_endpoint(
            work,
            url=_string(body, "url"),
            enabled_events=_strings(body, "enabled_events") or ["*"],
            secrets=secrets,
        )
        work.commit()
        return {**public(dict(endpoint)), "secrets": secrets}

    def roll_secret(self, endpoint_id: str, body: Mapping[str, Json]) -> dict[str, object]:
        """Give an endpoint a new secret; the old one signs too, for at most a day."""
        endpoint = self._context.endpoints.find(endpoint_id)
        if endpoint is None:
            raise LookupError(f"no endpoint is called {endpoint_id}")
        keep = _number(body, "keep_old_seconds") if "keep_old_seconds" in body else ROLL_SECONDS_MAX
        secret = _string(body, "secret") if "secret" in body else ""
        secret = secret or f"whsec_{self._context.ids.random_hex(32)}"
        now = self._context.clock.now()
        after = rolled(endpoint, secret, now=now, keep_old_seconds=keep)
        work = Work(self._context, self._context.default_account, Origin())
        work.save(WEBHOOK_ENDPOINT, after)
        work.commit()
        return {"id": endpoint_id, "secrets": active_secrets(after, now)}

    def deliver(self, body: Mapping[str, Json]) -> dict[str, object]:
        """Send an event again, to one endpoint or to all that want it."""
        event_id = _string(body, "event")
        rows = self._context.ledger.select(
            "SELECT account, type FROM events WHERE id = ?", (event_id,)
        )
        if not rows:
            raise LookupError(f"no event is called {event_id}")
        if "endpoint" in body:
            chosen: tuple[str, ...] = (_string(body, "endpoint"),)
            if self._context.endpoints.find(chosen[0]) is None:
                raise LookupError(f"no endpoint is called {chosen[0]}")
        else:
            chosen = self._context.endpoints.subscribers(str(rows[0][0]), str(rows[0][1]))
        for endpoint_id in chosen:
            self._dispatcher.resend(event_id, endpoint_id)
        return {"event": event_id, "endpoints": list(chosen)}

    def set_schedule(self, body: Mapping[str, Json]) -> dict[str, object]:
        """Change when failed deliveries are tried again; lasts until the twin stops."""
        if "name" in body:
            name = _string(body, "name")
            if name not in SCHEDULES:
                raise ValueError(f"no schedule is called {name!r}; known: {', '.join(SCHEDULES)}")
            self._dispatcher.schedule = SCHEDULES[name]
        else:
            seconds = body.get("seconds")
            if not isinstance(seconds, list):
                raise BadRequestError("send a name, or seconds as a list of numbers")
            self._dispatcher.schedule = tuple(_as_number(value, "seconds") for value in seconds)
        return {"seconds": list(self._dispatcher.schedule)}


def _string(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequestError(f"{name} must be a string")
    return value


def _strings(body: Mapping[str, Json], name: str) -> list[str]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise BadRequestError(f"{name} must be a list of strings")
    return [str(item) for item in value]


def _number(body: Mapping[str, Json], name: str) -> float:
    return _as_number(body.get(name), name)


def _as_number(value: Json, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequestError(f"{name} must be a number")
    return float(value)
