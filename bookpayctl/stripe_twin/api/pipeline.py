"""The way of one request through the twin; the order of its steps is what drills rely on.

Authentication, then faults that stand for rate limiters and dead servers, then route and
parameters: whoever is refused up to here leaves no trace and keeps the key free. Then the claim of
the idempotency key, the execution, and one transaction that holds the execution, its events and
the saved answer. Only when that is on disk is anything answered, whatever the answer is.

Source: docs.stripe.com/api/idempotent_requests and docs.stripe.com/error-low-level.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bookpayctl.stripe_twin import errors
from bookpayctl.stripe_twin.api.answer import ApiAnswer
from bookpayctl.stripe_twin.api.authentication import (
    authenticate,
    check_permission,
    check_version,
)
from bookpayctl.stripe_twin.api.expanding import expand
from bookpayctl.stripe_twin.api.latency import Latency
from bookpayctl.stripe_twin.api.parameters import Parameters, check
from bookpayctl.stripe_twin.api.responses import (
    PreparedResponse,
    headers_of,
    json_of,
    refusal_of,
    transmission_of,
)
from bookpayctl.stripe_twin.api.routes import Route, find_route
from bookpayctl.stripe_twin.documents import encode
from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.faults.book import FaultBook, FaultHit
from bookpayctl.stripe_twin.faults.rule import RequestStage, RequestSubject
from bookpayctl.stripe_twin.form import Tree, decode_form
from bookpayctl.stripe_twin.idempotency import (
    IdempotencyKeys,
    KeyClaim,
    SavedAnswer,
    check_key,
    fingerprint,
)
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.journal import JournalEntry, flags_of
from bookpayctl.stripe_twin.ledger.work import Origin, Produced, TwinContext, Work
from bookpayctl.stripe_twin.wire.message import TransmissionOutcome, WireRequest, WireResponse

# What version 1 of the API takes; JSON bodies belong to version 2, which the twin does not play.
_FORM = "application/x-www-form-urlencoded"
log = logging.getLogger("stripe_twin.api")


@dataclass(frozen=True, slots=True)
class _Call:
    """What a request asks for, found and checked."""

    route: Route
    parameters: Parameters
    object_id: str


@dataclass(frozen=True, slots=True)
class RequestInProgress:
    """What is noted of a request, what faults see of it, and which have struck so far."""

    entry: JournalEntry
    subject: RequestSubject
    hits: list[FaultHit]


class Pipeline:
    """Answers API requests."""

    def __init__(
        self,
        context: TwinContext,
        keys: IdempotencyKeys,
        faults: FaultBook,
        *,
        rng: random.Random,
        latency: Latency,
        accept: Callable[[Produced], None],
    ) -> None:
        """`accept` takes over the events and timers of each execution."""
        self.latency = latency
        self._context = context
        self._keys = keys
        self._faults = faults
        self._rng = rng
        self._accept = accept

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request; never before everything it did is on disk."""
        context = self._context
        # Made before anything can go wrong: refused requests are in the journal too, since a drill
        # asks what the client really sent.
        entry = JournalEntry(
            number=context.ledger.next_request(),
            request_id=context.ids.new("req"),
            method=request.method,
            path=request.path,
            at=context.clock.now(),
            wall_at=context.clock.wall(),
            body_sha256=hashlib.sha256(request.body).hexdigest(),
        )
        hits: list[FaultHit] = []
        try:
            made = await self._process(request, entry, hits)
        except ApiError as error:
            entry.code = error.code
            made = refusal_of(error)
        except Exception:
            # A defect must not look like one of Stripe's answers that mean something; a 500 means
            # nothing is known, which is true.
            log.exception("%s %s failed", request.method, request.path)
            made = refusal_of(errors.internal("The twin has a defect; see its log."))
        context.ledger.put(schema.ADD_REQUEST, entry.row(made.status))
        try:
            await context.ledger.durable()
        finally:
            # In flight until the saved answer is on disk, so that no second request is shown an
            # answer that a crash would take back.
            if made.claim is not None:
                self._keys.release(made.claim)
        status, body, content_type, transmission = transmission_of(made, hits)
        return WireResponse(
            status=status,
            body=body,
            headers=headers_of(made, entry, request.headers.get("stripe-version")),
            content_type=content_type,
            transmission=transmission,
            number=entry.number,
        )

    def note_outcome(self, number: int, outcome: TransmissionOutcome) -> None:
        """Journal what became of an answer."""
        row = (number, outcome, self._context.clock.wall())
        self._context.ledger.put_lazily(schema.ADD_ANSWER, row)

    async def _process(
        self, request: WireRequest, entry: JournalEntry, hits: list[FaultHit]
    ) -> PreparedResponse:
        # Whoever has no valid key is answered before anything is looked at, and nothing is saved:
        # the same key may be sent again with better credentials.
        caller = authenticate(request.headers, self._context.accounts, entry.at)
        entry.account = caller.account
        check_version(request.headers, entry.at)
        tree = _decode(request)
        self._note(request, entry, tree)
        progress = RequestInProgress(entry, _subject(entry, tree), hits)
        # Stripe limits rates before it looks at idempotency keys. So a 429 says nothing about the
        # request that first used the key, neither that it ran nor that it did not.
        self._draw_faults(progress, "admission")
        await self._delay(hits)
        refused = _refused_at_admission(hits)
        if refused is not None:
            return refused
        # A wrong route or parameter is refused before the key is claimed: Stripe saves results only
        # after the execution of an endpoint has begun.
        route, object_id = find_route(request.method, request.path)
        check_permission(caller, request.method, route.path)
        call = _Call(route, check(tree, route.accepts), object_id)
        made = await self._answer(request, tree, call, progress)
        # Drawn before the commit, so that the hit is on disk when it acts on the answer.
        self._draw_faults(progress, "answer")
        return made

    async def _answer(
        self, request: WireRequest, tree: Tree, call: _Call, progress: RequestInProgress
    ) -> PreparedResponse:
        """Read, replay or execute."""
        entry = progress.entry
        if request.method == "GET":
            return await self._read(call, entry)
        claim: KeyClaim | None = None
        # Stripe documents that a key on a GET or DELETE has no effect. A POST without one is
        # executed as often as it is sent.
        if request.method == "POST" and entry.key is not None:
            check_key(entry.key)
            decision = self._keys.decide(
                entry.account or "", entry.key, request.path, fingerprint(tree), entry.at
            )
            if isinstance(decision, ApiError):
                raise decision
            if isinstance(decision, SavedAnswer):
                # Byte for byte what was answered first, although the object may have moved on: a
                # replayed PaymentIntent shows a state of the past, as recorded with Stripe.
                return _replay(decision, entry)
            claim = decision
        return await self._execute(call, progress, claim)

    def _draw_faults(self, progress: RequestInProgress, stage: RequestStage) -> None:
        """Draw the faults of a stage and note them in the journal."""
        struck = self._faults.on_request(progress.subject, stage, progress.entry.request_id)
        progress.hits.extend(struck)
        progress.entry.faults.extend(hit.fault_id for hit in struck)

    async def _read(self, call: _Call, entry: JournalEntry) -> PreparedResponse:
        # Lists read the disk: what was answered before this request must be there.
        await self._context.ledger.durable()
        work = Work(self._context, entry.account or "", Origin(entry.request_id))
        found = call.route.handler(work, call.parameters, call.object_id)
        answer = found if isinstance(found, ApiAnswer) else await found
        return _made_of(work, answer, call.parameters, entry)

    async def _execute(
        self, call: _Call, progress: RequestInProgress, claim: KeyClaim | None
    ) -> PreparedResponse:
        entry = progress.entry
        try:
            self._draw_faults(progress, "execution")
            slow = _hit(progress.hits, "slow")
            if slow is not None:
                # The hit is on disk before it acts; the key stays in flight meanwhile.
                await self._context.ledger.durable()
                await asyncio.sleep(slow.rule.number("seconds"))
            # Nothing awaits from here to the saved answer: an execution is atomic.
            made = self._run(call, progress)
        except BaseException:
            # Nothing was saved, so the key must not stay in flight: the next request with it
            # executes.
            if claim is not None:
                self._keys.release(claim)
            raise
        # A saved 500 stands for a server that died before it did anything.
        entry.executed = _hit(progress.hits, "saved_500") is None
        # Carried along instead of released here: `handle` does that when the answer is durable.
        made.claim = claim
        if claim is not None:
            entry.original_request = entry.request_id
            saved = SavedAnswer(entry.request_id, made.status, made.body, made.should_retry)
            self._keys.complete(claim, saved, self._context.clock.now())
        return made

    def _run(self, call: _Call, progress: RequestInProgress) -> PreparedResponse:
        entry, hits = progress.entry, progress.hits
        spoiled = _hit(hits, "saved_500")
        if spoiled is not None:
            return _broken(spoiled, entry)
        work = Work(self._context, entry.account or "", Origin(entry.request_id, entry.key))
        try:
            answer = call.route.handler(work, call.parameters, call.object_id)
            if not isinstance(answer, ApiAnswer):
                raise TypeError("only a read may wait; an execution is atomic")
            made = _made_of(work, answer, call.parameters, entry)
        except ApiError as error:
            # Stripe saves what fails once the endpoint has begun, so this refusal will be replayed.
            # Which of its 400s count as begun is not published; no drill may depend on it.
            entry.code = error.code
            error.error["request_log_url"] = (
                f"https://dashboard.stripe.com/test/logs/{entry.request_id}"
            )
            made = refusal_of(error)
            made.should_retry = "false"
        else:
            self._accept(work.commit())
        # The charge stays. Stripe calls such a 500 indeterminate: it is saved, a replay gives it
        # again, and webhooks come for an object that the caller has never seen.
        lost = _hit(hits, "execute_then_500")
        return made if lost is None else _broken(lost, entry)

    async def _delay(self, hits: list[FaultHit]) -> None:
        wait_seconds = self.latency.seconds(self._rng)
        hit = _hit(hits, "latency")
        if hit is not None:
            await self._context.ledger.durable()
            extra = Latency(
                hit.rule.number("milliseconds"),
                hit.rule.number("jitter_milliseconds"),
                hit.rule.number("p99_milliseconds"),
            )
            wait_seconds += extra.seconds(self._rng)
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)

    def _note(self, request: WireRequest, entry: JournalEntry, tree: Tree) -> None:
        if request.method == "POST":
            entry.key = request.headers.get("idempotency-key")
        metadata = _metadata(tree)
        # What the judge joins on; read from the request, since a refused one leaves no object.
        entry.env = metadata.get("env")
        entry.event_id = metadata.get("event_id")
        entry.flags = flags_of(request.method, request.path, entry.key, metadata)


def _decode(request: WireRequest) -> Tree:
    if request.method == "GET" or not request.body:
        return decode_form(request.query)
    content_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if request.body and content_type != _FORM:
        raise errors.invalid(f"Send the parameters as {_FORM}, not as {content_type}.")
    try:
        return decode_form(request.body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise errors.invalid("The request is not valid UTF-8.") from error


def _metadata(tree: Tree) -> dict[str, str]:
    value = tree.get("metadata")
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _subject(entry: JournalEntry, tree: Tree) -> RequestSubject:
    method = tree.get("payment_method")
    return RequestSubject(
        method=entry.method,
        path=entry.path,
        key=entry.key,
        payment_method=method if isinstance(method, str) else None,
        metadata=_metadata(tree),
        account=entry.account or "",
    )


def _hit(hits: list[FaultHit], action: str) -> FaultHit | None:
    return next((hit for hit in hits if hit.rule.action == action), None)


def _refused_at_admission(hits: list[FaultHit]) -> PreparedResponse | None:
    """The answer of a fault that keeps the request from reaching the idempotency layer."""
    for hit in hits:
        match hit.rule.action:
            case "rate_limit":
                made = refusal_of(errors.rate_limited())
            case "lock_timeout":
                made = refusal_of(errors.lock_timeout())
                # The official Python and Node libraries have no case of their own for this code.
                # They go by the header, and without it would not try again.
                made.should_retry = "true"
            case "reject":
                made = refusal_of(errors.rejected(int(hit.rule.number("status"))))
            case _:
                continue
        if hit.rule.should_retry is not None:
            made.should_retry = _asked(hit)
        return made
    return None


def _replay(saved: SavedAnswer, entry: JournalEntry) -> PreparedResponse:
    entry.replayed = True
    entry.original_request = saved.request_id
    return PreparedResponse(saved.status, saved.body, saved.should_retry)


def _made_of(
    work: Work, answer: ApiAnswer, parameters: Parameters, entry: JournalEntry
) -> PreparedResponse:
    document: Mapping[str, object] = answer.document
    paths = parameters.texts("expand")
    if paths and answer.status == 200:
        document = expand(work, document, paths)
    entry.object_id = _object_id(document)
    if answer.status != 200:
        error = document.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        entry.code = code if isinstance(code, str) else None
    return PreparedResponse(answer.status, encode(document), "false")


def _object_id(document: Mapping[str, object]) -> str | None:
    found: object = document
    error = document.get("error")
    if isinstance(error, dict):
        # With confirm=true on create, a declined PaymentIntent is named in the error and nowhere
        # else.
        found = error.get("payment_intent")
    object_id = found.get("id") if isinstance(found, Mapping) else None
    return object_id if isinstance(object_id, str) else None


def _broken(hit: FaultHit, entry: JournalEntry) -> PreparedResponse:
    """A 500 that is saved under the key, whether anything was executed or not."""
    body = json_of(errors.internal())
    entry.code = "api_error"
    # stripe-python explains why the header is "false" with most 500s: a retry would only be given
    # the saved answer.
    retry = "false" if hit.rule.should_retry is None else _asked(hit)
    return PreparedResponse(500, body, retry)


def _asked(hit: FaultHit) -> str | None:
    return None if hit.rule.should_retry == "absent" else hit.rule.should_retry
