"""The drills there are, as plain data: cheap to import, and one line each.

A line names the drill, what happens in words, and how long its load usually runs. The drill itself
is `DRILL` in the module of the same name, with dashes for underscores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """One drill of the list; `duration` is the usual length of its load."""

    slug: str
    title: str
    duration: str = "10s"

    @property
    def module(self) -> str:
        return f"bookpayctl.drills.{self.slug.replace('-', '_')}"


CATALOGUE: Final = (
    Entry("crash-mid-charge", "a worker dies between Stripe's answer and our record of it"),
    # A minute, to come round to every process a few times.
    Entry("kill-storm", "every process is killed, in random order, again and again", "1m"),
    # Ten seconds of outage need orders before, during and after them.
    Entry("outage", "a server or a service is away for ten seconds", "16s"),
    Entry("poison-message", "records that nobody can read are put among those of orders.placed"),
    Entry("pod-delete", "a pod is deleted with a second's notice", "15s"),
    # From the freeze to the end of what is left takes half a minute.
    Entry("pod-ghost", "a worker whose pod was deleted wakes beside its successor", "45s"),
    # Eight Deployments, each with two or three pods that come up one after another.
    Entry("rollout", "every Deployment is rolled, one after another", "2m"),
    Entry("node-drain", "a node is cordoned and its pods are evicted", "40s"),
    Entry("partition", "nothing passes between a service and its callers for ten seconds", "16s"),
    # Long enough that orders come after another instance has taken over.
    Entry("postgres-failover", "PostgreSQL's primary is lost and a standby takes over", "90s"),
)
