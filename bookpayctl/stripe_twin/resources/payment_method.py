"""A PaymentMethod: a card or bank account as the twin pretends to know it."""

from typing import Literal, TypedDict

from bookpayctl.stripe_twin.documents import Json


class PaymentMethod(TypedDict):
    """The answered object; of `card`, `us_bank_account`, `sepa_debit` the type's own is set.

    The other two are null here where Stripe leaves them out.
    """

    id: str
    object: Literal["payment_method"]
    allow_redisplay: str
    billing_details: dict[str, Json]
    card: dict[str, Json] | None
    created: int
    customer: str | None
    customer_account: str | None
    livemode: bool
    metadata: dict[str, str]
    sepa_debit: dict[str, Json] | None
    type: str
    us_bank_account: dict[str, Json] | None
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
        "card": None,
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "sepa_debit": None,
        "type": kind,
        "us_bank_account": None,
        "twin_behaviour": behaviour,
    }
    if kind == "card":
        method["card"] = _card(brand, last4, f"twin{abs(hash_digits(behaviour)):012d}")
    elif kind == "us_bank_account":
        method["us_bank_account"] = {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TWIN BANK",
            "last4": last4,
            "routing_number": "110000000",
        }
    elif kind == "sepa_debit":
        method["sepa_debit"] = {
            "bank_code": "19043",
            "branch_code": "",
            "country": "AT",
            "last4": last4,
        }
    return method


def hash_digits(text: str) -> int:
    """A number of at most twelve digits that is the same in every process for one text."""
    number = 0
    for letter in text:
        number = (number * 31 + ord(letter)) % 10**12
    return number


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
        "last4": last4,
        "networks": {"available": [brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
