"""What the operator can do to a running twin."""

import re
from collections.abc import Mapping

from bookpayctl.stripe_twin.api.customers import living
from bookpayctl.stripe_twin.api.pipeline import Pipeline
from bookpayctl.stripe_twin.api.webhook_endpoints import new_endpoint
from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.faults.book import FaultBook
from bookpayctl.stripe_twin.faults.rule import parse_rule
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.accounts import ConnectedAccount, KeyGrant
from bookpayctl.stripe_twin.ledger.endpoints import ROLL_SECONDS_MAX, active_secrets, rolled
from bookpayctl.stripe_twin.ledger.work import Origin, TwinContext, Work
from bookpayctl.stripe_twin.payments.funding import fund
from bookpayctl.stripe_twin.payments.settling import complete
from bookpayctl.stripe_twin.resources.kinds import WEBHOOK_ENDPOINT, public
from bookpayctl.stripe_twin.timers import Timers
from bookpayctl.stripe_twin.webhooks.dispatcher import Dispatcher
from bookpayctl.stripe_twin.webhooks.schedule import SCHEDULES

_ACCOUNT = re.compile(r"acct_[A-Za-z0-9_]{1,64}")


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
            "accounts": self._context.accounts.listed(),
            "clock": self.clock(),
            "latency": self.latency(),
            "faults": len(self._faults.listed()),
            "set_aside": dict(self._context.ledger.aside),
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
        payment_intent = _string(body, "payment_intent")
        # An operator stands above accounts: the id says whose it is.
        account = self._account(body) or self._owner_of(payment_intent)
        work = Work(self._context, account, Origin())
        intent = complete(work, payment_intent, succeed=succeed)
        self._timers.accept(work.commit())
        return {**public(dict(intent)), "account": account}

    def fund(self, body: Mapping[str, Json]) -> Mapping[str, object]:
        """A bank transfer from a customer arrives."""
        customer_id = _string(body, "customer")
        work = Work(self._context, self._owner_of(customer_id), Origin())
        customer = living(work, customer_id)
        reference = _string(body, "reference") if "reference" in body else None
        amount = _number(body, "amount")
        if not amount.is_integer():
            raise BadRequestError("amount must be a whole number of minor units")
        arrived = fund(work, customer, int(amount), _string(body, "currency"), reference)
        self._timers.accept(work.commit())
        return public(dict(arrived))

    def accounts(self) -> dict[str, object]:
        """All accounts, and which of them are connected to which."""
        return {"data": self._context.accounts.listed()}

    def add_account(self, body: Mapping[str, Json]) -> dict[str, object]:
        """Make a connected account under an id of the operator's choice."""
        accounts = self._context.accounts
        account = _string(body, "account")
        platform = _string(body, "platform") if "platform" in body else accounts.own
        if not _ACCOUNT.fullmatch(account):
            raise BadRequestError("account must look like acct_shop1")
        if accounts.knows(account):
            raise BadRequestError(f"{account} exists already")
        if not accounts.knows(platform) or accounts.platform_of(platform) is not None:
            raise LookupError(f"{platform} is no account that others can be connected to")
        work = Work(self._context, platform, Origin())
        work.connect(ConnectedAccount(account, platform, work.created, {}))
        work.commit()
        return {"account": account, "platform": platform}

    def set_key(self, body: Mapping[str, Json]) -> dict[str, object]:
        """Say whose a key is, what it may do, or that it was revoked; the key is not shown."""
        account = self._account(body) or self._context.accounts.own
        permissions = frozenset(_strings(body, "permissions")) if "permissions" in body else None
        expired = body.get("expired", False)
        if not isinstance(expired, bool):
            raise BadRequestError("expired must be true or false")
        self._context.accounts.grant(_string(body, "key"), KeyGrant(account, permissions, expired))
        return {
            "account": account,
            "permissions": None if permissions is None else sorted(permissions),
            "expired": expired,
        }

    def _account(self, body: Mapping[str, Json]) -> str | None:
        """The account that the operator names, if any."""
        if "account" not in body:
            return None
        account = _string(body, "account")
        if not self._context.accounts.knows(account):
            raise LookupError(f"no account is called {account}; see GET /accounts")
        return account

    def _owner_of(self, object_id: str) -> str:
        own = self._context.accounts.own
        document = self._context.ledger.find_object(object_id)
        return own if document is None else str(document.get("twin_account", own))

    def endpoints(self) -> dict[str, object]:
        """All endpoints with the secrets that sign for them now."""
        now = self._context.clock.now()
        return {
            "data": [
                {
                    **public(dict(endpoint)),
                    "account": self._context.endpoints.account_of(endpoint),
                    "secrets": active_secrets(endpoint, now),
                }
                for endpoint in self._context.endpoints.all()
            ]
        }

    def add_endpoint(self, body: Mapping[str, Json]) -> dict[str, object]:
        secrets = _strings(body, "secrets") or [f"whsec_{self._context.ids.random_hex(32)}"]
        connect = body.get("connect", False)
        if not isinstance(connect, bool):
            raise BadRequestError("connect must be true or false")
        account = self._account(body) or self._context.accounts.own
        work = Work(self._context, account, Origin())
        endpoint = new_endpoint(
            work,
            url=_string(body, "url"),
            enabled_events=_strings(body, "enabled_events") or ["*"],
            secrets=secrets,
        )
        if connect:
            endpoint["twin_connect"] = True
        work.commit()
        return {**public(dict(endpoint)), "account": account, "secrets": secrets}

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
        work = Work(self._context, self._context.endpoints.account_of(endpoint), Origin())
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
            self._check_may_hear(chosen[0], str(rows[0][0]))
        else:
            chosen = self._context.endpoints.subscribers(str(rows[0][0]), str(rows[0][1]))
        for endpoint_id in chosen:
            self._dispatcher.resend(event_id, endpoint_id)
        return {"event": event_id, "account": str(rows[0][0]), "endpoints": list(chosen)}

    def _check_may_hear(self, endpoint_id: str, account: str) -> None:
        """Raise if there is no such endpoint, or the event is none of its business."""
        endpoints, accounts = self._context.endpoints, self._context.accounts
        endpoint = endpoints.find(endpoint_id)
        if endpoint is None:
            raise LookupError(f"no endpoint is called {endpoint_id}")
        if not accounts.may_act_in(endpoints.account_of(endpoint), account):
            raise BadRequestError(
                f"{endpoint_id} is of {endpoints.account_of(endpoint)} and the event of {account}"
            )

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
