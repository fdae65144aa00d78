"""/v1/account, /v1/balance and /v1/balance_transactions."""

from collections.abc import Mapping
from typing import cast

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import CREATED, PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import ARRAY, TEXT, Parameters, Specification
from bookpayctl.stripe_twin.errors import ApiError
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
TRANSACTIONS: Specification = {
    **PAGING,
    **CREATED,
    "currency": TEXT,
    "payout": TEXT,
    "source": TEXT,
    "type": TEXT,
}


def retrieve(work: Work, _: Parameters, account_id: str) -> ApiAnswer:
    """Show the account of the key."""
    # The same answer for accounts that exist and for those that do not: a key learns nothing about
    # others.
    if account_id not in ("", work.account):
        raise ApiError(
            403,
            "invalid_request_error",
            "The provided key does not have access to this account.",
            code="account_invalid",
        )
    return ApiAnswer(
        200,
        {
            "id": work.account,
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
        },
    )


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
