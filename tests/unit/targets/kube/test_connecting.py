"""Which cluster is meant, where there is no kubeconfig or a pod has only itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.targets.kube.connecting import IN_CLUSTER, open_cluster
from bookpayctl.targets.kube.errors import KubeconfigError

CONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: eu, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: staging, context: {cluster: eu, user: me}}]
users: [{name: me, user: {}}]
current-context: staging
"""


@pytest.fixture(autouse=True)
def nobodys_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config")
    )


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What a pod finds; its token's file."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("of the pod")
    authority.write_text("some authority")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    loader = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(authority))
    return token


@pytest.mark.usefixtures("pod")
@pytest.mark.parametrize("context", [None, IN_CLUSTER])
def test_a_pod_without_a_kubeconfig_is_its_service_account(context: str | None) -> None:
    cluster = open_cluster(context)

    assert cluster.context == IN_CLUSTER
    assert cluster.server == "https://10.0.0.1:443"
    assert cluster.configuration.api_key == {"BearerToken": "bearer of the pod"}


@pytest.mark.usefixtures("pod")
def test_a_pod_has_no_other_context() -> None:
    with pytest.raises(KubeconfigError, match=r"no context 'staging'; it has: in-cluster"):
        open_cluster("staging")


def test_a_token_that_is_not_there_is_told(pod: Path) -> None:
    pod.unlink()

    with pytest.raises(KubeconfigError, match="token file does not exist"):
        open_cluster()


@pytest.mark.usefixtures("pod")
def test_a_kubeconfig_that_somebody_gave_the_pod_counts(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(CONFIG)

    assert open_cluster().context == "staging"


@pytest.mark.usefixtures("pod")
def test_a_kubeconfig_that_is_named_counts_though_it_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))

    with pytest.raises(KubeconfigError):
        open_cluster()


def test_outside_of_a_pod_nothing_is_guessed() -> None:
    with pytest.raises(KubeconfigError, match="no usable kubeconfig"):
        open_cluster()
