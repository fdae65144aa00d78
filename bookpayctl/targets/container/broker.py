"""Kafka in a pod: its storage formatted once, then this process becomes the broker.

The jars are part of the image and were verified when it was built; here it is only looked whether
they are there. A class archive beside them is used; none is made in a pod, where it would cost a
first start more than it spares all later ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from bookpayctl.targets import children
from bookpayctl.targets.servers import jars, kafka

EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a pod's own; who may come in is the network's to say


def run(
    data: Path, port: int, controller_port: int, advertised: str, say: Callable[[str], None]
) -> NoReturn:
    """Become the broker, which ends in order on TERM by itself.

    Args:
        data: the folder for it, on the volume; made when missing.
        advertised: `host:port` that clients are sent to.

    Raises:
        KafkaError: the image has no jars or no JVM, or the storage could not be formatted.
    """
    folder = jars.jars_dir(jars.cache_dir())
    missing = [name for name in sorted(jars.pinned()) if not (folder / name).is_file()]
    if missing:
        raise kafka.KafkaError(
            f"{len(missing)} of Kafka's jars are not in {folder}, such as {missing[0]};"
            f" {jars.CACHE_VARIABLE} names the folder above it"
        )
    # Whole, because the broker runs in a folder of its own.
    home = data.absolute()
    server = kafka.Kafka(
        folder, home, port, controller_port, listen_host=EVERY_ADDRESS, advertised=advertised
    )
    kafka.prepare(server)
    say(f"the broker listens on {port} and sends clients to {advertised}")
    command = server.command()
    os.chdir(home)
    os.execve(path=command[0], argv=command, env=children.variables())  # noqa: S606 - no shell is wanted
