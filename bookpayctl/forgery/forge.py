"""Sends cases to an environment's receiver and judges each answer, and what it left behind.

Before every case an honest event goes out: a receiver that refuses everything would refuse every
forgery too, so without that control nothing is concluded. What is accepted on purpose is
registered first, so that no audit takes it for money.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from bookpayctl.clients.database import reading
from bookpayctl.clients.raw_http import RawAnswer, RawRequest, exchange
from bookpayctl.forgery.case import (
    RECEIVED,
    STORED,
    Case,
    Expected,
    ForgedPayment,
    ForgeryInput,
    RowsLeft,
    Variant,
    encoded,
    honest,
)
from bookpayctl.load import probe_orders
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, not_asked, unanswered
from bookpayctl.runs.directory import Run
from bookpayctl.session import RefusedError, open_session
from bookpayctl.targets.environment import Environment

PAID = frozenset({"succeeded"})


def forge(
    environment: Environment, cases: Sequence[Case], observe: Callable[[str], None]
) -> Report:
    """Send cases in a run of their own.

    Raises:
        RefusedError: they cannot be sent there, or an earlier run has something to put back.
    """
    if not environment.webhook_url.startswith("http://"):
        raise RefusedError(
            f"{environment.webhook_url} is not plain http, and cases are bytes on a socket"
        )
    with open_session(environment, "forge", observe) as session:
        forger = Forger(environment, session.run, observe)
        forger.send(cases)
    report = forger.report()
    return replace(report, incidents=(*report.incidents, *session.incidents))


class CannotForgeError(RuntimeError):
    """A case lacks something it needs; the message says what."""


@dataclass(slots=True)
class Forger:
    """One environment's receiver, and what it takes to lie to it.

    Attributes:
        say: told of each case before it is sent; some take ten seconds.
    """

    environment: Environment
    run: Run
    say: Callable[[str], None]
    wait_seconds: float = 30.0
    items: list[Item] = field(default_factory=list)
    _payment: ForgedPayment | None = field(default=None)

    def send(self, cases: Sequence[Case]) -> None:
        """Send the cases in order; a case that raises is unknown, and the next one is sent."""
        for case in cases:
            self.items.append(self._timed(case))

    def report(self) -> Report:
        """What was found so far."""
        seconds = sum(item.duration_ms for item in self.items) / 1000
        return Report(
            kind="ForgeReport",
            context={
                "environment": self.environment.name,
                "target": self.environment.target,
                "receiver": self.environment.webhook_url,
            },
            items=tuple(self.items),
            started_at=(datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(
                timespec="milliseconds"
            ),
            duration_seconds=seconds,
            each_must_answer=True,
            run_dir=str(self.run.path),
        )

    def _timed(self, case: Case) -> Item:
        self.say(f"{case.id} {case.title}")
        began = time.monotonic()
        try:
            item = self._ask(case)
        except Exception as error:  # noqa: BLE001 - a question that failed is unknown, never a pass
            self.run.journal("case_raised", id=case.id, error=repr(error))
            reason = f"{type(error).__name__}: {error}".strip()
            item = unanswered(case.id, case.title, "an answer of the receiver", reason)
        return replace(item, duration_ms=int((time.monotonic() - began) * 1000))

    def _ask(self, case: Case) -> Item:
        if case.needs == "outage":
            required = "503 while the database is away"
            reason = "takes the database away; bookpayctl drill run outage does that"
            return not_asked(case.id, case.title, required, reason)
        problem = self._control()
        if problem:
            reason = f"an honest event was not received ({problem}), so a refusal says nothing"
            return unanswered(case.id, case.title, "an honest event is received", reason)
        material = self._material(needs_payment=case.needs == "payment")
        return judge(case, [self._send(variant) for variant in case.variants(material)])

    def _control(self) -> str:
        """Send an honest event; returns what was wrong with the answer, if anything."""
        material = self._material(needs_payment=False)
        body = encoded()
        control = Variant("control", "an honest event", honest(material, body), (RECEIVED,), STORED)
        sent = self._send(control)
        return "; ".join(sent.problems) or ("" if sent.heard.status else sent.heard.problem)

    def _material(self, *, needs_payment: bool) -> ForgeryInput:
        parts = urlsplit(self.environment.webhook_url)
        return ForgeryInput(
            signing_secret(self.environment),
            probe_orders.wall_clock_seconds(),
            parts.netloc,
            parts.path,
            self._settled_payment() if needs_payment else None,
        )

    def _settled_payment(self) -> ForgedPayment:
        """A payment of our own to lie about: a probe order, placed once and paid."""
        if self._payment is None:
            probe = probe_orders.place_probe(
                self.environment, self.run, payment_method=probe_orders.PAYMENT_METHOD_THAT_PAYS
            )
            waited = probe_orders.wait_for_payment(
                self.environment, probe.event_id, PAID, deadline_seconds=self.wait_seconds
            )
            if not waited.reached or waited.value is None or waited.value[1] is None:
                raise CannotForgeError(f"the probe order was not paid within {self.wait_seconds} s")
            self._payment = ForgedPayment(
                *(probe.event_id, waited.value[1], probe.amount_cents, probe.currency),
                self.environment.name,
            )
        return self._payment

    def _send(self, variant: Variant) -> Sent:
        for request in (*variant.before, variant.request):
            identifier = _event_id(request.body)
            if identifier is not None:
                self.run.probe("stripe_event", identifier)
        before = self._left(variant.request)
        for earlier in variant.before:
            self._exchange(earlier)
        heard = self._exchange(variant.request)
        after = self._left(variant.request)
        left = RowsLeft(
            after.events - before.events,
            after.quarantined - before.quarantined,
            after.parked - before.parked,
        )
        return Sent(variant, heard, left)

    def _exchange(self, request: RawRequest) -> RawAnswer:
        parts = urlsplit(self.environment.webhook_url)
        return exchange(parts.hostname or "", parts.port or 80, request)

    def _left(self, request: RawRequest) -> RowsLeft:
        """How many rows hold this body now."""
        with reading(self.environment.dsn) as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM stripe_events WHERE body = %(body)s),"
                " (SELECT count(*) FROM webhook_quarantine WHERE body = %(body)s),"
                " (SELECT count(*) FROM webhook_parked JOIN stripe_events"
                "  ON stripe_events.event_id = stripe_event_id WHERE body = %(body)s)",
                {"body": request.body},
            ).fetchone()
        return RowsLeft(*row) if row else RowsLeft()


def signing_secret(environment: Environment) -> str:
    """The newest signing secret; while one is rotated the file holds several, one a line."""
    return environment.secret("stripe-webhook-secret").replace(",", "\n").split()[0]


@dataclass(frozen=True, slots=True)
class Sent:
    """One variant and what came of it."""

    variant: Variant
    heard: RawAnswer
    left: RowsLeft

    @property
    def problems(self) -> list[str]:
        """In which ways this is not as required; empty too when no answer came."""
        if self.heard.status is None:
            return []
        found = []
        if not any(_is_as(expected, self.heard) for expected in self.variant.expected):
            found.append(f"{self.variant.name}: answered {_got(self.heard)}")
        if self.left != self.variant.left:
            found.append(f"{self.variant.name}: left {_rows(self.left)}")
        return found

    def line(self) -> str:
        """One line for a person: what was sent, what had to come, what came."""
        wanted = " or ".join(_wanted(expected) for expected in self.variant.expected)
        return f"{self.variant.name} | expected {wanted} | got {_got(self.heard)}"


def judge(case: Case, sent: Sequence[Sent]) -> Item:
    """The verdict on one case, pure: violated before unknown, and nothing sent is vacuous."""
    problems = [problem for one in sent for problem in one.problems]
    unheard = [one.variant.name for one in sent if one.heard.status is None]
    wanted = dict.fromkeys(_wanted(e) for one in sent for e in one.variant.expected)
    if problems:
        verdict, observed = Verdict.VIOLATED, "; ".join(problems)
    elif unheard:
        verdict, observed = Verdict.UNKNOWN, f"no answer to: {', '.join(unheard)}"
    elif not sent:
        verdict, observed = Verdict.VACUOUS, "nothing was sent"
    else:
        got = dict.fromkeys(_got(one.heard) for one in sent)
        verdict, observed = Verdict.HOLDS, f"{len(sent)} sent: {', '.join(got)}"
    good = verdict is Verdict.HOLDS
    return Item(
        case.id,
        case.title,
        verdict,
        required=" or ".join(wanted) or "an answer",
        observed=observed,
        examined=len(sent) - len(unheard),
        evidence=tuple(one.line() for one in sent),
        fix="" if good else "bookpayctl logs payments-webhook-receiver",
        reason=observed if verdict is Verdict.UNKNOWN else "",
    )


def _is_as(expected: Expected, heard: RawAnswer) -> bool:
    name, _, value = expected.header.partition(": ")
    return (
        heard.status == expected.status
        and (expected.body is None or heard.body == expected.body)
        and (not name or heard.headers.get(name.lower()) == value)
    )


def _wanted(expected: Expected) -> str:
    body = "" if expected.body is None else expected.body.decode()
    return f"{expected.status} {body}".strip()


def _got(heard: RawAnswer) -> str:
    if heard.status is None:
        return f"no answer ({heard.problem})"
    return f"{heard.status} {heard.body[:200].decode('utf-8', 'replace')}".strip()


def _rows(left: RowsLeft) -> str:
    return f"{left.events} stored, {left.quarantined} quarantined, {left.parked} parked"


def _event_id(body: bytes) -> str | None:
    """The id under which a receiver would store it; None for a body that has none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    identifier = document.get("id") if isinstance(document, dict) else None
    return identifier if isinstance(identifier, str) else None
