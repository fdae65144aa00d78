"""A PaymentMethod: a card or bank account as the twin pretends to know it."""

from typing import Literal, NotRequired, TypedDict

from bookpayctl.stripe_twin.documents import Json


class PaymentMethod(TypedDict):
    """The answered object; of `card`, `us_bank_account` and `sepa_debit` it has its type's own."""

    id: str
    object: Literal["payment_method"]
    allow_redisplay: str
    billing_details: dict[str, Json]
    card: NotRequired[dict[str, Json]]
    created: int
    customer: str | None
    customer_balance: NotRequired[dict[str, Json]]
    customer_account: str | None
    livemode: bool
    metadata: dict[str, str]
    sepa_debit: NotRequired[dict[str, Json]]
    type: str
    us_bank_account: NotRequired[dict[str, Json]]
    # Not Stripe's: the test token that decides how this method behaves.
    twin_behaviour: str


_NOBODY: dict[str, Json] = {
    "address": {
        "city": None,
        "country": None,
        "line1": None,
        "line2": None,
        "postal_code": None,
        "state": None,
    },
    "email": None,
    "name": None,
    "phone": None,
    "tax_id": None,
}


def new_payment_method(
    payment_method_id: str, kind: str, behaviour: str, *, brand: str, last4: str, created: int
) -> PaymentMethod:
    """A payment method of a type, with the face that a brand and four digits give it."""
    method: PaymentMethod = {
        "id": payment_method_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": dict(_NOBODY),
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        "twin_behaviour": behaviour,
    }
    if kind == "card":
        method["card"] = _card(brand, last4, _fingerprint(behaviour))
    elif kind == "us_bank_account":
        method["us_bank_account"] = {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TWIN BANK",
            "financial_connections_account": None,
            "fingerprint": _fingerprint(behaviour),
            "last4": last4,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": None,
        }
    elif kind == "customer_balance":
        method["customer_balance"] = {}
    elif kind == "sepa_debit":
        method["sepa_debit"] = {
            "bank_code": "19043",
            "branch_code": "",
            "country": "AT",
            "fingerprint": _fingerprint(behaviour),
            "generated_from": {"charge": None, "setup_attempt": None},
            "last4": last4,
        }
    return method


def with_billing_details(method: PaymentMethod, said: dict[str, Json]) -> dict[str, Json]:
    """The method's billing details after some were said; an address keeps what was not."""
    before = method["billing_details"]
    # An empty text unsets, as everywhere in the API.
    after = {**before, **{name: value or None for name, value in said.items()}}
    old, new = before.get("address"), said.get("address")
    if isinstance(old, dict) and isinstance(new, dict):
        after["address"] = {**old, **new}
    return after


def hash_digits(text: str) -> int:
    """A number of at most twelve digits that is the same in every process for one text."""
    number = 0
    for letter in text:
        # Not hash(), which is salted: a fingerprint must be the same after a restart.
        number = (number * 31 + ord(letter)) % 10**12
    return number


def _fingerprint(behaviour: str) -> str:
    """The same for every method made from one test token, as a card's is for its number."""
    return f"twin{hash_digits(behaviour):012d}"


def _card(brand: str, last4: str, fingerprint: str) -> dict[str, Json]:
    return {
        "brand": brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": brand,
        "exp_month": 8,
        "exp_year": 2035,
        "fingerprint": fingerprint,
        "funding": "credit",
        "generated_from": None,
        "last4": last4,
        "networks": {"available": [brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def card_in_charge(card: dict[str, Json], amount: int) -> dict[str, Json]:
    """A card as `payment_method_details` shows it: what the network made of it, too."""
    shown = {name: card[name] for name in _ALSO_IN_CHARGES}
    return {
        **shown,
        "amount_authorized": amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "three_d_secure": None,
    }


_ALSO_IN_CHARGES = (
    *("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4"),
    *("regulated_status", "wallet"),
)
# How the older API spells brands.
_BRANDS = {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}


def as_source(method: PaymentMethod) -> dict[str, Json]:
    """A card as the older API shows it: the same object that `/v1/payment_methods` knows."""
    card = method.get("card", {})
    brand = str(card.get("brand"))
    return {
        "id": method["id"],
        "object": "card",
        "address_city": None,
        "address_country": None,
        "address_line1": None,
        "address_line1_check": None,
        "address_line2": None,
        "address_state": None,
        "address_zip": None,
        "address_zip_check": None,
        "allow_redisplay": method["allow_redisplay"],
        "brand": _BRANDS.get(brand, brand.capitalize()),
        "country": "US",
        "customer": method["customer"],
        "cvc_check": "pass",
        "dynamic_last4": None,
        "exp_month": card.get("exp_month"),
        "exp_year": card.get("exp_year"),
        "fingerprint": card.get("fingerprint"),
        "funding": card.get("funding"),
        "last4": card.get("last4"),
        "metadata": dict(method["metadata"]),
        "name": method["billing_details"].get("name"),
        "regulated_status": card.get("regulated_status"),
        "tokenization_method": None,
        "wallet": None,
    }
