"""What an idempotency key of an account stands for, and what a request with it gets.

Identity is (account, key). Path and parameters are checked against the first use; they are no part
of the identity. A key is absent, in flight, complete, or old enough to be pruned, and a pruned key
is absent again: the request is executed anew, as Stripe documents.
"""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from bookpayctl.stripe_twin.documents import encode
from bookpayctl.stripe_twin.errors import (
    ApiError,
    invalid,
    key_in_use,
    other_endpoint,
    other_parameters,
)
from bookpayctl.stripe_twin.form import Tree
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.store import Ledger

# Stripe prunes "after they're at least 24 hours old"; the twin does so at exactly that age.
KEEP_SECONDS = 24 * 3600.0
# Documented for clients. What Stripe answers to a longer or an empty key is not, so the 400 and its
# words are the twin's own.
_KEY_LETTERS_MAX = 255


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """This request is the one that executes; it must be completed or released."""

    account: str
    key: str
    path: str
    params_sha256: str


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """The first request's answer, byte for byte."""

    request_id: str
    status: int
    body: str
    should_retry: str | None


Decision: TypeAlias = KeyClaim | SavedAnswer | ApiError


def fingerprint(tree: Tree) -> str:
    """A digest of the decoded parameters; their order does not matter, `expand` does."""
    # Whether Stripe compares a digest, and of what, is not published. Sorted, because two libraries
    # may write one request in two orders. Most forms are flat, and sorting those alone is cheaper.
    canonical = encode(dict(sorted(tree.items()))) if not _nested(tree) else encode(_sorted(tree))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _nested(tree: Tree) -> bool:
    return any(isinstance(value, dict) for value in tree.values())


def _sorted(tree: Tree) -> dict[str, object]:
    return {
        key: _sorted(value) if isinstance(value, dict) else value
        for key, value in sorted(tree.items())
    }


def check_key(key: str) -> None:
    """Raise the 400 for a key that cannot be one."""
    if not key.strip() or len(key) > _KEY_LETTERS_MAX:
        raise invalid(f"An idempotency key must have between 1 and {_KEY_LETTERS_MAX} characters.")


class IdempotencyKeys:
    """The keys of all accounts: those in flight in memory, the complete ones in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._in_flight: set[tuple[str, str]] = set()

    def decide(self, account: str, key: str, path: str, params_sha256: str, now: float) -> Decision:
        """What a request with this key gets; a Claim marks the key as in flight."""
        # A 409 is not saved: once the first request is over, the same key gets its answer.
        if (account, key) in self._in_flight:
            return key_in_use(key)
        # Older than a day counts as absent although it may still be there: a drill that advances
        # the clock need not wait for the pruning.
        rows = self._ledger.select(
            "SELECT path, params_sha256, request_id, status, body, should_retry FROM keys "
            "WHERE account = ? AND key = ? AND created > ?",
            (account, key, now - KEEP_SECONDS),
        )
        if not rows:
            self._in_flight.add((account, key))
            return KeyClaim(account, key, path, params_sha256)
        first_path, first_params, request_id, status, body, should_retry = rows[0]
        # The path first: recorded with Stripe, the key of a create that is used again on /cancel
        # fails with the message about endpoints. A key is not per endpoint, as some mocks have it.
        if first_path != path:
            return other_endpoint(key, path, str(first_path))
        if first_params != params_sha256:
            # Same key, other parameters: an error, never the saved answer. Nobody may take the
            # result of another charge for that of his own.
            return other_parameters(key)
        retry = None if should_retry is None else str(should_retry)
        return SavedAnswer(str(request_id), int(status or 0), str(body), retry)

    def complete(self, claim: KeyClaim, saved: SavedAnswer, now: float) -> None:
        """Put the answer into the coming transaction; the key stays in flight until `release`."""
        self._ledger.put(
            schema.PUT_KEY,
            (
                claim.account,
                claim.key,
                claim.path,
                claim.params_sha256,
                saved.request_id,
                saved.status,
                saved.body,
                saved.should_retry,
                now,
            ),
        )

    def release(self, claim: KeyClaim) -> None:
        """The request is over: its answer is on disk, or it never executed."""
        self._in_flight.discard((claim.account, claim.key))

    def prune(self, now: float) -> bool:
        """Forget some of the keys that are old enough, which `decide` ignores already.

        Returns:
            Whether there were any; then there may be more.
        """
        latest = now - KEEP_SECONDS
        old = self._ledger.select("SELECT 1 FROM keys WHERE created <= ? LIMIT 1", (latest,))
        if old:
            self._ledger.put(schema.PRUNE_KEYS, (latest,))
        return bool(old)
