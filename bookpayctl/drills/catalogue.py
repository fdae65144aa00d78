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
        "worker-frozen",
        (Area.WORKER, Area.KAFKA),
        "a worker freezes in the middle of a charge and wakes when others have its work",
        # It sleeps for half a minute.
        "40s",
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
        "storm",
        (
            Area.WORKER,
            Area.PUBLISHER,
            Area.API,
            Area.RECEIVER,
            Area.SAGA,
            Area.KAFKA,
            Area.POSTGRES,
            Area.STRIPE,
        ),
        "faults of many kinds by a schedule that a seed has drawn, one over another",
        # A dozen seconds of it are calm; the rest has to hold several faults.
        "75s",
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
        "publisher-crash",
        (Area.PUBLISHER,),
        "one leading publisher after another dies in the middle of publishing",
        # Four deaths, and orders after the last.
        "20s",
    ),
    Entry(
        "order-answer-lost",
        (Area.API,),
        "a client is not told what became of its order",
    ),
    Entry(
        "webhooks-lost",
        (Area.RECEIVER, Area.STRIPE),
        "no webhook of Stripe's arrives, nor the answers to charges",
    ),
    Entry(
        "webhooks-out-of-order",
        (Area.RECEIVER, Area.SAGA),
        "webhooks come in another order than things happened",
    ),
    Entry(
        "webhooks-early",
        (Area.RECEIVER, Area.WORKER),
        "Stripe tells of charges that our ledger does not know yet",
    ),
    Entry(
        "forged-webhooks",
        (Area.RECEIVER, Area.SECRETS),
        "webhooks that nobody may believe come beside Stripe's own",
    ),
    Entry(
        "duplicate-delivery",
        (Area.RECEIVER, Area.KAFKA),
        "every webhook comes five times, or every record three times",
    ),
    Entry(
        "dashboard-money",
        (Area.SAGA, Area.STRIPE),
        "somebody refunds orders in the dashboard while customers cancel them",
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
        "kafka-topic-recreated",
        (Area.KAFKA, Area.WORKER),
        "a topic is deleted and made again while orders come",
        # The readers are away for some of it, and come back to a topic that has grown.
        "20s",
    ),
    Entry(
        "kafka-records-deleted",
        (Area.KAFKA, Area.WORKER),
        "records are deleted before anybody has read them",
    ),
    Entry(
        "kafka-offsets-lost",
        (Area.KAFKA, Area.WORKER),
        "what the worker's group has committed is deleted, and all is read again",
        # A group may be deleted only when its members' sessions have ended: ten seconds.
        "25s",
    ),
    Entry(
        "kafka-partitions-added",
        (Area.KAFKA,),
        "every topic gets one more partition, and keys move",
        # Clients look for new partitions every five seconds.
        "20s",
    ),
    Entry(
        "postgres-restarts",
        (Area.POSTGRES, Area.API, Area.RECEIVER),
        "PostgreSQL is killed again and again",
        # Five kills, each with its recovery and a few seconds of peace.
        "36s",
    ),
    Entry(
        "postgres-sessions-terminated",
        (Area.POSTGRES, Area.PUBLISHER),
        "PostgreSQL ends sessions once a second",
        "20s",
    ),
    Entry(
        "postgres-connections-exhausted",
        (Area.POSTGRES, Area.API),
        "PostgreSQL has no connection left for anybody",
        "20s",
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
        "stripe-errors",
        (Area.STRIPE, Area.WORKER),
        "Stripe answers charges with 500, 409, 429 or 401 for a while",
    ),
    Entry(
        "stripe-answers-lost",
        (Area.STRIPE, Area.WORKER),
        "Stripe charges, and its answers never arrive",
    ),
    Entry(
        "stripe-answers-of-others",
        (Area.STRIPE, Area.NETWORK),
        "a proxy answers charges in Stripe's place",
    ),
    Entry(
        "expired-idempotency-key",
        (Area.STRIPE, Area.CLOCK),
        "a day passes over charges whose end nobody knows",
        # The spell, and as much again after the day.
        "14s",
    ),
    Entry(
        "refund-answers-lost",
        (Area.STRIPE, Area.SAGA),
        "Stripe gives money back, and its answers never arrive",
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
    Entry(
        "secret-rotation",
        (Area.SECRETS, Area.RECEIVER),
        "the webhook secret is replaced while webhooks come",
    ),
    Entry(
        "last-copy-race",
        (Area.LOAD, Area.API),
        "many buyers want the last copy of a title at the same moment",
    ),
)

BY_SLUG: Final = {entry.slug: entry for entry in CATALOGUE}
