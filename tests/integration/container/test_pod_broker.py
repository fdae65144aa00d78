"""Kafka in a pod: advertised under the pod's name, its data kept, no class archive needed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers import jars
from bookpayctl.targets.servers.contents import create_topics
from runtime.domain.names import Topic
from tests.support.pods import OTHER_ADDRESS, PodProcess, answers_on, open_folder
from tests.support.processes import free_port, stop_all
from tests.support.servers import fetched_jars


class PodBroker(PodProcess):
    """Kafka as a pod runs it, on jars without a class archive, as in the image."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.port, self.controller_port = free_port(), free_port()
        self.data = directory / "kafka"
        super().__init__(
            "kafka",
            directory,
            [
                *("kafka", "--data", str(self.data), "--port", str(self.port)),
                *("--controller-port", str(self.controller_port)),
                *("--advertise", f"localhost:{self.port}"),
            ],
            variables={jars.CACHE_VARIABLE: str(cache)},
        )

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        asked = PodProcess("ready", self.data.parent, ["ready", "kafka", "--port", str(self.port)])
        asked.start()
        return asked.wait_end() == 0

    def start_and_wait(self) -> None:
        self.start()
        self.wait_until(self.is_ready, "is ready")


@pytest.fixture
def image_cache(tmp_path: Path) -> Path:
    """The jars alone, linked to those of this machine."""
    folder = jars.jars_dir(tmp_path / "cache")
    folder.mkdir(parents=True)
    for path in fetched_jars().glob("*.jar"):
        (folder / path.name).symlink_to(path)
    return tmp_path / "cache"


@pytest.fixture
def broker(image_cache: Path) -> Iterator[PodBroker]:
    with open_folder() as folder:
        made = PodBroker(folder, image_cache)
        yield made
        stop_all([made])


def metadata(broker: PodBroker) -> tuple[set[str], set[str]]:
    """The addresses that clients are sent to, and the topics."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    found = client.list_topics(timeout=30)
    return {f"{node.host}:{node.port}" for node in found.brokers.values()}, set(found.topics)


def test_a_broker_advertises_what_it_is_told_ends_on_term_and_keeps_its_topics(
    broker: PodBroker,
) -> None:
    broker.start_and_wait()
    create_topics(KafkaServers(broker.bootstrap_servers))

    addresses, topics = metadata(broker)
    assert addresses == {f"localhost:{broker.port}"}
    assert topics >= {topic.value for topic in Topic}
    assert answers_on(OTHER_ADDRESS, broker.port)
    assert answers_on("127.0.0.1", broker.controller_port)
    assert not answers_on(OTHER_ADDRESS, broker.controller_port)
    # The process is the broker: nothing stands between it and the platform.
    assert psutil.Process(broker.pid).name() == "java"

    broker.signal(signal.SIGTERM)
    # The way in which a JVM ends when it was asked to.
    assert broker.wait_end() == 128 + signal.SIGTERM
    # What the broker writes last when it was not cut off.
    assert list(broker.data.glob("data/.kafka_cleanshutdown")) != []

    broker.start_and_wait()
    assert metadata(broker)[1] >= {topic.value for topic in Topic}


def test_storage_that_was_half_formatted_is_formatted_anew(broker: PodBroker) -> None:
    (broker.data / "data").mkdir(parents=True)
    (broker.data / "data" / "meta.properties").write_text("cluster.id=cut sh")

    broker.start_and_wait()

    assert metadata(broker)[0] == {f"localhost:{broker.port}"}


def test_jars_that_are_not_in_the_image_are_named(broker: PodBroker, image_cache: Path) -> None:
    gone = sorted(jars.pinned())[0]
    (jars.jars_dir(image_cache) / gone).unlink()

    broker.start()

    assert broker.wait_end() == 2
    assert gone in broker.log
    assert jars.CACHE_VARIABLE in broker.log
    assert not broker.data.exists()


def test_nothing_is_written_into_the_images_cache(broker: PodBroker, image_cache: Path) -> None:
    before = sorted(os.listdir(jars.jars_dir(image_cache)))

    broker.start_and_wait()

    assert sorted(os.listdir(jars.jars_dir(image_cache))) == before
