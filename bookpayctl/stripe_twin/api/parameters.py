"""Checks a decoded form against what a route accepts, and reads typed values from it.

Checking happens before a request may claim its idempotency key, so what is refused here leaves no
trace and the key stays free.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bookpayctl.stripe_twin.documents import Json
from bookpayctl.stripe_twin.errors import ApiError, invalid, missing_parameter, unknown_parameters
from bookpayctl.stripe_twin.form import Tree, Value, items

# Source: docs.stripe.com/api/metadata.
_METADATA_KEYS_MAX = 50
_METADATA_KEY_LETTERS_MAX = 40
_METADATA_VALUE_LETTERS_MAX = 500
# Of every text that has no limit of its own. Source: Stripe's OpenAPI document, `maxLength`.
_TEXT_LETTERS_MAX = 5_000

Shape = Literal["text", "integer", "flag", "hash", "array", "any"]


@dataclass(frozen=True, slots=True)
class Accepts:
    """What one parameter may look like.

    Attributes:
        choices: the texts it may be; any if empty.
        inside: the names that a hash may hold; any if empty.
        letters_max: how long a text may be.
    """

    shape: Shape
    required: bool = False
    choices: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    letters_max: int = _TEXT_LETTERS_MAX


TEXT = Accepts("text")
INTEGER = Accepts("integer")
FLAG = Accepts("flag")
HASH = Accepts("hash")
ARRAY = Accepts("array")
ANY = Accepts("any")
NEEDED_TEXT = Accepts("text", required=True)
NEEDED_INTEGER = Accepts("integer", required=True)
NEEDED_ARRAY = Accepts("array", required=True)

Specification = Mapping[str, Accepts]


def choice(*choices: str) -> Accepts:
    """A text that must be one of these."""
    return Accepts("text", choices=choices)


def text_of(letters_max: int) -> Accepts:
    """A text of at most so many characters."""
    return Accepts("text", letters_max=letters_max)


def fields(*names: str) -> Accepts:
    """A hash that may hold these names, whatever is inside them."""
    return Accepts("hash", inside=names)


ADDRESS = fields("city", "country", "line1", "line2", "postal_code", "state")
SHIPPING = fields("address", "carrier", "name", "phone", "tracking_number")
BILLING = fields("address", "email", "name", "phone", "tax_id")


class Parameters:
    """The parameters of one request, checked."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def text(self, name: str) -> str | None:
        """The value, or None when it is absent or empty (which means: unset)."""
        value = self.tree.get(name)
        return value if isinstance(value, str) and value else None

    def needed(self, name: str) -> str:
        """The value of a parameter that the specification requires."""
        value = self.text(name)
        if value is None:
            raise missing_parameter(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        return int(value) if value is not None else None

    def flag(self, name: str) -> bool:
        return self.tree.get(name) == "true"

    def has(self, name: str) -> bool:
        return name in self.tree

    def texts(self, name: str) -> list[str] | None:
        """The strings of an array; None when the parameter is absent."""
        if name not in self.tree:
            return None
        return [value for value in items(self.tree[name]) if isinstance(value, str)]

    def branch(self, name: str) -> "Parameters":
        """The parameters inside a hash; none when it is absent."""
        value = self.tree.get(name)
        return Parameters(value if isinstance(value, dict) else {})

    def json(self, name: str) -> Json:
        """The value as JSON, strings as they came; None when absent."""
        value = self.tree.get(name)
        return _as_json(value) if value is not None else None

    def metadata(self, before: Mapping[str, str]) -> dict[str, str]:
        """The metadata after this request: keys are added, changed, or unset by an empty value."""
        value = self.tree.get("metadata")
        if value is None:
            return dict(before)
        # `metadata=` unsets all of it.
        if isinstance(value, str):
            return {}
        after = dict(before)
        for key, text in value.items():
            if text == "":
                after.pop(key, None)
            elif isinstance(text, str):
                after[key] = text
        if len(after) > _METADATA_KEYS_MAX:
            raise _too_many_keys(len(after))
        return after


def check(tree: Tree, specification: Specification) -> Parameters:
    """Refuse what the route does not accept.

    Raises:
        ApiError: 400 for an unknown, missing or ill-typed parameter.
    """
    # Stripe refuses what it does not know. A stand-in that ignored a misspelt parameter would pass
    # what fails in production.
    unknown = [name for name in tree if name not in specification]
    if unknown:
        raise unknown_parameters(unknown)
    for name, accepts in specification.items():
        if accepts.required and tree.get(name, "") == "":
            raise missing_parameter(name)
    for name, value in tree.items():
        # An empty value means "unset" whatever the type, so there is nothing to check.
        if value != "":
            _check_value(name, value, specification[name])
    _check_metadata(tree.get("metadata"))
    return Parameters(tree)


def _check_value(name: str, value: Value, accepts: Accepts) -> None:
    refused = _CHECKS[accepts.shape](name, value)
    if refused is not None:
        raise refused
    if accepts.shape == "text" and len(value) > accepts.letters_max:
        raise invalid(
            f"Invalid string: {_shortened(str(value))}; must be at most {accepts.letters_max} "
            "characters",
            param=name,
        )
    if accepts.inside and isinstance(value, dict):
        unknown = [f"{name}[{inner}]" for inner in value if inner not in accepts.inside]
        if unknown:
            raise unknown_parameters(unknown)
    if accepts.choices and value not in accepts.choices:
        listed = ", ".join(accepts.choices)
        raise invalid(f"Invalid {name}: must be one of {listed}", param=name)


def _shortened(text: str) -> str:
    """The start and the end of a long text, as Stripe's messages show it."""
    return f"{text[:10]}...{text[-10:]}"


def _check_text(name: str, value: Value) -> ApiError | None:
    return None if isinstance(value, str) else invalid(f"Invalid string for {name}", param=name)


def _check_integer(name: str, value: Value) -> ApiError | None:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        # isdecimal() alone would accept the digits of every script.
        # Eighteen digits fit into the 64 bits of SQLite, whatever they are.
        if digits.isascii() and digits.isdecimal() and len(digits) <= 18:
            return None
    shown = value if isinstance(value, str) else "a hash"
    return invalid(f"Invalid integer: {shown}", code="parameter_invalid_integer", param=name)


def _check_flag(name: str, value: Value) -> ApiError | None:
    return None if value in ("true", "false") else invalid(f"Invalid boolean: {name}", param=name)


def _check_hash(name: str, value: Value) -> ApiError | None:
    return None if isinstance(value, dict) else invalid(f"Invalid object: {name}", param=name)


def _check_array(name: str, value: Value) -> ApiError | None:
    return None if isinstance(value, dict) else invalid(f"Invalid array: {name}", param=name)


def _check_nothing(_name: str, _value: Value) -> ApiError | None:
    return None


# `any` is for what several shapes are right for, and for what the twin takes and does not use.
_CHECKS: dict[Shape, Callable[[str, Value], ApiError | None]] = {
    "text": _check_text,
    "integer": _check_integer,
    "flag": _check_flag,
    "hash": _check_hash,
    "array": _check_array,
    "any": _check_nothing,
}


def _check_metadata(value: Value | None) -> None:
    # Empty, it unsets all of it.
    if value is None or value == "":
        return
    if isinstance(value, str):
        raise invalid("Invalid object", param="metadata")
    if len(value) > _METADATA_KEYS_MAX:
        raise _too_many_keys(len(value))
    for key, text in value.items():
        _check_pair(key, text)


def _check_pair(key: str, text: Value) -> None:
    param = f"metadata[{key}]"
    # Brackets in a key arrive as a hash, or as a name that cannot be read at all: no key has any.
    if not isinstance(text, str):
        raise invalid(
            f"Metadata values must be strings, but for key '{key}' you passed in a value of type "
            "object",
            param=param,
        )
    if len(key) > _METADATA_KEY_LETTERS_MAX:
        raise invalid(
            f"Metadata keys can have up to {_METADATA_KEY_LETTERS_MAX} characters, but you passed "
            f"in a key that is {len(key)} characters. Invalid key: {key}",
            param=param,
        )
    if len(text) > _METADATA_VALUE_LETTERS_MAX:
        raise invalid(
            f"Metadata values can have up to {_METADATA_VALUE_LETTERS_MAX} characters, but you "
            f"passed in a value that is {len(text)} characters. Invalid value: {_shortened(text)}",
            param=param,
        )


def _too_many_keys(count: int) -> ApiError:
    return invalid(
        f"Metadata can have up to {_METADATA_KEYS_MAX} keys, but there would be {count}.",
        param="metadata",
    )


def _as_json(value: Value) -> Json:
    if isinstance(value, str):
        return value
    # Only here nobody knows what the value means, so what looks like an array is one.
    if value and all(key.isdigit() for key in value):
        return [_as_json(item) for item in items(value)]
    return {key: _as_json(inner) for key, inner in value.items()}
