"""Which release of Kafka each broker runs, as far as its protocol tells.

No answer of a broker names its version. ApiVersions lists the features that it supports, and the
newest `metadata.version` among them is that of the release: the supported one, not the finalized
one, which an operator may have left behind. librdkafka does not hand these features out.

Source:
    Kafka protocol guide, ApiVersions 3 (SupportedFeatures, tag 0);
    org.apache.kafka.server.common.MetadataVersion of Kafka 4.4.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.kafka_connection import open_admin
from bookpayctl.clients.kafka_hello import HELLO_SECONDS_MAX, NotToldError, features_of, hello
from bookpayctl.clients.kafka_servers import KafkaServers, tls_context

FEATURE: Final = "metadata.version"

FIRST_LEVELS: Final = (
    (1, (3, 0)),
    (2, (3, 1)),
    (3, (3, 2)),
    (4, (3, 3)),
    (8, (3, 4)),
    (9, (3, 5)),
    (12, (3, 6)),
    (15, (3, 7)),
    (20, (3, 8)),
    (21, (3, 9)),
    (22, (4, 0)),
    (26, (4, 1)),
    (28, (4, 2)),
    (30, (4, 3)),
    (31, (4, 4)),
    (34, (4, 5)),
)
"""The first level of each release. A level beyond the last is of this release, or a newer one."""


@dataclass(frozen=True, slots=True)
class BrokerRelease:
    """One broker's release, e.g. (4, 4); None where its features do not tell, with the reason."""

    broker: str
    release: tuple[int, int] | None
    reason: str = ""


def broker_releases(servers: KafkaServers) -> list[BrokerRelease]:
    """Ask every broker of the cluster, in the order of their ids.

    Raises:
        BrokerError: no broker says which there are.
    """
    admin = open_admin(servers)
    brokers = admin.list_topics(timeout=HELLO_SECONDS_MAX).brokers
    context = tls_context(servers.security) if servers.is_tls else None
    return [
        _asked(f"broker {number}", str(found.host), found.port, context)
        for number, found in sorted(brokers.items())
    ]


def _asked(broker: str, host: str, port: int, context: ssl.SSLContext | None) -> BrokerRelease:
    try:
        return BrokerRelease(broker, release_of(features_of(hello(host, port, context))))
    except (OSError, NotToldError) as error:
        return BrokerRelease(broker, None, str(error))


def release_of(features: dict[str, int]) -> tuple[int, int]:
    """The release whose newest `metadata.version` this is.

    Raises:
        NotToldError: the broker names none, as one without KRaft.
    """
    level = features.get(FEATURE)
    if level is None or level < FIRST_LEVELS[0][0]:
        raise NotToldError(f"the broker names no {FEATURE}")
    return max(release for first, release in FIRST_LEVELS if first <= level)
