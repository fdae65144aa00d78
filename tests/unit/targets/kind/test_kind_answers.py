"""What kind, its engine and a node's runtime print, read; and what they are given to read."""

from __future__ import annotations

import pytest

from bookpayctl.targets.kind.engine import (
    NodeContainer,
    config_digest,
    digest_in,
    node_container,
    ports_in,
)
from bookpayctl.targets.kind.errors import KindFailedError
from bookpayctl.targets.kind.image_names import full_image_name, names_a_registry
from bookpayctl.targets.kind.kind_program import names_in
from bookpayctl.targets.kind.programs import engine_variables

LISTED = """\
REF                           TYPE                                                 DIGEST \
      SIZE      PLATFORMS   LABELS
docker.io/library/bookpay:dev application/vnd.docker.distribution.manifest.v2+json sha256:aaaa \
 541.9 MiB linux/amd64 io.cri-containerd.image=managed
"""


@pytest.mark.parametrize(
    ("out", "names"),
    [
        ("bookpay\nkind\n", ["bookpay", "kind"]),
        ("bookpay-control-plane\nbookpay-worker\n", ["bookpay-control-plane", "bookpay-worker"]),
        ("", []),
        # Releases before 0.20 said it on stdout.
        ("No kind clusters found.\n", []),
    ],
)
def test_names_are_read_and_sentences_are_none(out: str, names: list[str]) -> None:
    assert names_in(out) == names


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        ('{"6443/tcp":[{"HostIp":"127.0.0.1","HostPort":"30001"}]}', {30_001}),
        ('{"6443/tcp":[{"HostPort":"30001"}],"80/tcp":[{"HostPort":"8080"}]}', {30_001}),
        # A worker, and a port that the engine chose.
        ("{}", set()),
        ("null", set()),
        ('{"6443/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}', set()),
    ],
)
def test_the_port_of_an_api_server_is_read_from_its_bindings(said: str, ports: set[int]) -> None:
    assert ports_in(f"{said}\n") == ports


def test_a_node_says_which_engine_runs_it() -> None:
    found = node_container("kind://docker/bookpay/bookpay-control-plane")

    assert found == NodeContainer("docker", "bookpay-control-plane")


@pytest.mark.parametrize("said", ["aws:///eu-west-1a/i-0", "None", "kind://docker/bookpay"])
def test_a_node_of_another_maker_is_refused(said: str) -> None:
    with pytest.raises(KindFailedError, match="not kind's"):
        node_container(said)


def test_the_id_of_an_image_is_that_of_its_configuration() -> None:
    digest = digest_in(LISTED, "docker.io/library/bookpay:dev")

    assert digest == "sha256:aaaa"
    assert config_digest('{"config": {"digest": "sha256:bbbb"}}', digest) == "sha256:bbbb"
    assert config_digest('{"manifests": []}', digest) == "sha256:aaaa"


def test_an_image_that_is_not_listed_has_none() -> None:
    assert digest_in(LISTED.splitlines()[0], "docker.io/library/bookpay:dev") is None
    assert digest_in(LISTED, "docker.io/library/bookpay:dev2") is None


@pytest.mark.parametrize(
    ("name", "full", "in_registry"),
    [
        ("bookpay:dev", "docker.io/library/bookpay:dev", False),
        ("bookpay", "docker.io/library/bookpay:latest", False),
        ("me/bookpay:1", "docker.io/me/bookpay:1", False),
        ("localhost/bookpay:1", "localhost/bookpay:1", True),
        ("registry:5000/bookpay", "registry:5000/bookpay:latest", True),
        ("ghcr.io/me/bookpay:1", "ghcr.io/me/bookpay:1", True),
        ("ghcr.io/me/bookpay@sha256:aa", "ghcr.io/me/bookpay@sha256:aa", True),
    ],
)
def test_a_name_is_made_whole_as_a_runtime_keeps_it(
    name: str, full: str, in_registry: bool
) -> None:
    assert full_image_name(name) == full
    assert names_a_registry(name) is in_registry


def test_the_engines_variables_are_passed_on_and_the_users_kubeconfig_is_not() -> None:
    shell = {
        "PATH": "/bin",
        "DOCKER_HOST": "unix:///run/user/1000/docker.sock",
        "KIND_EXPERIMENTAL_PROVIDER": "podman",
        "HTTPS_PROXY": "http://proxy:3128",
        "KUBECONFIG": "/home/me/.kube/config",
        "KIND_CLUSTER_NAME": "mine",
        "PGPASSWORD": "secret",
    }

    passed = engine_variables(shell)

    assert set(shell) - set(passed) == {"KUBECONFIG", "KIND_CLUSTER_NAME", "PGPASSWORD"}
