"""The engine that runs the nodes: what it says of their ports, and what a node's runtime holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.targets.kind.errors import EngineDownError, KindFailedError
from bookpayctl.targets.kind.programs import ask

_ASK_SECONDS_MAX: Final = 60.0
_API_PORT: Final = "6443/tcp"

# In the order in which kind looks for them.
_KNOWN: Final = ("docker", "nerdctl", "finch", "podman")
CHOICE_VARIABLE: Final = "KIND_EXPERIMENTAL_PROVIDER"


@dataclass(frozen=True, slots=True)
class NodeContainer:
    """A node of a cluster, as its `spec.providerID` names it: `kind://docker/bookpay/NODE`."""

    engine: str
    name: str


def node_container(provider_id: str) -> NodeContainer:
    """Read a node's providerID.

    Raises:
        KindFailedError: it is not kind's.
    """
    scheme, _, rest = provider_id.partition("://")
    parts = rest.split("/")
    if scheme != "kind" or len(parts) != 3:
        raise KindFailedError(f"a node calls itself {provider_id!r}, which is not kind's")
    return NodeContainer(parts[0], parts[2])


def engine_here(environ: Mapping[str, str]) -> str:
    """The engine that kind uses: the one it is told to, else the first that is on PATH.

    Raises:
        EngineDownError: there is none.
    """
    chosen = environ.get(CHOICE_VARIABLE)
    if chosen:
        return chosen
    for name in _KNOWN:
        if shutil.which(name):
            return name
    raise EngineDownError(f"none of {', '.join(_KNOWN)} is on PATH, and kind needs one of them")


def api_ports(engine: str, containers: Iterable[str]) -> frozenset[int]:
    """Where the API servers in these containers are on the engine's machine.

    Raises:
        EngineDownError: the engine does not say.
    """
    found: set[int] = set()
    for container in containers:
        command = [engine, "inspect", "--format", "{{json .HostConfig.PortBindings}}", container]
        told = ask(command, seconds_max=_ASK_SECONDS_MAX)
        if told.code:
            raise EngineDownError(f"{engine} says nothing of {container}: {told.complaint}")
        found |= ports_in(told.out)
    return frozenset(found)


def ports_in(bindings: str) -> set[int]:
    """The ports of an API server in what an engine says of a container's bindings."""
    document: dict[str, list[dict[str, Any]]] = json.loads(bindings.strip() or "null") or {}
    return {int(entry["HostPort"]) for entry in document.get(_API_PORT) or () if entry["HostPort"]}


def held_image(node: NodeContainer, full_name: str) -> str | None:
    """The id of the image that a node holds under a name; None when it holds none.

    Raises:
        KindFailedError: the node's runtime does not say.
    """
    listed = _of_runtime(node, "images", "list", f"name=={full_name}")
    digest = digest_in(listed, full_name)
    if digest is None:
        return None
    return config_digest(_of_runtime(node, "content", "get", digest), digest)


def digest_in(listed: str, full_name: str) -> str | None:
    """The digest of an image in what `ctr images list` prints: name, type, digest and more."""
    for line in listed.splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == full_name:
            return words[2]
    return None


def config_digest(manifest: str, digest: str) -> str:
    """The image's id in its manifest; of an index, which has none, its own digest."""
    document: dict[str, Any] = json.loads(manifest)
    return str((document.get("config") or {}).get("digest") or digest)


def _of_runtime(node: NodeContainer, *arguments: str) -> str:
    # kind itself loads images by this very program, so every node has it.
    command = [node.engine, "exec", node.name, "ctr", "--namespace=k8s.io", *arguments]
    told = ask(command, seconds_max=_ASK_SECONDS_MAX)
    if told.code:
        raise KindFailedError(f"node {node.name} does not say what it holds: {told.complaint}")
    return told.out
