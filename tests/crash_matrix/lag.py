"""How far the groups are behind, asked through one client for the whole wait.

A client that is made for one question spends its time on finding leaders, and now and then finds
none within its patience; that would be counted as the system's recovery.
"""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from bookpayctl.clients import kafka
from bookpayctl.clients.kafka_servers import KafkaServers
from runtime.domain.names import PARTITIONS, TOPICS_OF_GROUP, Service

ASK_SECONDS_MAX = 5.0


class Lags:
    """Committed offsets against the ends of the logs."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})

    def behind(self) -> list[str]:
        """Group by group, what is not read yet; a broker that does not answer is told as well."""
        try:
            ends = self._ends()
            return [
                f"{group.value} is {lag} behind"
                for group in TOPICS_OF_GROUP
                if (lag := self._lag(group, ends)) != 0
            ]
        except (KafkaException, TimeoutError) as error:
            return [f"the broker does not say how far the groups are: {error!r}"]

    def _ends(self) -> dict[tuple[str, int], int]:
        places = [
            TopicPartition(topic.value, partition)
            for topic in {topic for topics in TOPICS_OF_GROUP.values() for topic in topics}
            for partition in range(PARTITIONS)
        ]
        newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = self._client.list_offsets(
            dict.fromkeys(places, newest), request_timeout=ASK_SECONDS_MAX
        )
        return {
            (place.topic, place.partition): future.result(ASK_SECONDS_MAX).offset
            for place, future in asked.items()
        }

    def _lag(self, group: Service, ends: dict[tuple[str, int], int]) -> int:
        read = {
            place: end
            for place, end in ends.items()
            if place[0] in {topic.value for topic in TOPICS_OF_GROUP[group]}
        }
        # Not by the admin client: a broker that is killed meanwhile would end this process as well.
        committed = kafka.group_offsets(KafkaServers(self._servers), group.value, read)
        return sum(max(0, end - (committed[place] or 0)) for place, end in read.items())
