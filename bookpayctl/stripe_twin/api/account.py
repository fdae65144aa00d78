"""/v1/account, /v1/balance and /v1/balance_transactions."""

from bookpayctl.stripe_twin.api.answer import Answer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import ARRAY, TEXT, Parameters, Specification
from bookpayctl.stripe_twin.errors import ApiError
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.kinds import BALANCE_TRANSACTION

RETRIEVE: Specification = {"expand": ARRAY}
TRANSACTIONS: Specification = {
    **PAGING,
    **CREATED,
    "currency": TEXT,
    "payout": TEXT,
    "source": TEXT,
    "type": TEXT,
}


def retrieve(work: Work, _: Parameters, account_id: str) -> Answer:
    """Show the account of the key."""
    if account_id not in ("", work.account):
        raise ApiError(
            403,
            "invalid_request_error",
            "The provided key does not have access to this account.",
            code="account_invalid",
        )
    return Answer(
        200,
        {
            "id": work.account,
            "object": "account",
            "business_profile": {"name": "stripe twin", "url": None},
            "business_type": "company",
            "capabilities": {"card_payments": "active", "transfers": "active"},
            "charges_enabled": True,
            "country": "US",
            "default_currency": "usd",
            "details_submitted": True,
            "email": None,
            "metadata": {},
            "payouts_enabled": True,
            "settings": {"dashboard": {"display_name": "stripe twin", "timezone": "Etc/UTC"}},
            "type": "standard",
        },
    )


def balance(work: Work, _: Parameters, __: str) -> Answer:
    """The sum of all balance transactions, by currency; available after two days."""
    rows = work.around.ledger.select(
        "SELECT json_extract(body, '$.currency'), json_extract(body, '$.available_on') <= ?, "
        "sum(json_extract(body, '$.net')) FROM objects "
        "WHERE account = ? AND kind = 'balance_transaction' GROUP BY 1, 2",
        (work.created, work.account),
    )
    sums: dict[str, dict[bool, int]] = {}
    for currency, available, net in rows:
        sums.setdefault(str(currency), {})[bool(available)] = int(net or 0)

    def shown_as(available: bool) -> list[dict[str, object]]:
        return [
            {
                "amount": by_state.get(available, 0),
                "currency": currency,
                "source_types": {"card": by_state.get(available, 0)},
            }
            for currency, by_state in sorted(sums.items())
        ] or [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]

    return Answer(
        200,
        {
            "object": "balance",
            "available": shown_as(True),
            "livemode": False,
            "pending": shown_as(False),
        },
    )


def list_transactions(work: Work, parameters: Parameters, _: str) -> Answer:
    """Balance transactions, newest first."""
    kind, currency = parameters.text("type"), parameters.text("currency")
    only = ("type", kind) if kind is not None else None
    if only is None and currency is not None:
        only = ("currency", currency)
    page = page_of_objects(
        work,
        parameters,
        "balance_transaction",
        "/v1/balance_transactions",
        filters=("source",),
        only=only,
    )
    return Answer(200, page)


def retrieve_transaction(work: Work, _: Parameters, transaction_id: str) -> Answer:
    """Show a balance transaction."""
    return shown(work.get(BALANCE_TRANSACTION, transaction_id))
