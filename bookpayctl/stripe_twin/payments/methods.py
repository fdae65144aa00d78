"""Turns what a request calls a payment method into a payment method object."""

from dataclasses import dataclass

from bookpayctl.stripe_twin.errors import ApiError, invalid, no_such
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments.test_methods import (
    BANK_ACCOUNTS,
    CARD_NUMBERS,
    LEGACY_TOKENS,
    TEST_METHODS,
    BankRefusal,
    TestMethod,
)
from bookpayctl.stripe_twin.resources.kinds import PAYMENT_METHOD
from bookpayctl.stripe_twin.resources.payment_method import PaymentMethod, new_payment_method


@dataclass(frozen=True, slots=True)
class MethodInput:
    """A payment method described by its details instead of its id."""

    kind: str
    number: str | None
    token: str | None


def behaviour_of(method: PaymentMethod) -> TestMethod:
    """The row of the table that a method was made from."""
    return TEST_METHODS[method["twin_behaviour"]]


def from_token(work: Work, token: str, prefix: str = PAYMENT_METHOD.prefix) -> PaymentMethod:
    """A new payment method for a test token, as Stripe makes one for each use of a token.

    With the prefix `card` it is a card of the older API, which is a payment method too.
    """
    # Each use of a token makes a method of its own, with an id of its own; only the fingerprint is
    # shared.
    test = TEST_METHODS[token]
    method = new_payment_method(
        work.context.ids.new(prefix),
        test.kind,
        token,
        brand=test.brand,
        last4=test.last4,
        created=work.created,
    )
    work.save(PAYMENT_METHOD, method)
    return method


def resolve(work: Work, name: str) -> PaymentMethod:
    """The method that a request names by id, test token or legacy card token.

    Raises:
        ApiError: 404, there is no such method in this account.
    """
    token = LEGACY_TOKENS.get(name, name)
    if token in TEST_METHODS:
        return from_token(work, token)
    found = work.find(PAYMENT_METHOD, name)
    if found is None:
        # Stripe spells the object's name so in this one message.
        raise no_such("PaymentMethod", name, "payment_method")
    return found


def from_source(work: Work, name: str) -> PaymentMethod:
    """The card that the older API calls a source: by a `tok_`, or by the id of one it made.

    Raises:
        ApiError: 404, there is no such token or card in this account.
    """
    if name in LEGACY_TOKENS:
        return from_token(work, LEGACY_TOKENS[name], "card")
    found = work.find(PAYMENT_METHOD, name) if name.startswith("card_") else None
    if found is None:
        raise no_such("token" if name.startswith("tok_") else "source", name, "source")
    return found


def from_number(work: Work, number: str | None, prefix: str) -> PaymentMethod:
    """A new card from its number; raises the 402 for one that is not a test number."""
    # As people copy them from the page of test cards.
    digits = (number or "").replace(" ", "")
    if digits not in CARD_NUMBERS:
        raise ApiError(
            402,
            "card_error",
            "Your card was declined. Your request was in test mode, but used a non test card.",
            code="card_declined",
            decline_code="test_mode_live_card",
            param="number",
        )
    return from_token(work, CARD_NUMBERS[digits], prefix)


def from_input(work: Work, described: MethodInput) -> PaymentMethod:
    """A new payment method from details; unknown numbers of a type behave well.

    Raises:
        ApiError: 402 for a card number that is not one of the test numbers, as Stripe refuses
            real cards in test mode.
    """
    if described.token is not None:
        return resolve(work, described.token)
    if described.kind == "card":
        return from_number(work, described.number, PAYMENT_METHOD.prefix)
    if described.kind in {"us_bank_account", "sepa_debit"}:
        # Accounts have no list that must be kept to, unlike cards: no real one can do harm here.
        default = {"us_bank_account": "pm_usBankAccount_success", "sepa_debit": "pm_sepaDebit"}
        return from_token(work, BANK_ACCOUNTS.get(described.number or "", default[described.kind]))
    if described.kind == "customer_balance":
        return from_token(work, "pm_twin_customerBalance")
    raise invalid(
        f"The twin does not play payment methods of type {described.kind}.",
        param="type",
        code="parameter_invalid_string_enum",
    )


def refuse_attachment(method: PaymentMethod) -> None:
    """Raise the 402 if attaching fails already: the bank is asked then, and these it refuses.

    `pm_card_chargeCustomerFail` is the exception that gives it its name: it attaches and fails
    when it is charged.
    """
    token = method["twin_behaviour"]
    result = TEST_METHODS[token].result
    if isinstance(result, BankRefusal) and token != "pm_card_chargeCustomerFail":  # noqa: S105 - a test method
        raise ApiError(
            402,
            "card_error",
            result.message,
            code=result.code,
            decline_code=result.decline_code,
        )
