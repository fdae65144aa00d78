"""Leading a service through a proxy, and back.

What has to be put back is written on the Service in the same breath, and all that was made bears
one label, so that whoever finds a diversion whose maker was killed can undo it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bookpayctl.clients.http import HttpAnswer
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube import diverted
from bookpayctl.targets.kube.cluster import Cluster, Document
from bookpayctl.targets.kube.kinds import ENDPOINT_SLICE, NETWORK_POLICY, POD, SERVICE, Kind
from bookpayctl.targets.kube.pods import is_leaving, is_ready
from bookpayctl.targets.kube.reach.ways import Ways
from bookpayctl.targets.kube.reasons import why_not_ready
from bookpayctl.targets.link import DiversionState, ask_proxy, state_of, tell_proxy
from bookpayctl.targets.toxic import Toxic

PROXY_SECONDS_MAX: Final = 60.0
REMOVED_SECONDS_MAX: Final = 60.0
_ASK_SECONDS_MAX: Final = 10.0
_LOOK_SECONDS: Final = 0.25

_MADE: Final[tuple[Kind, ...]] = (POD, SERVICE, NETWORK_POLICY)
_SERVICE_LABEL: Final = "kubernetes.io/service-name"


class DiversionError(TargetError):
    """A service could not be led through a proxy, or not back; the message says how far it is."""

    reason = "diversion_failed"


def find_service(cluster: Cluster, namespaces: Sequence[str], name: str) -> Document:
    """The Service of that name, in whichever namespace of the environment it is.

    Raises:
        DiversionError: there is none, or it selects no pods by itself.
    """
    for namespace in namespaces:
        found = cluster.find(SERVICE, name, namespace)
        if found is not None and found["spec"].get("selector"):
            return found
    raise DiversionError(f"no Service {name} with a selector in {', '.join(namespaces)}")


def divert(
    cluster: Cluster, ways: Ways, service: Document, ours: Document, environment: str
) -> DiversionState:
    """Put a proxy before a service; returns when it answers and the Service leads to it.

    Args:
        ours: a pod of our image; the proxy is run as it is.

    Raises:
        DiversionError: it is diverted already, nobody is behind it, or the proxy does not answer.
    """
    meta = service["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    if diverted.restored_change(service) is not None:
        raise DiversionError(f"service {name} is diverted already; bookpayctl recover")
    there = cluster.objects(POD, namespace, labels=diverted.selector_of(service))
    behind = [pod for pod in there if is_ready(pod)]
    if not behind:
        raise DiversionError(f"no pod behind service {name} is ready")
    made = [
        diverted.behind_service(service, environment),
        diverted.proxy_pod(service, behind[0], ours, environment),
    ]
    if diverted.is_denied_by_default(cluster.objects(NETWORK_POLICY, namespace)):
        made += diverted.policies(service, environment)
    for document in made:
        cluster.apply(document)
    _wait_for_proxy(cluster, ways, namespace, name)
    cluster.patch(SERVICE, name, diverted.diverted_change(service), namespace)
    proxy = diverted.proxy_name(name)
    led = wait_until(
        lambda: _endpoints(cluster, namespace, name),
        lambda pods: pods == {proxy},
        deadline_seconds=PROXY_SECONDS_MAX,
        every_seconds=_LOOK_SECONDS,
    )
    if not led.reached:
        raise DiversionError(f"service {name} leads to {', '.join(led.value) or 'nobody'}")
    return state(cluster, ways, namespace, name)


def state(cluster: Cluster, ways: Ways, namespace: str, name: str) -> DiversionState:
    """What the proxy of a service tells.

    Raises:
        DiversionError: it does not answer.
    """
    answer = ask_proxy(_url(ways, namespace, name), timeout_seconds=_ASK_SECONDS_MAX)
    return _told(cluster, namespace, name, answer)


def set_toxic(
    cluster: Cluster, ways: Ways, namespace: str, name: str, toxic: Toxic | None
) -> DiversionState:
    """Change what the proxy does.

    Raises:
        DiversionError: it does not answer, or cannot do it.
    """
    answer = tell_proxy(_url(ways, namespace, name), toxic, timeout_seconds=_ASK_SECONDS_MAX)
    return _told(cluster, namespace, name, answer)


def restore(cluster: Cluster, namespace: str, name: str) -> None:
    """Lead a service to its own pods again, then remove what the diversion made.

    Raises:
        DiversionError: the Service still leads to the proxy, or something is still there.
    """
    service = cluster.find(SERVICE, name, namespace)
    change = None if service is None else diverted.restored_change(service)
    if change is not None:
        cluster.patch(SERVICE, name, change, namespace)
    proxy = diverted.proxy_name(name)
    # In this order: a Service that leads to a pod that is gone would refuse everybody.
    back = wait_until(
        lambda: _endpoints(cluster, namespace, name),
        lambda pods: proxy not in pods,
        deadline_seconds=REMOVED_SECONDS_MAX,
        every_seconds=_LOOK_SECONDS,
    )
    if not back.reached:
        raise DiversionError(f"service {name} still leads to {proxy}")
    for kind, document in _made(cluster, namespace, name):
        meta = document["metadata"]
        if not is_leaving(document):
            cluster.delete(kind, meta["name"], namespace, uid=meta["uid"])
    gone = wait_until(
        lambda: [found["metadata"]["name"] for _, found in _made(cluster, namespace, name)],
        lambda left: not left,
        deadline_seconds=REMOVED_SECONDS_MAX,
        every_seconds=_LOOK_SECONDS,
    )
    if not gone.reached:
        raise DiversionError(f"still there: {', '.join(gone.value)}")


def _wait_for_proxy(cluster: Cluster, ways: Ways, namespace: str, name: str) -> None:
    proxy = diverted.proxy_name(name)
    ready = wait_until(
        lambda: cluster.get(POD, proxy, namespace),
        is_ready,
        deadline_seconds=PROXY_SECONDS_MAX,
        every_seconds=_LOOK_SECONDS,
    )
    if not ready.reached:
        raise DiversionError(f"{proxy} is not ready: {why_not_ready(ready.value)}")
    # It runs; that it listens, it says itself.
    answers = wait_until(
        lambda: ask_proxy(_url(ways, namespace, name), timeout_seconds=_ASK_SECONDS_MAX),
        lambda answer: answer.ok,
        deadline_seconds=PROXY_SECONDS_MAX,
        every_seconds=_LOOK_SECONDS,
    )
    if not answers.reached:
        raise DiversionError(f"{proxy} does not answer: {answers.value.text[:200]}")


def _told(cluster: Cluster, namespace: str, name: str, answer: HttpAnswer) -> DiversionState:
    if not answer.ok:
        raise DiversionError(f"{diverted.proxy_name(name)} does not answer: {answer.text[:200]}")
    pod = cluster.get(POD, diverted.proxy_name(name), namespace)
    return state_of(answer.object(), str((pod.get("status") or {}).get("podIP") or ""))


def _url(ways: Ways, namespace: str, name: str) -> str:
    port = ways.to_pod(namespace, diverted.proxy_name(name), diverted.CONTROL_PORT)
    return f"http://127.0.0.1:{port}"


def _endpoints(cluster: Cluster, namespace: str, name: str) -> set[str]:
    """The names of the pods that a Service leads to now."""
    slices = cluster.objects(ENDPOINT_SLICE, namespace, labels=f"{_SERVICE_LABEL}={name}")
    return {
        endpoint["targetRef"]["name"]
        for one in slices
        for endpoint in one.get("endpoints") or []
        if (endpoint.get("targetRef") or {}).get("kind") == "Pod"
    }


def _made(cluster: Cluster, namespace: str, name: str) -> list[tuple[Kind, Document]]:
    label = f"{diverted.LABEL}={name}"
    return [
        (kind, document)
        for kind in _MADE
        for document in cluster.objects(kind, namespace, labels=label)
    ]
