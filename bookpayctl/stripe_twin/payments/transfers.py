"""Payments by bank transfer: the customer sends money when and as much as he likes.

A PaymentIntent of type `customer_balance` takes what is in the customer's cash balance, and waits
for the rest with instructions that say how much that is. Money that is held for it is its own until
it is paid or given up; then the balance has it back. Nothing is charged before all of it is there.

Source: Stripe's pages on bank transfers and on the customer balance.
"""

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import invalid, missing_parameter
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.resources.account_objects import Customer
from bookpayctl.stripe_twin.resources.cash import CashMovement, CashTransaction
from bookpayctl.stripe_twin.resources.kinds import CASH_TRANSACTION, CUSTOMER, PAYMENT_INTENT
from bookpayctl.stripe_twin.resources.payment_intent import PaymentIntent

# Which kind of transfer there is in which currency.
TRANSFERS = {
    "eur": "eu_bank_transfer",
    "gbp": "gb_bank_transfer",
    "jpy": "jp_bank_transfer",
    "mxn": "mx_bank_transfer",
    "usd": "us_bank_transfer",
}


def check_funding(currency: str, options: Json) -> None:
    """Raise the 400 for options of a transfer that there is not in this currency."""
    said = options if isinstance(options, dict) else {}
    if said.get("funding_type") not in (None, "bank_transfer"):
        raise invalid(
            "Invalid payment_method_options[customer_balance][funding_type]: must be bank_transfer",
            param="payment_method_options[customer_balance][funding_type]",
        )
    transfer = said.get("bank_transfer")
    kind = transfer.get("type") if isinstance(transfer, dict) else None
    # By the country alone: the official CLI calls the same thing `jp_bank_account`.
    known = TRANSFERS.get(currency, "")
    if kind is not None and (not known or not str(kind).startswith(f"{known[:2]}_bank_")):
        raise invalid(
            f"The currency provided ({currency}) is invalid for the bank transfer type {kind}.",
            code="payment_intent_invalid_currency",
            param="payment_method_options[customer_balance][bank_transfer][type]",
        )


def remaining(intent: PaymentIntent) -> int:
    """What the customer has still to send."""
    return intent["amount"] - intent.get("twin_funded", 0)


def reference_of(intent: PaymentIntent) -> str:
    """What the customer writes on the transfer; the same for the PaymentIntent's whole life."""
    return intent["id"][-10:].upper()


def begin(work: Work, intent: PaymentIntent) -> bool:
    """Take what the customer has, and wait for the rest; whether nothing is left to wait for.

    Raises:
        ApiError: 400, there is no customer whose balance it could be.
    """
    if intent["customer"] is None:
        raise missing_parameter("customer")
    customer = work.get(CUSTOMER, intent["customer"], "customer")
    held = apply(work, customer, intent)
    if remaining(intent) == 0:
        return True
    waiting = customer.get("twin_waiting", [])
    if intent["id"] not in waiting:
        customer["twin_waiting"] = [*waiting, intent["id"]]
        work.save(CUSTOMER, customer)
    _wait(work, intent)
    work.emit("payment_intent.requires_action", intent)
    if held:
        work.emit("payment_intent.partially_funded", intent)
    return False


def apply(work: Work, customer: Customer, intent: PaymentIntent) -> int:
    """Hold for a PaymentIntent what the balance has of its currency, as far as it is needed."""
    sums = customer.get("twin_cash", {})
    held = min(sums.get(intent["currency"], 0), remaining(intent))
    if held > 0:
        intent["twin_funded"] = intent.get("twin_funded", 0) + held
        move(work, customer, intent["currency"], -held, "applied_to_payment", intent["id"])
    return held


def unapply(work: Work, intent: PaymentIntent) -> None:
    """Give the balance back what was held for a PaymentIntent that will not take it."""
    held = intent.get("twin_funded", 0)
    if intent["customer"] is None or "twin_funded" not in intent:
        return
    intent["twin_funded"] = 0
    customer = work.find(CUSTOMER, intent["customer"])
    # Gone, and its balance with it.
    if customer is None or "deleted" in customer:
        return
    forget(work, customer, intent["id"])
    if held > 0:
        move(work, customer, intent["currency"], held, "unapplied_from_payment", intent["id"])


def forget(work: Work, customer: Customer, payment_intent_id: str) -> None:
    """The PaymentIntent waits for this customer's money no longer."""
    waiting = customer.get("twin_waiting", [])
    customer["twin_waiting"] = [found for found in waiting if found != payment_intent_id]
    work.save(CUSTOMER, customer)


def move(
    work: Work,
    customer: Customer,
    currency: str,
    net: int,
    movement: CashMovement,
    about: str | None,
) -> CashTransaction:
    """Change a customer's cash balance, and leave the transaction that tells why."""
    sums = dict(customer.get("twin_cash", {}))
    sums[currency] = sums.get(currency, 0) + net
    customer["twin_cash"] = sums
    work.save(CUSTOMER, customer)
    paid: dict[str, Json] = {"payment_intent": about}
    transfer: dict[str, Json] = {"reference": about, "type": TRANSFERS[currency]}
    made: CashTransaction = {
        "id": work.new_id(CASH_TRANSACTION),
        "object": "customer_cash_balance_transaction",
        "applied_to_payment": paid if movement == "applied_to_payment" else None,
        "created": work.created,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "ending_balance": sums[currency],
        "funded": {"bank_transfer": transfer} if movement == "funded" else None,
        "livemode": False,
        "net_amount": net,
        "type": movement,
        "unapplied_from_payment": paid if movement == "unapplied_from_payment" else None,
    }
    work.save(CASH_TRANSACTION, made)
    work.emit("customer_cash_balance_transaction.created", made)
    return made


def still_waiting(work: Work, intent: PaymentIntent) -> None:
    """Some of the money came: the instructions ask for less, and an event says so."""
    _wait(work, intent)
    work.emit("payment_intent.partially_funded", intent)


def _wait(work: Work, intent: PaymentIntent) -> None:
    reference = reference_of(intent)
    intent["status"] = "requires_action"
    intent["next_action"] = {
        "type": "display_bank_transfer_instructions",
        "display_bank_transfer_instructions": {
            "amount_remaining": remaining(intent),
            "currency": intent["currency"],
            "financial_addresses": [_address(intent["currency"])],
            "hosted_instructions_url": f"https://payments.stripe.com/bank_transfers/{reference}",
            "reference": reference,
            "type": TRANSFERS[intent["currency"]],
        },
    }
    work.save(PAYMENT_INTENT, intent)


def _address(currency: str) -> Json:
    """An account that nobody has, in the shape of the currency's own kind."""
    kind, networks, details = _ADDRESSES[currency]
    return {"type": kind, kind: details, "supported_networks": networks}


_HOLDER: dict[str, Json] = {"account_holder_name": "STRIPE TWIN", "bank_name": "STRIPE TWIN BANK"}
_SEPA: list[Json] = ["sepa"]
_BRITISH: list[Json] = ["bacs", "fps"]
_AMERICAN: list[Json] = ["ach", "domestic_wire_us"]
_ADDRESSES: dict[str, tuple[str, list[Json], dict[str, Json]]] = {
    "eur": ("iban", _SEPA, {**_HOLDER, "bic": "TWINIE2D", "country": "IE", "iban": "IE0"}),
    "gbp": ("sort_code", _BRITISH, {**_HOLDER, "account_number": "0", "sort_code": "000000"}),
    "jpy": ("zengin", ["zengin"], {**_HOLDER, "account_number": "0", "bank_code": "0000"}),
    "mxn": ("spei", ["spei"], {**_HOLDER, "bank_code": "000", "clabe": "0"}),
    "usd": ("aba", _AMERICAN, {**_HOLDER, "account_number": "0", "routing_number": "0"}),
}
