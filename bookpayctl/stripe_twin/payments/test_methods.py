"""The test payment methods and what each of them does, as one table.

Sources: Stripe's page on testing, and the names that the triggers of stripe-cli use. Methods whose
name starts with `pm_twin_` exist here only; `docs/stripe-twin.md` lists them.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Approved:
    """The money is taken."""


@dataclass(frozen=True, slots=True)
class BankRefusal:
    """The charge fails; `blocked` ones never reach the network."""

    code: str
    decline_code: str | None
    message: str
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Challenged:
    """The customer must authenticate; what happens then."""

    then: "Approved | BankRefusal"
    only_off_session_fails: bool = True


@dataclass(frozen=True, slots=True)
class Debited:
    """The bank decides later; `then` is None when it waits for `bookpayctl stripe complete`."""

    then: "Approved | BankRefusal | None"


@dataclass(frozen=True, slots=True)
class Transferred:
    """The customer sends the money himself, in as many parts as he likes."""


BankResult: TypeAlias = Approved | BankRefusal | Challenged | Debited | Transferred
RefundCourse = Literal["succeeds", "pending_then_succeeds", "succeeds_then_fails"]


@dataclass(frozen=True, slots=True)
class TestMethod:
    """One row: what the method looks like, and how charging and refunding it goes."""

    kind: str
    brand: str
    last4: str
    result: BankResult
    refunds: RefundCourse = "succeeds"
    dispute_reason: str | None = None
    dispute_is_inquiry: bool = False
    available_at_once: bool = False


def _declined(decline_code: str, message: str = "Your card was declined.") -> BankRefusal:
    return BankRefusal("card_declined", decline_code, message)


def _debit_refused(code: str, message: str) -> Debited:
    return Debited(BankRefusal(code, None, message))


_OK = Approved()
_GENERIC = _declined("generic_decline")
_POOR = _declined("insufficient_funds", "Your card has insufficient funds.")
_EXPIRED = BankRefusal("expired_card", None, "Your card has expired.")
_WRONG_CVC = BankRefusal("incorrect_cvc", None, "Your card's security code is incorrect.")
_PROCESSING = BankRefusal(
    "processing_error",
    None,
    "An error occurred while processing your card. Try again in a little bit.",
)
_BLOCKED = BankRefusal("card_declined", "fraudulent", "Your card was declined.", blocked=True)
AUTHENTICATION_REQUIRED = BankRefusal(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)


def _visa(last4: str, result: BankResult) -> TestMethod:
    return TestMethod("card", "visa", last4, result)


def _bank(last4: str, result: BankResult) -> TestMethod:
    return TestMethod("us_bank_account", "us_bank_account", last4, result)


_ALIASES = {
    "pm_card_chargeDeclined": "pm_card_visa_chargeDeclined",
    "pm_card_chargeDeclinedInsufficientFunds": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedLostCard": "pm_card_visa_chargeDeclinedLostCard",
    "pm_card_chargeDeclinedStolenCard": "pm_card_visa_chargeDeclinedStolenCard",
    "pm_card_chargeDeclinedVelocityLimitExceeded": (
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded"
    ),
    "pm_card_visa_chargeDeclinedExpiredCard": "pm_card_chargeDeclinedExpiredCard",
    "pm_card_visa_chargeDeclinedIncorrectCvc": "pm_card_chargeDeclinedIncorrectCvc",
    "pm_card_visa_chargeDeclinedProcessingError": "pm_card_chargeDeclinedProcessingError",
}

TEST_METHODS: dict[str, TestMethod] = {
    "pm_card_visa": _visa("4242", _OK),
    "pm_card_us": _visa("4242", _OK),
    "pm_card_visa_debit": _visa("5556", _OK),
    "pm_card_mastercard": TestMethod("card", "mastercard", "4444", _OK),
    "pm_card_amex": TestMethod("card", "amex", "8431", _OK),
    "pm_card_discover": TestMethod("card", "discover", "1117", _OK),
    "pm_card_bypassPending": TestMethod("card", "visa", "0077", _OK, available_at_once=True),
    "pm_card_visa_chargeDeclined": _visa("0002", _GENERIC),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _visa("9995", _POOR),
    "pm_card_visa_chargeDeclinedLostCard": _visa("9987", _declined("lost_card")),
    "pm_card_visa_chargeDeclinedStolenCard": _visa("9979", _declined("stolen_card")),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": _visa(
        "6975", _declined("card_velocity_exceeded")
    ),
    "pm_card_chargeDeclinedExpiredCard": _visa("0069", _EXPIRED),
    "pm_card_chargeDeclinedIncorrectCvc": _visa("0127", _WRONG_CVC),
    "pm_card_chargeDeclinedProcessingError": _visa("0119", _PROCESSING),
    # Attaches to a customer and is declined when charged: what makes a saved card go bad.
    "pm_card_chargeCustomerFail": _visa("0341", _GENERIC),
    "pm_card_radarBlock": _visa("0101", _BLOCKED),
    "pm_card_riskLevelHighest": _visa("4954", _BLOCKED),
    # Challenged on session, declined off session.
    "pm_card_authenticationRequired": _visa("3155", Challenged(_OK)),
    "pm_card_authenticationRequiredOnSetup": _visa("3155", Challenged(_OK)),
    "pm_card_threeDSecure2Required": _visa("3220", Challenged(_OK)),
    "pm_card_threeDSecureRequired": _visa("3063", Challenged(_OK)),
    "pm_card_threeDSecureRequiredChargeDeclined": _visa("3097", Challenged(_GENERIC)),
    "pm_card_createDispute": TestMethod("card", "visa", "0259", _OK, dispute_reason="fraudulent"),
    "pm_card_createDisputeProductNotReceived": TestMethod(
        "card", "visa", "2685", _OK, dispute_reason="product_not_received"
    ),
    "pm_card_createDisputeInquiry": TestMethod(
        "card", "visa", "1976", _OK, dispute_reason="fraudulent", dispute_is_inquiry=True
    ),
    # What is given back is not always back yet, and does not always stay so.
    "pm_card_pendingRefund": TestMethod("card", "visa", "7726", _OK, "pending_then_succeeds"),
    "pm_card_refundFail": TestMethod("card", "visa", "5126", _OK, "succeeds_then_fails"),
    "pm_usBankAccount": _bank("6789", Debited(_OK)),
    "pm_usBankAccount_success": _bank("6789", Debited(_OK)),
    "pm_usBankAccount_insufficientFunds": _bank(
        "2227", _debit_refused("insufficient_funds", "The bank account has insufficient funds.")
    ),
    "pm_usBankAccount_accountClosed": _bank(
        "1113", _debit_refused("account_closed", "The bank account has been closed.")
    ),
    "pm_usBankAccount_noAccount": _bank(
        "1116", _debit_refused("no_account", "The bank account could not be found.")
    ),
    "pm_usBankAccount_debitNotAuthorized": _bank(
        "3335",
        _debit_refused("debit_not_authorized", "The customer did not authorize this debit."),
    ),
    "pm_usBankAccount_dispute": TestMethod(
        "us_bank_account",
        "us_bank_account",
        "9006",
        Debited(_OK),
        dispute_reason="debit_not_authorized",
    ),
    # Never decided by itself: a drill that needs a payment in between takes this one.
    "pm_usBankAccount_processing": _bank("0009", Debited(None)),
    "pm_sepaDebit": TestMethod("sepa_debit", "sepa_debit", "3204", Debited(_OK)),
    "pm_sepaDebit_failed": TestMethod(
        "sepa_debit",
        "sepa_debit",
        "3202",
        _debit_refused("debit_not_authorized", "The customer did not authorize this debit."),
    ),
    # Has no token at Stripe: it is described, and belongs to a customer.
    "pm_twin_customerBalance": TestMethod(
        "customer_balance", "customer_balance", "", Transferred()
    ),
    # The twin's own: cards, so that a PaymentIntent of type card can use them.
    "pm_twin_card_processing": _visa("0091", Debited(None)),
    "pm_twin_card_slowSuccess": _visa("0092", Debited(_OK)),
    "pm_twin_card_slowDecline": _visa("0093", Debited(_GENERIC)),
}
# Both spellings are in use, in documentation and in the triggers of stripe-cli.
TEST_METHODS.update({alias: TEST_METHODS[token] for alias, token in _ALIASES.items()})

# Numbers as an application would send them, for methods that are created and not named.
CARD_NUMBERS: dict[str, str] = {
    "4242424242424242": "pm_card_visa",
    "4000056655665556": "pm_card_visa_debit",
    "5555555555554444": "pm_card_mastercard",
    "378282246310005": "pm_card_amex",
    "6011111111111117": "pm_card_discover",
    "4000000000000077": "pm_card_bypassPending",
    "4000000000000002": "pm_card_visa_chargeDeclined",
    "4000000000009995": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "4000000000009987": "pm_card_visa_chargeDeclinedLostCard",
    "4000000000009979": "pm_card_visa_chargeDeclinedStolenCard",
    "4000000000006975": "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
    "4000000000000069": "pm_card_chargeDeclinedExpiredCard",
    "4000000000000127": "pm_card_chargeDeclinedIncorrectCvc",
    "4000000000000119": "pm_card_chargeDeclinedProcessingError",
    "4000000000000341": "pm_card_chargeCustomerFail",
    "4100000000000019": "pm_card_radarBlock",
    "4000000000004954": "pm_card_riskLevelHighest",
    "4000002500003155": "pm_card_authenticationRequired",
    "4000000000003220": "pm_card_threeDSecure2Required",
    "4000000000000259": "pm_card_createDispute",
    "4000000000002685": "pm_card_createDisputeProductNotReceived",
    "4000000000001976": "pm_card_createDisputeInquiry",
    "4000000000007726": "pm_card_pendingRefund",
    "4000000000005126": "pm_card_refundFail",
}
BANK_ACCOUNTS: dict[str, str] = {
    "000123456789": "pm_usBankAccount_success",
    "000222222227": "pm_usBankAccount_insufficientFunds",
    "000111111113": "pm_usBankAccount_accountClosed",
    "000111111116": "pm_usBankAccount_noAccount",
    "000333333335": "pm_usBankAccount_debitNotAuthorized",
    "000000000009": "pm_usBankAccount_processing",
    # The IBAN that `stripe trigger payment_intent.processing` uses.
    "AT321904300235473204": "pm_sepaDebit",
    "AT861904300235473202": "pm_sepaDebit_failed",
}
# Card tokens of the older API, which the CLI and much documentation still use. Every card that has
# a name as a method has the same one as a token.
LEGACY_TOKENS: dict[str, str] = {
    f"tok_{name.removeprefix('pm_card_')}": name
    for name in TEST_METHODS
    if name.startswith("pm_card_")
}
