"""The drills there are, as plain data: cheap to import, and one entry each.

An entry names the drill, what it hits, what happens in words, and how long its load usually runs.
The drill itself is `DRILL` in the module of the same name, with dashes for underscores.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Area(StrEnum):
    """What a drill can hit; drills are listed in this order, and chosen by these words."""

    WORKER = "worker"
    PUBLISHER = "publisher"
    API = "api"
    RECEIVER = "receiver"
    SAGA = "saga"
    KAFKA = "kafka"
    POSTGRES = "postgres"
    STRIPE = "stripe"
    NETWORK = "network"
    CLOCK = "clock"
    RESOURCES = "resources"
    ROLLOUT = "rollout"
    SECRETS = "secrets"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class Entry:
    """One drill of the list.

    Attributes:
        hits: what it hits; it is listed under the first.
        duration: the usual length of its load.
    """

    slug: str
    hits: tuple[Area, ...]
    title: str
    duration: str = "10s"

    @property
    def module(self) -> str:
        return f"bookpayctl.drills.{self.slug.replace('-', '_')}"


CATALOGUE: Final = (
    Entry(
        "crash-mid-charge",
        (Area.WORKER, Area.STRIPE),
        "a worker dies between Stripe's answer and our record of it",
    ),
    Entry(
        "kill-storm",
        (
            Area.WORKER,
            Area.PUBLISHER,
            Area.API,
            Area.RECEIVER,
            Area.SAGA,
            Area.KAFKA,
            Area.POSTGRES,
        ),
        "every process is killed, in random order, again and again",
        # To come round to every process a few times.
        "1m",
    ),
    Entry(
        "pod-delete",
        (Area.WORKER, Area.ROLLOUT),
        "a pod is deleted with a second's notice",
        "15s",
    ),
    Entry(
        "pod-ghost",
        (Area.WORKER,),
        "a worker whose pod was deleted wakes beside its successor",
        # From the freeze to the end of what is left takes half a minute.
        "45s",
    ),
    Entry(
        "poison-message",
        (Area.KAFKA, Area.WORKER),
        "records that nobody can read are put among those of orders.placed",
    ),
    Entry(
        "one-way-partition",
        (Area.KAFKA, Area.PUBLISHER, Area.NETWORK),
        "Kafka takes the publishers' records, and they hear nothing of it",
        "18s",
    ),
    Entry(
        "outage",
        (Area.KAFKA, Area.POSTGRES, Area.STRIPE, Area.API, Area.RECEIVER),
        "a server or a service is away for ten seconds",
        # Ten seconds of outage need orders before, during and after them.
        "16s",
    ),
    Entry(
        "postgres-failover",
        (Area.POSTGRES,),
        "PostgreSQL's primary is lost and a standby takes over",
        # Long enough that orders come after another instance has taken over.
        "90s",
    ),
    Entry(
        "half-open-connection",
        (Area.POSTGRES, Area.WORKER, Area.NETWORK),
        "the workers' database sessions are gone, and nobody told the workers",
        "30s",
    ),
    Entry(
        "slow-stripe",
        (Area.STRIPE, Area.NETWORK),
        "Stripe's answers come late, in drops, in pieces, or break off",
        # Sixteen seconds of it need orders before, during and after them.
        "22s",
    ),
    Entry(
        "partition",
        (Area.NETWORK,),
        "nothing passes between a service and its callers for ten seconds",
        "16s",
    ),
    Entry(
        "clogged-links",
        (Area.NETWORK, Area.KAFKA, Area.POSTGRES, Area.STRIPE),
        "random links clog one by one and come free in another order",
        "22s",
    ),
    Entry(
        "rollout",
        (Area.ROLLOUT,),
        "every Deployment is rolled, one after another",
        # Eight Deployments, each with two or three pods that come up one after another.
        "2m",
    ),
    Entry(
        "node-drain",
        (Area.ROLLOUT,),
        "a node is cordoned and its pods are evicted",
        "40s",
    ),
)
