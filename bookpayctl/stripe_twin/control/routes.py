"""The control API. It has no authentication: it listens where the operator is.

| request | does |
|---|---|
| GET /health (/healthz, /readyz) | `{"status": "ok", ...}` while the ledger can be read |
| GET /status | counts of everything, urls, clock, latency |
| GET /requests | the journal: `after limit key path event_id status flag account` |
| GET /executions | money moved, one row each: `after limit key event_id payment_intent kind` |
| GET /deliveries | webhook attempts: `after limit event_id outcome account` |
| GET /fault-hits | what faults did: `after limit fault_id` |
| GET, POST, DELETE /faults[/ID] | list, add (see `faults.rule`), clear one or all |
| GET /clock, POST /clock/advance `{"seconds": n}` | virtual time |
| GET, PUT /latency `{"milliseconds", "jitter_milliseconds"?, "p99_milliseconds"?}` | of all |
| POST /complete `{"payment_intent": id, "succeed": bool}` | 3-D Secure, or the bank decides |
| GET, POST /endpoints `{"url", "secrets"?, "enabled_events"?, "account"?, "connect"?}` | all |
| POST /fund `{"customer", "amount", "currency", "reference"?}` | a bank transfer arrives |
| GET, POST /accounts `{"account", "platform"?}` | all accounts; make a connected one |
| POST /keys `{"key", "account"?, "permissions"?, "expired"?}` | whose a key is, what it may do |
| POST /endpoints/ID/roll `{"secret"?, "keep_old_seconds"?}` | a new secret beside the old |
| POST /deliver `{"event": id, "endpoint"?: id}` | send an event again |
| PUT /schedule `{"name": s}` or `{"seconds": [n]}` | webhook retries from now on |

Rows come oldest first, each with its number `n`, at most 5,000 of them; where `has_more` is true,
`after=n` of the last one goes on.
Refusals are 400 or 404 with `{"error": {"message": ...}}`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

from bookpayctl.stripe_twin.control import rows
from bookpayctl.stripe_twin.control.actions import Actions
from bookpayctl.stripe_twin.documents import Json, decode_object, encode
from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.ledger.store import Column, Ledger
from bookpayctl.stripe_twin.wire.message import WireRequest, WireResponse

log = logging.getLogger("stripe_twin.control")

ControlCommand = Callable[[dict[str, Json]], Mapping[str, object]]


class Control:
    """Answers the operator."""

    def __init__(self, ledger: Ledger, actions: Actions) -> None:
        self._ledger = ledger
        # A judge reads hundreds of thousands of rows; the loop that charges must not wait for it.
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="control-read")
        self._reader = ledger.open_reader()
        self._actions = actions
        self._reads: dict[str, Callable[[], Mapping[str, object]]] = {
            "/health": actions.health,
            "/healthz": actions.health,
            "/readyz": actions.health,
            "/faults": actions.faults,
            "/clock": actions.clock,
            "/latency": actions.latency,
            "/endpoints": actions.endpoints,
            "/accounts": actions.accounts,
        }
        self._pages = {
            "/requests": rows.requests,
            "/executions": rows.executions,
            "/deliveries": rows.deliveries,
            "/fault-hits": rows.fault_hits,
        }
        self._writes: dict[tuple[str, str], ControlCommand] = {
            ("POST", "/faults"): actions.add_fault,
            ("DELETE", "/faults"): lambda _: actions.clear_faults(None),
            ("POST", "/clock/advance"): actions.advance_clock,
            ("PUT", "/latency"): actions.set_latency,
            ("POST", "/complete"): actions.complete,
            ("POST", "/fund"): actions.fund,
            ("POST", "/endpoints"): actions.add_endpoint,
            ("POST", "/accounts"): actions.add_account,
            ("POST", "/keys"): actions.set_key,
            ("POST", "/deliver"): actions.deliver,
            ("PUT", "/schedule"): actions.set_schedule,
        }

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request; what it changed is on disk by then."""
        try:
            # Reads are of the disk: what others were answered before this must be in them.
            await self._ledger.durable()
            body = await self._answer(request)
            await self._ledger.durable()
        except ApiError as error:
            return WireResponse(error.status, error.body().encode())
        # Every refusal of an action is one of these two; anything else is a defect, and says so.
        except ValueError as error:
            return _refusal(400, str(error))
        except LookupError as error:
            return _refusal(404, str(error.args[0]) if error.args else "not found")
        except Exception:
            log.exception("control %s %s failed", request.method, request.path)
            return _refusal(500, "the twin has a defect; see its log")
        return WireResponse(200, body)

    def close(self) -> None:
        """Let go of the ledger."""
        self._reading.shutdown(wait=True)
        self._reader.close()

    async def _answer(self, request: WireRequest) -> bytes:
        if request.method != "GET":
            return encode(self._write(request)).encode()
        loop = asyncio.get_running_loop()
        if request.path in self._pages:
            return await loop.run_in_executor(self._reading, self._read_page, request)
        if request.path == "/status":
            counted = await loop.run_in_executor(self._reading, rows.counts, self._select)
            return encode({**self._actions.state(), **counted}).encode()
        read = self._reads.get(request.path)
        if read is None:
            raise LookupError(f"nothing answers GET {request.path}")
        return encode(read()).encode()

    def _read_page(self, request: WireRequest) -> bytes:
        """Runs in the reading thread, row by row, so that charges go on beside a long answer."""
        query = dict(parse_qsl(request.query))
        page = rows.page_of(self._pages[request.path], self._select, query)
        data = ",".join(encode(row) for row in page.rows)
        has_more = "true" if page.has_more else "false"
        return f'{{"data":[{data}],"has_more":{has_more}}}'.encode()

    def _select(self, sql: str, values: Sequence[Column]) -> list[tuple[Column, ...]]:
        return self._reader.execute(sql, values).fetchall()

    def _write(self, request: WireRequest) -> Mapping[str, object]:
        body = decode_object(request.body or b"{}")
        write = self._writes.get((request.method, request.path))
        if write is not None:
            return write(body)
        parts = request.path.strip("/").split("/")
        match (request.method, parts):
            case ("DELETE", ["faults", fault_id]):
                return self._actions.clear_faults(fault_id)
            case ("POST", ["endpoints", endpoint_id, "roll"]):
                return self._actions.roll_secret(endpoint_id, body)
            case _:
                raise LookupError(f"nothing answers {request.method} {request.path}")


def _refusal(status: int, message: str) -> WireResponse:
    return WireResponse(status, encode({"error": {"message": message}}).encode())
