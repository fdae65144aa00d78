"""Routes, and that the twin accepts every parameter that the official library can send."""

from __future__ import annotations

from typing import Any

import pytest
import stripe.params as params

from bookpayctl.stripe_twin.api.probe import PROBES
from bookpayctl.stripe_twin.api.routes import ROUTES, find_route
from bookpayctl.stripe_twin.errors import ApiError

NOT_PARAMETERS = {
    "api_key",
    "stripe_version",
    "stripe_account",
    "stripe_context",
    "max_network_retries",
    "idempotency_key",
    "content_type",
    "headers",
}
LIBRARY = [
    ("POST", "/v1/payment_intents", "PaymentIntentCreateParams"),
    ("POST", "/v1/payment_intents/pi_1", "PaymentIntentModifyParams"),
    ("POST", "/v1/payment_intents/pi_1/confirm", "PaymentIntentConfirmParams"),
    ("POST", "/v1/payment_intents/pi_1/capture", "PaymentIntentCaptureParams"),
    ("POST", "/v1/payment_intents/pi_1/cancel", "PaymentIntentCancelParams"),
    ("GET", "/v1/payment_intents", "PaymentIntentListParams"),
    ("GET", "/v1/charges", "ChargeListParams"),
    ("POST", "/v1/charges/ch_1", "ChargeModifyParams"),
    ("POST", "/v1/refunds", "RefundCreateParams"),
    ("POST", "/v1/refunds/re_1", "RefundModifyParams"),
    ("GET", "/v1/refunds", "RefundListParams"),
    ("POST", "/v1/customers", "CustomerCreateParams"),
    ("GET", "/v1/customers", "CustomerListParams"),
    ("POST", "/v1/payment_methods/pm_1/attach", "PaymentMethodAttachParams"),
    ("GET", "/v1/payment_methods", "PaymentMethodListParams"),
    ("POST", "/v1/setup_intents", "SetupIntentCreateParams"),
    ("POST", "/v1/setup_intents/seti_1/confirm", "SetupIntentConfirmParams"),
    ("GET", "/v1/events", "EventListParams"),
    ("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams"),
    ("POST", "/v1/webhook_endpoints/we_1", "WebhookEndpointModifyParams"),
    ("GET", "/v1/balance_transactions", "BalanceTransactionListParams"),
]


@pytest.mark.parametrize(("method", "path", "name"), LIBRARY)
def test_a_route_accepts_what_the_library_can_send(method: str, path: str, name: str) -> None:
    library: Any = getattr(params, name)

    route, _ = find_route(method, path)

    assert set(library.__annotations__) - NOT_PARAMETERS - set(route.accepts) == set()


@pytest.mark.parametrize(
    ("method", "path", "pattern", "object_id"),
    [
        ("GET", "/v1/payment_intents/search", "/v1/payment_intents/search", ""),
        ("GET", "/v1/payment_intents/pi_1", "/v1/payment_intents/*", "pi_1"),
        ("POST", "/v1/payment_intents/pi_1/confirm", "/v1/payment_intents/*/confirm", "pi_1"),
        ("GET", "/v1/account", "/v1/account", ""),
    ],
)
def test_a_path_finds_its_route(method: str, path: str, pattern: str, object_id: str) -> None:
    route, found = find_route(method, path)

    assert (route.path, found) == (pattern, object_id)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/payment_intents"),
        ("GET", "/v1/payment_intents/"),
        ("GET", "/"),
        ("POST", "/v1/payment_intents/pi_1/explode"),
        ("GET", "/v1/payment_intents/pi_1/confirm/more"),
    ],
)
def test_any_other_path_is_not_found(method: str, path: str) -> None:
    with pytest.raises(ApiError) as caught:
        find_route(method, path)

    assert caught.value.status == 404


def test_no_route_is_listed_twice() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_no_path_of_stripes_is_a_probes() -> None:
    assert all(route.path.startswith("/v1/") for route in ROUTES)
    assert not any(path.startswith("/v1/") for path in PROBES)
