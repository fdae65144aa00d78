"""Every route of the API, by hand: method, path, handler, accepted parameters."""

from dataclasses import dataclass

from bookpayctl.stripe_twin.api import (
    account,
    cash,
    charges,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    refunds,
    search,
    setup_intents,
    sources,
    webhook_endpoints,
)
from bookpayctl.stripe_twin.api.answer import ApiHandler, Search
from bookpayctl.stripe_twin.api.parameters import Specification
from bookpayctl.stripe_twin.errors import no_such_route


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method on a path, `*` standing for an object's id."""

    method: str
    path: str
    handler: ApiHandler | Search
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
    Route("POST", "/v1/charges", charges.create, charges.CREATE),
    Route("GET", "/v1/charges", charges.list_page, charges.LIST),
    Route("GET", "/v1/charges/search", search.charges, search.SEARCH),
    Route("GET", "/v1/charges/*", charges.retrieve, charges.RETRIEVE),
    Route("POST", "/v1/charges/*", charges.update, charges.UPDATE),
    Route("POST", "/v1/charges/*/capture", charges.capture, charges.CAPTURE),
    Route("GET", "/v1/disputes", disputes.list_page, disputes.LIST),
    Route("GET", "/v1/disputes/*", disputes.retrieve, disputes.RETRIEVE),
    Route("POST", "/v1/disputes/*", disputes.update, disputes.UPDATE),
    Route("POST", "/v1/disputes/*/close", disputes.close, disputes.RETRIEVE),
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
    Route("GET", "/v1/customers/search", search.customers, search.SEARCH),
    Route("GET", "/v1/customers/*", customers.retrieve, customers.RETRIEVE),
    Route("POST", "/v1/customers/*", customers.update, customers.UPDATE),
    Route("DELETE", "/v1/customers/*", customers.delete, customers.RETRIEVE),
    Route(
        "GET",
        "/v1/customers/*/payment_methods",
        customers.list_payment_methods,
        customers.LIST_PAYMENT_METHODS,
    ),
    Route(
        "GET",
        "/v1/customers/*/payment_methods/*",
        customers.retrieve_payment_method,
        customers.RETRIEVE,
    ),
    Route("POST", "/v1/customers/*/sources", sources.create, sources.CREATE),
    Route("GET", "/v1/customers/*/sources", sources.list_page, sources.LIST),
    Route("GET", "/v1/customers/*/sources/*", sources.retrieve, sources.RETRIEVE),
    Route("POST", "/v1/customers/*/sources/*", sources.update, sources.UPDATE),
    Route("DELETE", "/v1/customers/*/sources/*", sources.delete, sources.RETRIEVE),
    Route("GET", "/v1/customers/*/cash_balance", cash.retrieve, cash.RETRIEVE),
    Route("GET", "/v1/customers/*/cash_balance_transactions", cash.list_page, cash.LIST),
    Route(
        "GET",
        "/v1/customers/*/cash_balance_transactions/*",
        cash.retrieve_transaction,
        cash.RETRIEVE,
    ),
    Route("POST", "/v1/test_helpers/customers/*/fund_cash_balance", cash.fund_balance, cash.FUND),
    Route("POST", "/v1/setup_intents", setup_intents.create, setup_intents.CREATE),
    Route("GET", "/v1/setup_intents", setup_intents.list_page, setup_intents.LIST),
    Route("GET", "/v1/setup_intents/*", setup_intents.retrieve, setup_intents.RETRIEVE),
    Route("POST", "/v1/setup_intents/*", setup_intents.update, setup_intents.UPDATE),
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
    # What the same two were called before.
    Route("GET", "/v1/balance/history", account.list_transactions, account.TRANSACTIONS),
    Route("GET", "/v1/balance/history/*", account.retrieve_transaction, account.RETRIEVE),
    Route("GET", "/v1/account", account.retrieve, account.RETRIEVE),
    Route("POST", "/v1/accounts", account.create, account.CREATE),
    Route("GET", "/v1/accounts", account.list_page, account.LIST),
    Route("GET", "/v1/accounts/*", account.retrieve, account.RETRIEVE),
)

_BY_METHOD_AND_PATH = {(route.method, route.path): route for route in ROUTES}


def find_route(method: str, path: str) -> tuple[Route, str]:
    """The route of a request and the object id in its path ("" if there is none).

    Of a path with two ids, both are given, with `/` between them.

    Raises:
        ApiError: 404, nothing answers this.
    """
    # First, so that `/payment_intents/search` is not taken for an id.
    exact = _BY_METHOD_AND_PATH.get((method, path))
    if exact is not None:
        return exact, ""
    parts = path.split("/")  # "", "v1", "payment_intents", "pi_1", "confirm"
    # An empty part is no id: `/v1/charges/` must not be read as a charge without a name.
    if all(parts[1:]):
        # An id stands third (`/payment_intents/ID`), fourth (`/balance/history/ID`), or third and
        # fifth (`/customers/ID/sources/ID`).
        for places in ((3,), (4,), (3, 5)):
            if places[-1] < len(parts):
                pattern = "/".join("*" if i in places else part for i, part in enumerate(parts))
                found = _BY_METHOD_AND_PATH.get((method, pattern))
                if found is not None:
                    return found, "/".join(parts[i] for i in places)
    raise no_such_route(method, path)
