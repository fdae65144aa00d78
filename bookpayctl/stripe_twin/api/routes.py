"""Every route of the API, by hand: method, path, handler, accepted parameters."""

from dataclasses import dataclass

from bookpayctl.stripe_twin.api import (
    account,
    charges,
    customers,
    events,
    payment_intents,
    payment_methods,
    refunds,
    search,
    setup_intents,
    webhook_endpoints,
)
from bookpayctl.stripe_twin.api.answer import Handler
from bookpayctl.stripe_twin.api.parameters import Specification
from bookpayctl.stripe_twin.errors import no_such_route


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method on a path, `*` standing for an object's id."""

    method: str
    path: str
    handler: Handler
    accepts: Specification


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/payment_intents", payment_intents.create, payment_intents.CREATE),
    Route("GET", "/v1/payment_intents", payment_intents.list_page, payment_intents.LIST),
    Route("GET", "/v1/payment_intents/search", search.payment_intents, search.SEARCH),
    Route("GET", "/v1/payment_intents/*", payment_intents.retrieve, payment_intents.RETRIEVE),
    Route("POST", "/v1/payment_intents/*", payment_intents.update, payment_intents.UPDATE),
    Route(
        "POST", "/v1/payment_intents/*/confirm", payment_intents.confirm, payment_intents.CONFIRM
    ),
    Route(
        "POST", "/v1/payment_intents/*/capture", payment_intents.capture, payment_intents.CAPTURE
    ),
    Route("POST", "/v1/payment_intents/*/cancel", payment_intents.cancel, payment_intents.CANCEL),
    Route("GET", "/v1/charges", charges.list_page, charges.LIST),
    Route("GET", "/v1/charges/search", search.charges, search.SEARCH),
    Route("GET", "/v1/charges/*", charges.retrieve, charges.RETRIEVE),
    Route("POST", "/v1/charges/*", charges.update, charges.UPDATE),
    Route("GET", "/v1/disputes", charges.list_disputes, charges.DISPUTES),
    Route("GET", "/v1/disputes/*", charges.retrieve_dispute, charges.RETRIEVE),
    Route("POST", "/v1/refunds", refunds.create, refunds.CREATE),
    Route("GET", "/v1/refunds", refunds.list_page, refunds.LIST),
    Route("GET", "/v1/refunds/*", refunds.retrieve, refunds.RETRIEVE),
    Route("POST", "/v1/refunds/*", refunds.update, refunds.UPDATE),
    Route("POST", "/v1/refunds/*/cancel", refunds.cancel, refunds.RETRIEVE),
    Route("POST", "/v1/payment_methods", payment_methods.create, payment_methods.CREATE),
    Route("GET", "/v1/payment_methods", payment_methods.list_page, payment_methods.LIST),
    Route("GET", "/v1/payment_methods/*", payment_methods.retrieve, payment_methods.RETRIEVE),
    Route("POST", "/v1/payment_methods/*", payment_methods.update, payment_methods.UPDATE),
    Route("POST", "/v1/payment_methods/*/attach", payment_methods.attach, payment_methods.ATTACH),
    Route("POST", "/v1/payment_methods/*/detach", payment_methods.detach, payment_methods.RETRIEVE),
    Route("POST", "/v1/customers", customers.create, customers.CREATE),
    Route("GET", "/v1/customers", customers.list_page, customers.LIST),
    Route("GET", "/v1/customers/*", customers.retrieve, customers.RETRIEVE),
    Route("POST", "/v1/customers/*", customers.update, customers.UPDATE),
    Route("DELETE", "/v1/customers/*", customers.delete, customers.RETRIEVE),
    Route(
        "GET",
        "/v1/customers/*/payment_methods",
        customers.list_payment_methods,
        customers.LIST_PAYMENT_METHODS,
    ),
    Route("POST", "/v1/setup_intents", setup_intents.create, setup_intents.CREATE),
    Route("GET", "/v1/setup_intents", setup_intents.list_page, setup_intents.LIST),
    Route("GET", "/v1/setup_intents/*", setup_intents.retrieve, setup_intents.RETRIEVE),
    Route("POST", "/v1/setup_intents/*/confirm", setup_intents.confirm, setup_intents.CONFIRM),
    Route("POST", "/v1/setup_intents/*/cancel", setup_intents.cancel, setup_intents.CANCEL),
    Route("GET", "/v1/events", events.list_page, events.LIST),
    Route("GET", "/v1/events/*", events.retrieve, events.RETRIEVE),
    Route("POST", "/v1/webhook_endpoints", webhook_endpoints.create, webhook_endpoints.CREATE),
    Route("GET", "/v1/webhook_endpoints", webhook_endpoints.list_page, webhook_endpoints.LIST),
    Route("GET", "/v1/webhook_endpoints/*", webhook_endpoints.retrieve, webhook_endpoints.RETRIEVE),
    Route("POST", "/v1/webhook_endpoints/*", webhook_endpoints.update, webhook_endpoints.UPDATE),
    Route(
        "DELETE", "/v1/webhook_endpoints/*", webhook_endpoints.delete, webhook_endpoints.RETRIEVE
    ),
    Route("GET", "/v1/balance", account.balance, account.RETRIEVE),
    Route("GET", "/v1/balance_transactions", account.list_transactions, account.TRANSACTIONS),
    Route("GET", "/v1/balance_transactions/*", account.retrieve_transaction, account.RETRIEVE),
    Route("GET", "/v1/account", account.retrieve, account.RETRIEVE),
    Route("GET", "/v1/accounts/*", account.retrieve, account.RETRIEVE),
)

_BY_METHOD_AND_PATH = {(route.method, route.path): route for route in ROUTES}


def find_route(method: str, path: str) -> tuple[Route, str]:
    """The route of a request and the object id in its path ("" if there is none).

    Raises:
        ApiError: 404, nothing answers this.
    """
    exact = _BY_METHOD_AND_PATH.get((method, path))
    if exact is not None:
        return exact, ""
    parts = path.split("/")  # "", "v1", "payment_intents", "pi_1", "confirm"
    if len(parts) in (4, 5) and parts[3]:
        pattern = "/".join([*parts[:3], "*", *parts[4:]])
        found = _BY_METHOD_AND_PATH.get((method, pattern))
        if found is not None:
            return found, parts[3]
    raise no_such_route(method, path)
