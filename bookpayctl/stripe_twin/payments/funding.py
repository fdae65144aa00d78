"""Money comes by bank transfer: it is put to the payments that wait for it, oldest first."""

from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import transfers
from bookpayctl.stripe_twin.payments.charging import take
from bookpayctl.stripe_twin.payments.currencies import check_currency
from bookpayctl.stripe_twin.payments.methods import behaviour_of
from bookpayctl.stripe_twin.resources.account_objects import Customer
from bookpayctl.stripe_twin.resources.cash import CashTransaction, cash_balance
from bookpayctl.stripe_twin.resources.charge import new_charge
from bookpayctl.stripe_twin.resources.kinds import (
    CHARGE,
    CUSTOMER,
    PAYMENT_INTENT,
    PAYMENT_METHOD,
)
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent


def fund(
    work: Work, customer: Customer, amount: int, currency: str, reference: str | None
) -> CashTransaction:
    """A transfer from this customer arrived.

    The payment whose reference stands on it comes first, then those that wait longest; what nobody
    waits for stays in the balance.

    Raises:
        ApiError: 400, no such amount, or no transfers in this currency.
    """
    currency = check_currency(currency)
    if currency not in transfers.TRANSFERS:
        raise invalid(
            f"Invalid currency: {currency}. Bank transfers support the following currencies: "
            f"{', '.join(transfers.TRANSFERS)}.",
            param="currency",
        )
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param="amount",
        )
    arrived = transfers.move(work, customer, currency, amount, "funded", reference)
    for intent in _waiting(work, customer, currency, reference):
        if transfers.apply(work, customer, intent) > 0:
            _go_on(work, customer, intent)
    left = customer.get("twin_cash", {})
    if left.get(currency, 0) > 0:
        work.emit("cash_balance.funds_available", cash_balance(customer["id"], left))
    return arrived


def fund_rest(work: Work, intent: PaymentIntent) -> None:
    """All that a payment still waits for arrives."""
    customer = work.get(CUSTOMER, intent["customer"] or "", "customer")
    reference = transfers.reference_of(intent)
    fund(work, customer, transfers.remaining(intent), intent["currency"], reference)


def _waiting(
    work: Work, customer: Customer, currency: str, reference: str | None
) -> list[PaymentIntent]:
    found = []
    for payment_intent_id in customer.get("twin_waiting", []):
        intent = work.find(PAYMENT_INTENT, payment_intent_id)
        if (
            intent is not None
            and intent["status"] == "requires_action"
            and intent["currency"] == currency
        ):
            found.append(intent)
    return sorted(found, key=lambda intent: transfers.reference_of(intent) != reference)


def _go_on(work: Work, customer: Customer, intent: PaymentIntent) -> None:
    if transfers.remaining(intent) > 0:
        transfers.still_waiting(work, intent)
        return
    transfers.forget(work, customer, intent["id"])
    intent["next_action"] = None
    method = work.get(PAYMENT_METHOD, intent["payment_method"] or "")
    charge = new_charge(work.new_id(CHARGE), intent, method, created=work.created)
    take(work, intent, charge, behaviour_of(method))
