"""/v1/account, /v1/balance and /v1/balance_transactions."""

from collections.abc import Mapping
from typing import cast

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, limit_of, page_of_objects
from bookpayctl.stripe_twin.api.parameters import ANY, ARRAY, TEXT, Parameters, Specification
from bookpayctl.stripe_twin.errors import ApiError, invalid, no_such
from bookpayctl.stripe_twin.ledger.accounts import ConnectedAccount
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.balance import as_of, balance_of
from bookpayctl.stripe_twin.resources.kinds import BALANCE_TRANSACTION

RETRIEVE: Specification = {"expand": ARRAY}
_SETTINGS: dict[str, object] = {
    "bacs_debit_payments": {"display_name": None, "service_user_number": None},
    "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
    "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
    "card_payments": {
        "decline_on": {"avs_failure": False, "cvc_failure": False},
        "statement_descriptor_prefix": None,
        "statement_descriptor_prefix_kana": None,
        "statement_descriptor_prefix_kanji": None,
    },
    "dashboard": {"display_name": "stripe twin", "timezone": "Etc/UTC"},
    "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "never"},
    "payments": {
        "statement_descriptor": "STRIPE TWIN",
        "statement_descriptor_kana": None,
        "statement_descriptor_kanji": None,
    },
    "payouts": {
        "debit_negative_balances": True,
        "schedule": {"delay_days": 2, "interval": "daily"},
        "statement_descriptor": None,
    },
    "sepa_debit_payments": {},
}
_SAID_TEXTS = ("business_type", "country", "default_currency", "email", "type")
# What is said of companies and persons is taken and has no effect: every account may do all.
CREATE: Specification = {
    **dict.fromkeys(_SAID_TEXTS, TEXT),
    **dict.fromkeys(
        (
            *("bank_account", "business_profile", "capabilities", "company", "controller"),
            *("documents", "external_account", "groups", "individual", "metadata", "risk_controls"),
            *("settings", "tos_acceptance"),
        ),
        ANY,
    ),
    "account_token": TEXT,
    "expand": ARRAY,
}
LIST: Specification = {
    "limit": PAGING["limit"],
    "starting_after": PAGING["starting_after"],
    "expand": ARRAY,
}
TRANSACTIONS: Specification = {
    **PAGING,
    **CREATED,
    "currency": TEXT,
    "payout": TEXT,
    "source": TEXT,
    "type": TEXT,
}


def retrieve(work: Work, _: Parameters, account_id: str) -> ApiAnswer:
    """Show the account of the key, or one that is connected to it."""
    accounts = work.context.accounts
    wanted = account_id or work.account
    # The same answer for accounts that exist and for those that do not: a key learns nothing about
    # others.
    if not accounts.may_act_in(work.account, wanted):
        raise ApiError(
            403,
            "invalid_request_error",
            "The provided key does not have access to this account.",
            code="account_invalid",
        )
    return ApiAnswer(200, _shown(wanted, accounts.find_connected(wanted)))


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Make an account that is connected to the key's own."""
    accounts = work.context.accounts
    if accounts.platform_of(work.account) is not None:
        raise invalid("You can only create new accounts if you've signed up for Connect.")
    said: dict[str, object] = {name: parameters.text(name) for name in _SAID_TEXTS}
    said["metadata"] = parameters.metadata({})
    made = ConnectedAccount(
        work.context.ids.new("acct"),
        work.account,
        work.created,
        {name: value for name, value in said.items() if value is not None},
    )
    work.connect(made)
    return ApiAnswer(200, _shown(made.account, made))


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """The accounts that are connected to the key's own, newest first."""
    connected = work.context.accounts.connected_to(work.account)[::-1]
    limit = limit_of(parameters)
    after = parameters.text("starting_after")
    if after is not None:
        ids = [found.account for found in connected]
        if after not in ids:
            raise no_such("account", after, "starting_after")
        connected = connected[ids.index(after) + 1 :]
    data = [_shown(found.account, found) for found in connected[:limit]]
    more = len(connected) > limit
    return ApiAnswer(200, {"object": "list", "data": data, "has_more": more, "url": "/v1/accounts"})


def _shown(account: str, connected: ConnectedAccount | None) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": account,
        "object": "account",
        "business_profile": {
            **dict.fromkeys(("mcc", "product_description", "support_address")),
            **dict.fromkeys(("support_email", "support_phone", "support_url", "url")),
            "name": "stripe twin",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": _SETTINGS,
        "type": "standard",
    }
    if connected is not None:
        shown.update({"created": connected.created, **connected.said})
    return shown


def balance(work: Work, _: Parameters, __: str) -> ApiAnswer:
    """What the account owns, by currency."""
    return ApiAnswer(200, balance_of(work))


def list_transactions(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Balance transactions, newest first."""
    if parameters.text("payout") is not None:
        # There are no payouts here, so none of them has transactions.
        url = "/v1/balance_transactions"
        return ApiAnswer(200, {"object": "list", "data": [], "has_more": False, "url": url})
    page = page_of_objects(
        work,
        parameters,
        "balance_transaction",
        "/v1/balance_transactions",
        filters=("source",),
        equal={"type": parameters.text("type"), "currency": parameters.text("currency")},
        # Stored as pending and shown as available once its day has come: nothing happens at
        # midnight that would have to be written.
        show=lambda transaction: as_of(transaction, work.now),
    )
    return ApiAnswer(200, page)


def retrieve_transaction(work: Work, _: Parameters, transaction_id: str) -> ApiAnswer:
    """Show a balance transaction."""
    found = cast(Mapping[str, object], work.get(BALANCE_TRANSACTION, transaction_id))
    return shown(as_of(found, work.now))
