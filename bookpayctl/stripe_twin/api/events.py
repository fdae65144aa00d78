"""/v1/events."""

from collections.abc import Mapping

from bookpayctl.stripe_twin.api.answer import ApiAnswer
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_events
from bookpayctl.stripe_twin.api.parameters import ARRAY, FLAG, TEXT, Parameters, Specification
from bookpayctl.stripe_twin.documents import decode_object
from bookpayctl.stripe_twin.errors import no_such
from bookpayctl.stripe_twin.ledger.work import Work

RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {
    **PAGING,
    **CREATED,
    "delivery_success": FLAG,
    "type": TEXT,
    "types": ARRAY,
}


def retrieve(work: Work, _: Parameters, event_id: str) -> ApiAnswer:
    """Show an event as it was made, with the number of endpoints that still wait for it."""
    rows = work.context.ledger.select(
        "SELECT body FROM events WHERE id = ? AND account = ?", (event_id, work.account)
    )
    if not rows:
        raise no_such("event", event_id, "id")
    return ApiAnswer(200, _current(work, decode_object(str(rows[0][0]))))


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Events, newest first."""
    page = page_of_events(work, parameters, "/v1/events", lambda event: _current(work, event))
    return ApiAnswer(200, page)


def _current(work: Work, event: Mapping[str, object]) -> dict[str, object]:
    """The event with today's count of pending webhooks; nothing else in it ever changes."""
    # Counted when asked for: the event's own text is append-only, as its contents are at Stripe.
    rows = work.context.ledger.select(
        "SELECT count(*) FROM outgoing WHERE event_id = ? AND state = 'due'", (str(event["id"]),)
    )
    return {**event, "pending_webhooks": rows[0][0]}
