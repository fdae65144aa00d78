"""Refusals in the shape and words that client libraries and our gateway match on.

An `ApiError` raised while a request executes undoes everything that request did; an outcome that
leaves something behind (a decline) is a value, not an error.
"""

from collections.abc import Mapping

from bookpayctl.stripe_twin.documents import Json, encode

# Where recorded error bodies point, the old host name included.
_DOC_URL = "https://stripe.com/docs/error-codes/"


class ApiError(Exception):
    """The request is refused with this status and this error object."""

    def __init__(self, status: int, kind: str, message: str, **fields: Json) -> None:
        """Fields that are None are left out of the body."""
        super().__init__(message)
        self.status = status
        self.error: dict[str, object] = {k: v for k, v in fields.items() if v is not None}
        code = fields.get("code")
        if isinstance(code, str):
            self.error["doc_url"] = _DOC_URL + code.replace("_", "-")
        self.error["message"] = message
        self.error["type"] = kind

    def with_object(self, name: str, document: Mapping[str, object]) -> "ApiError":
        """The same error with an object embedded, as state errors carry the PaymentIntent."""
        self.error[name] = document
        return self

    @property
    def code(self) -> str | None:
        code = self.error.get("code")
        return code if isinstance(code, str) else None

    def body(self) -> str:
        return encode({"error": self.error})


def invalid(message: str, **fields: Json) -> ApiError:
    """400 invalid_request_error."""
    return ApiError(400, "invalid_request_error", message, **fields)


def missing_parameter(name: str) -> ApiError:
    return invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)


def unknown_parameters(names: list[str]) -> ApiError:
    word = "parameter" if len(names) == 1 else "parameters"
    listed = ", ".join(names)
    return invalid(f"Received unknown {word}: {listed}", code="parameter_unknown", param=names[0])


# Kinds of object that Stripe's messages spell in another way than its API does.
_SPELLED = {
    "payment_method": "PaymentMethod",
    "setup_intent": "setupintent",
    "webhook_endpoint": "webhook endpoint",
    "balance_transaction": "balance transaction",
}


def no_such(kind: str, object_id: str, param: str) -> ApiError:
    """404 for an object that does not exist in this account."""
    return ApiError(
        404,
        "invalid_request_error",
        f"No such {_SPELLED.get(kind, kind)}: '{object_id}'",
        code="resource_missing",
        param=param,
    )


def unexpected_state(message: str, payment_intent: Mapping[str, object]) -> ApiError:
    """400 for an action that the PaymentIntent's status does not allow."""
    # With the object inside, as recorded: it tells the caller whose answer was lost what became of
    # the first request.
    refused = invalid(message, code="payment_intent_unexpected_state")
    return refused.with_object("payment_intent", payment_intent)


def no_such_route(method: str, path: str) -> ApiError:
    return ApiError(
        404,
        "invalid_request_error",
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we "
        "can help at https://support.stripe.com/.",
    )


# The type is not idempotency_error, which is what many mocks answer: so it was recorded in 2018 and
# reported in 2019. Go by the code, then it does not matter.
def key_in_use(key: str) -> ApiError:
    """409 while the first request with this key is still running."""
    return ApiError(
        409,
        "invalid_request_error",
        "There is currently another in-progress request using this Idempotent Key (that probably "
        "means you submitted twice, and the other request is still going through): "
        f"{key}. Please try again later.",
        code="idempotency_key_in_use",
    )


# Neither idempotency_error has a code: a client can tell them by their type alone.
def other_endpoint(key: str, path: str, first_path: str) -> ApiError:
    """400 for a key that was first used on another path."""
    return ApiError(
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used for the same endpoint they were first used "
        f"for ('{path}' vs '{first_path}'). Try using a key other than '{key}' if you meant to "
        "execute a different request.",
    )


def other_parameters(key: str) -> ApiError:
    """400 for a key that was first used with other parameters."""
    return ApiError(
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request.",
    )


# A type of its own for rate limits does not exist: the 429 and the code say it.
def rate_limited() -> ApiError:
    return ApiError(
        429,
        "invalid_request_error",
        "Too many requests; this is a fault that the twin was told to play.",
        code="rate_limit",
    )


def lock_timeout() -> ApiError:
    return ApiError(
        429,
        "invalid_request_error",
        "This object cannot be accessed right now because another API request or Stripe process "
        "is currently accessing it.",
        code="lock_timeout",
    )


# Says nothing about whether anything was executed, because a 500 of Stripe's does not either.
def internal(message: str = "An unknown error occurred.") -> ApiError:
    """500 api_error."""
    return ApiError(500, "api_error", message)


def rejected(status: int) -> ApiError:
    """A refusal with this status, of the type that Stripe gives it: only its own failures are 5xx.

    Source:
        Stripe API reference, "Errors".
    """
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return ApiError(status, kind, "The twin rejects this request.")
