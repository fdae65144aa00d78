"""Who calls: test keys only, so that real credentials are never of use here."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.ledger.accounts import Accounts
from bookpayctl.stripe_twin.resources import API_VERSION

_TEST_KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9_]{1,250}")
# A date, since the first named release with the name of one, and perhaps previews asked for.
_VERSION = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([a-z]+))?(?:;.{1,200})?")
_RELEASES = ("acacia", "basil", "clover", "dahlia", "endive", "preview")
_FIRST_VERSION = date(2011, 1, 1)
_FIRST_NAMED_VERSION = date(2024, 9, 30)


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """Who calls.

    Attributes:
        account: the account that the request acts in.
        key: the API key as messages may show it.
        permissions: what a restricted key may do; None is everything.
    """

    account: str
    key: str
    permissions: frozenset[str] | None = None


def _unauthorized(message: str, code: str | None = None) -> ApiError:
    return ApiError(401, "invalid_request_error", message, code=code)


def authenticate(headers: Mapping[str, str], accounts: Accounts, now: float) -> ApiCaller:
    """Find the account: that of the key, or the connected one that `Stripe-Account` names.

    Raises:
        ApiError: 401 or 403; the message never repeats a key.
    """
    key = _api_key(headers.get("authorization", ""))
    if key is None:
        raise _unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
            "https://stripe.com/docs/api#authentication for details, or we can help at "
            "https://support.stripe.com/."
        )
    # A publishable key is meant for browsers, and a frequent mistake in a server's settings.
    if key.startswith("pk_"):
        raise _unauthorized(
            "This API call cannot be made with a publishable API key. Please use a secret API key. "
            "You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
            "secret_key_required",
        )
    # Before the pattern, so that whoever points production at a test double is told so and not that
    # the key is misspelt.
    if "_live_" in key:
        raise _unauthorized(
            "This is a test double: it refuses live keys. Use a key that starts with sk_test_."
        )
    shown = masked(key)
    if not _TEST_KEY.fullmatch(key):
        raise _unauthorized(f"Invalid API Key provided: {shown}")
    grant = accounts.of_key(key, now)
    if grant.expired:
        raise _unauthorized(f"Expired API Key provided: {shown}", "api_key_expired")
    account = headers.get("stripe-account")
    if account is None:
        return ApiCaller(grant.account, shown, grant.permissions)
    # The same words for an account of somebody else's and for none at all, as at Stripe: a key
    # learns nothing about others.
    if not accounts.may_act_in(grant.account, account):
        raise ApiError(
            403,
            "invalid_request_error",
            f"The provided key '{shown}' does not have access to account '{account}' (or that "
            "account does not exist). Application access may have been revoked.",
            code="account_invalid",
        )
    return ApiCaller(account, shown, grant.permissions)


def check_permission(caller: ApiCaller, method: str, path: str) -> None:
    """Raise the 403 for a restricted key that may not do this; path is that of the route."""
    if caller.permissions is None:
        return
    resource = path.split("/")[2].removesuffix("s")
    needed = f"rak_{resource}_{'read' if method == 'GET' else 'write'}"
    # Who may write may read.
    if not caller.permissions & {needed, f"rak_{resource}_write"}:
        raise ApiError(
            403,
            "invalid_request_error",
            f"The provided key '{caller.key}' does not have the required permissions for this "
            f"endpoint on account '{caller.account}'. Having the '{needed}' permission would allow "
            "this request to continue.",
        )


def masked(key: str) -> str:
    """A key as Stripe's messages show it: what kind it is, and its end."""
    start = "".join(re.findall(r"[^_]{1,4}_", key)[:2]) if _TEST_KEY.fullmatch(key) else ""
    rest = key[len(start) :]
    end = rest[-4:] if len(rest) > 12 else ""
    return f"{start}{'*' * (len(rest) - len(end))}{end}"


def check_version(headers: Mapping[str, str], now: float) -> None:
    """Raise the 400 for a Stripe-Version that there is not; every other gets the same shapes.

    Args:
        headers: of the request.
        now: seconds since the epoch; no version is of a day that has not come.
    """
    # The shapes of one version are played to all: what differs between versions is not what drills
    # of payments are about.
    version = headers.get("stripe-version")
    if version is not None and not _is_version(version, datetime.fromtimestamp(now, UTC).date()):
        raise invalid(f"Invalid Stripe API version: {version}")


def _is_version(version: str, today: date) -> bool:
    found = _VERSION.fullmatch(version)
    if found is None:
        return False
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return False
    if not _FIRST_VERSION <= day <= max(today, date.fromisoformat(API_VERSION.partition(".")[0])):
        return False
    return found[2] in _RELEASES if day >= _FIRST_NAMED_VERSION else found[2] is None


def _api_key(header: str) -> str | None:
    scheme, _, credentials = header.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials or None
    # The other way Stripe documents: the key as the user name, with an empty password. curl -u and
    # old libraries send it.
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return decoded.partition(":")[0] or None
    return None
