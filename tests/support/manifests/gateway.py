"""What the mesh's gateway refuses by an overlay's policies, request by request.

As Istio evaluates DENY: rules are ORed; from, to and when of a rule are ANDed, the fields of a
source too; entries of a list are ORed. What a policy says that is not understood here is a
complaint, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

from tests.support.manifests.rendering import PAYMENTS, Rendered, full_name

Json = Any  # a document as YAML gives it

GATEWAYS: Final = "istio-ingress"
HEADER: Final = "stripe-signature"
_KEY: Final = f"request.headers[{HEADER}]"
_OURS: Final = "hooks.bookpay.example"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it comes to the gateway.

    Attributes:
        signed: whether it has the header at all.
    """

    host: str
    address: str
    signed: bool


# One of Stripe's, and one of those that are nobody's (RFC 5737).
_STRIPES, _STRANGERS = "3.18.12.63", "203.0.113.9"
_EXPECTED: Final = {
    Request(_OURS, _STRIPES, True): False,
    Request(f"{_OURS}:443", _STRIPES, True): False,
    Request(_OURS, _STRIPES, False): True,
    Request(_OURS, _STRANGERS, True): True,
    Request(f"{_OURS}:443", _STRANGERS, True): True,
    Request(_OURS, _STRANGERS, False): True,
    # The gateway is the platform's: other hosts on it are none of our business.
    Request("shop.example", _STRANGERS, False): False,
}


def refused_at_the_gateway(rendered: Rendered) -> Iterator[str]:
    """What has no signature, or comes from elsewhere than Stripe, and nothing else."""
    if not rendered.of_kind("VirtualService"):
        return
    policies = [
        policy
        for policy in rendered.of_kind("AuthorizationPolicy")
        if full_name(policy)[0] == GATEWAYS
    ]
    for request, refused in _EXPECTED.items():
        if any(_denies(policy, request) for policy in policies) != refused:
            yield f"{request} is {'let in' if refused else 'refused'}"


def plain_text(rendered: Rendered) -> Iterator[str]:
    """Wherever a sidecar stands, plain text is refused, at every port."""
    if not rendered.of_kind("VirtualService"):
        return
    found = rendered.named("PeerAuthentication", "default", PAYMENTS)["spec"]
    if found.get("mtls") != {"mode": "STRICT"} or "selector" in found:
        yield "plain text is let in"
    for port in found.get("portLevelMtls", {}):
        yield f"plain text is let in at port {port}"


def _denies(policy: Json, request: Request) -> bool:
    spec = policy["spec"]
    assert spec["action"] == "DENY", "at the gateway an ALLOW would refuse every other host"
    return any(_matches(rule, request) for rule in spec["rules"])


def _matches(rule: Json, request: Request) -> bool:
    assert set(rule) <= {"from", "to", "when"}, rule
    sources = rule.get("from")
    return (
        (sources is None or any(_is_from(entry["source"], request) for entry in sources))
        and any(_is_to(entry["operation"], request) for entry in rule["to"])
        and all(_holds(condition, request) for condition in rule.get("when", ()))
    )


def _is_from(source: Json, request: Request) -> bool:
    assert set(source) == {"notRemoteIpBlocks"}, source
    networks = [ip_network(block) for block in source["notRemoteIpBlocks"]]
    return not any(ip_address(request.address) in network for network in networks)


def _is_to(operation: Json, request: Request) -> bool:
    # Without the port a rule on headers would deny all TCP of the gateway.
    assert set(operation) == {"hosts", "ports"}, operation
    return any(
        request.host == host or (host.endswith("*") and request.host.startswith(host[:-1]))
        for host in operation["hosts"]
    )


def _holds(condition: Json, request: Request) -> bool:
    assert condition["key"] == _KEY, condition
    values, not_values = condition.get("values", []), condition.get("notValues", [])
    assert {*values, *not_values} == {"*"}, condition
    return request.signed if values else not request.signed


RULES: Final = (refused_at_the_gateway, plain_text)
