"""/v1/webhook_endpoints; the secret is shown once, when an endpoint is made."""

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import PAGING
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    FLAG,
    NEEDED_ARRAY,
    NEEDED_TEXT,
    TEXT,
    Parameters,
    Specification,
)
from bookpayctl.stripe_twin.errors import ApiError, invalid, no_such
from bookpayctl.stripe_twin.ledger.endpoints import ENDPOINTS_MAX
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources import API_VERSION
from bookpayctl.stripe_twin.resources.account_objects import WebhookEndpoint
from bookpayctl.stripe_twin.resources.kinds import WEBHOOK_ENDPOINT, public

CREATE: Specification = {
    "url": NEEDED_TEXT,
    "enabled_events": NEEDED_ARRAY,
    "api_version": TEXT,
    "connect": FLAG,
    "description": TEXT,
    "expand": ARRAY,
    "metadata": ANY,
}
UPDATE: Specification = {
    "description": TEXT,
    "disabled": FLAG,
    "enabled_events": ARRAY,
    "expand": ARRAY,
    "metadata": ANY,
    "url": TEXT,
}
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = PAGING


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Make an endpoint and show its secret."""
    secret = f"whsec_{work.context.ids.random_hex(32)}"
    endpoint = new_endpoint(
        work,
        url=parameters.needed("url"),
        enabled_events=parameters.texts("enabled_events") or [],
        secrets=[secret],
    )
    endpoint["description"] = parameters.text("description")
    endpoint["api_version"] = parameters.text("api_version")
    endpoint["metadata"] = parameters.metadata({})
    if parameters.flag("connect"):
        endpoint["twin_connect"] = True
    # The one time that the secret is shown; whoever loses it rolls it.
    return ApiAnswer(200, {**public(endpoint), "secret": secret})


def new_endpoint(
    work: Work, *, url: str, enabled_events: list[str], secrets: list[str]
) -> WebhookEndpoint:
    """An enabled endpoint, saved; also for the endpoint that the twin is started with.

    Raises:
        ApiError: 400 for a URL that is none, no events, or one endpoint too many.
    """
    _check_url(url)
    if not enabled_events:
        raise invalid("enabled_events must name at least one event.", param="enabled_events")
    if len(work.context.endpoints.of_account(work.account)) >= ENDPOINTS_MAX:
        raise invalid(f"You have reached the maximum of {ENDPOINTS_MAX} webhook endpoints.")
    endpoint: WebhookEndpoint = {
        "id": work.new_id(WEBHOOK_ENDPOINT),
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": work.created,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "twin_secrets": [{"value": secret, "expires_at": None} for secret in secrets],
    }
    work.save(WEBHOOK_ENDPOINT, endpoint)
    return endpoint


def retrieve(work: Work, _: Parameters, endpoint_id: str) -> ApiAnswer:
    """Show an endpoint, without its secret."""
    return shown(_living(work, endpoint_id))


def update(work: Work, parameters: Parameters, endpoint_id: str) -> ApiAnswer:
    """Change an endpoint, or switch it off and on."""
    endpoint = _living(work, endpoint_id)
    url = parameters.text("url")
    if url is not None:
        _check_url(url)
        endpoint["url"] = url
    events = parameters.texts("enabled_events")
    if events:
        endpoint["enabled_events"] = events
    if parameters.has("disabled"):
        # A disabled endpoint keeps what it is owed: enabled before the next retry, it gets it after
        # all.
        endpoint["status"] = "disabled" if parameters.flag("disabled") else "enabled"
    if parameters.has("description"):
        endpoint["description"] = parameters.text("description")
    endpoint["metadata"] = parameters.metadata(endpoint["metadata"])
    work.save(WEBHOOK_ENDPOINT, endpoint)
    return shown(endpoint)


def delete(work: Work, _: Parameters, endpoint_id: str) -> ApiAnswer:
    """Delete an endpoint: what it has not received it never will."""
    endpoint = _living(work, endpoint_id)
    # Marked, not removed: attempts on record go on naming it.
    endpoint["status"] = "deleted"
    work.save(WEBHOOK_ENDPOINT, endpoint)
    return ApiAnswer(200, {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True})


def list_page(work: Work, _: Parameters, __: str) -> ApiAnswer:
    """All endpoints, newest first; there are never more than one page of them."""
    endpoints = work.context.endpoints.of_account(work.account)
    data = [public(cast(Mapping[str, object], endpoint)) for endpoint in reversed(endpoints)]
    return ApiAnswer(
        200,
        {"object": "list", "data": data, "has_more": False, "url": "/v1/webhook_endpoints"},
    )


def _living(work: Work, endpoint_id: str) -> WebhookEndpoint:
    endpoint = work.get(WEBHOOK_ENDPOINT, endpoint_id, "webhook_endpoint")
    if endpoint["status"] == "deleted":
        raise no_such("webhook_endpoint", endpoint_id, "webhook_endpoint")
    return endpoint


def _check_url(url: str) -> None:
    refused: ApiError = invalid(
        "Invalid URL: an explicit scheme is needed.", param="url", code="url_invalid"
    )
    try:
        parts = urlsplit(url)
        # Stripe asks for HTTPS in live mode and takes plain HTTP for local receivers, and every
        # receiver of a twin is local.
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise refused from error
    if not usable or any(letter.isspace() for letter in url):
        raise refused
