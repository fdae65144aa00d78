"""/v1/payment_methods."""

from bookpayctl.stripe_twin.api.answer import ApiAnswer, shown
from bookpayctl.stripe_twin.api.listing import PAGING, page_of_objects
from bookpayctl.stripe_twin.api.parameters import (
    ANY,
    ARRAY,
    BILLING,
    HASH,
    NEEDED_TEXT,
    TEXT,
    Parameters,
    Specification,
    choice,
    fields,
)
from bookpayctl.stripe_twin.errors import invalid
from bookpayctl.stripe_twin.ledger.work import Work
from bookpayctl.stripe_twin.payments import methods
from bookpayctl.stripe_twin.payments.methods import MethodInput
from bookpayctl.stripe_twin.resources.kinds import CUSTOMER, PAYMENT_METHOD
from bookpayctl.stripe_twin.resources.payment_method import (
    PaymentMethod,
    with_billing_details,
)

# Types that Stripe has and the twin does not play: their details are parameters all the same.
_OTHER_TYPES = (
    *("acss_debit", "affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay"),
    *("au_becs_debit", "bacs_debit", "bancontact", "billie", "bizum", "blik", "boleto", "cashapp"),
    *("crypto", "customer_balance", "eps", "fpx", "giropay", "grabpay", "ideal"),
    *("interac_present", "kakao_pay", "klarna", "konbini", "kr_card", "link", "mb_way"),
    *("mobilepay", "multibanco", "naver_pay", "nz_bank_account", "oxxo", "p24", "pay_by_bank"),
    *("payco", "paynow", "paypal", "paypay", "payto", "pix", "promptpay", "revolut_pay"),
    *("samsung_pay", "satispay", "scalapay", "sequra", "sofort", "sunbit", "swish", "twint", "upi"),
    *("wechat_pay", "zip"),
)
_CARD = fields("cvc", "exp_month", "exp_year", "networks", "number", "token")
_BANK = fields(
    *("account_holder_type", "account_number", "account_type"),
    *("financial_connections_account", "routing_number"),
)
_REDISPLAY = choice("always", "limited", "unspecified")
# A method that is described within a request for something else.
METHOD_DATA = fields(
    *(*_OTHER_TYPES, "allow_redisplay", "billing_details", "card", "metadata", "radar_options"),
    *("sepa_debit", "type", "us_bank_account"),
)
CREATE: Specification = {
    **dict.fromkeys(_OTHER_TYPES, HASH),
    "type": TEXT,
    "allow_redisplay": _REDISPLAY,
    "billing_details": BILLING,
    "card": _CARD,
    "customer": TEXT,
    "expand": ARRAY,
    "metadata": ANY,
    "payment_method": TEXT,
    "radar_options": HASH,
    "sepa_debit": fields("iban"),
    "us_bank_account": _BANK,
}
UPDATE: Specification = {
    "allow_redisplay": _REDISPLAY,
    "billing_details": BILLING,
    "card": fields("exp_month", "exp_year", "networks"),
    "expand": ARRAY,
    "metadata": ANY,
    "payto": HASH,
    "us_bank_account": fields("account_holder_type", "account_type"),
}
ATTACH: Specification = {"customer": NEEDED_TEXT, "customer_account": TEXT, "expand": ARRAY}
RETRIEVE: Specification = {"expand": ARRAY}
LIST: Specification = {
    **PAGING,
    "allow_redisplay": _REDISPLAY,
    "customer": TEXT,
    "customer_account": TEXT,
    "type": TEXT,
}


def create(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Make a payment method from its details."""
    kind = parameters.needed("type")
    details = parameters.branch(kind)
    # Each type has its own word for the number that decides how the method behaves.
    number = details.text("number") or details.text("account_number") or details.text("iban")
    method = methods.from_input(work, MethodInput(kind, number, details.text("token")))
    _describe(method, parameters)
    work.save(PAYMENT_METHOD, method)
    return shown(method)


def retrieve(work: Work, _: Parameters, method_id: str) -> ApiAnswer:
    """Show a payment method."""
    return shown(work.get(PAYMENT_METHOD, method_id, "payment_method"))


def update(work: Work, parameters: Parameters, method_id: str) -> ApiAnswer:
    """Change what may be changed of a payment method."""
    method = work.get(PAYMENT_METHOD, method_id, "payment_method")
    before = dict(method)
    _describe(method, parameters)
    work.save(PAYMENT_METHOD, method)
    work.emit_change("payment_method.updated", method, before)
    return shown(method)


def attach(work: Work, parameters: Parameters, method_id: str) -> ApiAnswer:
    """Give a payment method to a customer; a test token becomes a method of its own first."""
    method = methods.resolve(work, method_id)
    customer = work.get(CUSTOMER, parameters.needed("customer"), "customer")
    # Attaching again to the same customer is no error; taking a method from another one would be.
    if method["customer"] not in (None, customer["id"]):
        raise invalid("The payment method you provided has already been attached to a customer.")
    methods.refuse_attachment(method)
    method["customer"] = customer["id"]
    work.save(PAYMENT_METHOD, method)
    work.emit("payment_method.attached", method)
    return shown(method)


def detach(work: Work, _: Parameters, method_id: str) -> ApiAnswer:
    """Take a payment method from its customer."""
    method = work.get(PAYMENT_METHOD, method_id, "payment_method")
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    # The event tells whose it was: the object does not, any more.
    before = method["customer"]
    method["customer"] = None
    work.save(PAYMENT_METHOD, method)
    work.emit("payment_method.detached", method, {"customer": before})
    return shown(method)


def list_page(work: Work, parameters: Parameters, _: str) -> ApiAnswer:
    """Payment methods, newest first."""
    redisplay = parameters.text("allow_redisplay")
    page = page_of_objects(
        work,
        parameters,
        "payment_method",
        "/v1/payment_methods",
        filters=("customer",),
        equal={"type": parameters.text("type"), "allow_redisplay": redisplay},
    )
    return ApiAnswer(200, page)


def _describe(method: PaymentMethod, parameters: Parameters) -> None:
    method["metadata"] = parameters.metadata(method["metadata"])
    redisplay = parameters.text("allow_redisplay")
    if redisplay is not None:
        method["allow_redisplay"] = redisplay
    details = parameters.json("billing_details")
    if isinstance(details, dict):
        method["billing_details"] = with_billing_details(method, details)
    if "card" in method:
        dates = parameters.branch("card")
        method["card"] = {
            **method["card"],
            **{
                name: int(text)
                for name in ("exp_month", "exp_year")
                if (text := dates.text(name)) is not None and text.isdecimal()
            },
        }
