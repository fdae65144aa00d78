"""How often each tenant may come, decided before the database is asked anything.

A bearer token says nothing about its tenant, so the tenant of a token is remembered once the
database has said it. That memory chooses a bucket and nothing else: whether the token is still
valid is asked anew for every request that is let in.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from runtime import metrics
from runtime.config import OrdersConfig
from runtime.domain import quota
from runtime.domain.names import TenantId
from runtime.services.orders.problem import Problem

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED_MAX: Final = 10_000
"""Tokens whose tenant is remembered, and tenants whose bucket is kept; the oldest goes first."""


@dataclass(slots=True)
class Quotas:
    """The buckets of one process.

    Attributes:
        clock: seconds of a clock that never goes back.
    """

    settings: OrdersConfig
    clock: Callable[[], float]
    _tenants: OrderedDict[bytes, TenantId] = field(default_factory=OrderedDict)
    _buckets: OrderedDict[TenantId, quota.Bucket] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, token_sha256: bytes) -> None:
        """Let one request in; a token nobody has shown yet is let in to be asked about.

        Raises:
            Problem: rate_limited, with the time to come again.
        """
        with self._lock:
            # Unknown is let in: the database decides whose it is, and what it costs is bounded
            # there.
            tenant_id = self._tenants.get(token_sha256)
            # A revoked token falls back to being unknown; it spends no tenant's quota any more.
            if tenant_id is None:
                return
            self._buckets[tenant_id], wait_seconds = quota.take(
                self._buckets.get(tenant_id),
                rate_per_second=self.settings.rate_per_second,
                burst=self.settings.burst,
                now_seconds=self.clock(),
            )
            # Bounded: a tenant that never comes again must not be remembered for ever.
            _forget_oldest(self._buckets, tenant_id)
        # Outside the lock: a refusal must not hold up those who may come.
        if wait_seconds > 0:
            metrics.ORDERS_SHED.labels("rate").inc()
            raise Problem("rate_limited", retry_after_seconds=math.ceil(wait_seconds))

    def remember(self, token_sha256: bytes, tenant_id: TenantId | None) -> None:
        """Note what the database said of a token; a revoked one uses up nobody's quota."""
        with self._lock:
            if tenant_id is None:
                self._tenants.pop(token_sha256, None)
            else:
                self._tenants[token_sha256] = tenant_id
                _forget_oldest(self._tenants, token_sha256)


def _forget_oldest(memory: OrderedDict[K, V], key: K) -> None:
    memory.move_to_end(key)
    if len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)
