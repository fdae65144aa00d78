"""Witnesses in pods: a program beside a process, or the process's own log, heard as it is said.

The connection is made while the API server knows the pod. What it carries comes from the pod's
node, so a container that outlives its object is heard until it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.exec import follow_in_pod
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.witness import Witness

_PROGRAM: Final = ("python3", "-P", "-m", "bookpayctl.targets.container")

# A process that is frozen writes nothing for as long as a drill may freeze it.
_SILENT_SECONDS_MAX: Final = 180.0


def place_in(cluster: Cluster, pod: Document, arguments: Sequence[str]) -> Witness:
    """Begin a program in the container of a pod's process; what it says is heard from now on."""
    place = _place(pod)
    witness = Witness(place[1])

    def follow() -> str:
        return follow_in_pod(
            cluster,
            *place,
            [*_PROGRAM, *arguments],
            hear=witness.hear,
            wanted=lambda: not witness.is_dismissed,
        )

    return _begun(witness, follow)


def listen_to(cluster: Cluster, pod: Document) -> Witness:
    """Hear what a pod's process writes from now on."""
    namespace, name, container = _place(pod)
    witness = Witness(name)
    query = [("container", container), ("follow", "true"), ("tailLines", "0")]

    def follow() -> str:
        path = POD.path(namespace, name, "log")
        for line in cluster.lines(path, query, read_seconds=_SILENT_SECONDS_MAX):
            witness.hear(line)
            if witness.is_dismissed:
                return "nobody listens any more"
        return "its log ended"

    return _begun(witness, follow)


def _place(pod: Document) -> tuple[str, str, str]:
    meta = pod["metadata"]
    return meta["namespace"], meta["name"], pod["spec"]["containers"][0]["name"]


def _begun(witness: Witness, follow: Callable[[], str]) -> Witness:
    def hear_to_the_end() -> None:
        try:
            witness.close(follow())
        except ClusterError as error:
            witness.close(str(error))

    threading.Thread(target=hear_to_the_end, name=f"witness {witness.name}", daemon=True).start()
    return witness
