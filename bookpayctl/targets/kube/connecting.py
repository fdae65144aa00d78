"""Which cluster a command talks to, and as whom: by a kubeconfig, or as the pod that it runs in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import KubeconfigError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

IN_CLUSTER: Final = "in-cluster"
"""The context of a pod without a kubeconfig."""


def open_cluster(context: str | None = None, kubeconfig: str | None = None) -> Cluster:
    """The cluster of a context; the current one where none is named.

    A pod without a kubeconfig has one context, IN_CLUSTER: the cluster around it, as its service
    account.

    Raises:
        KubeconfigError: no kubeconfig, or no such context in it.
    """
    from kubernetes.config import ConfigException

    try:
        if kubeconfig is None and _is_all_that_a_pod_has():
            api, name = _as_service_account(context)
        else:
            api, name = _by_kubeconfig(context, kubeconfig)
    except (ConfigException, OSError, TypeError) as error:
        raise KubeconfigError(f"no usable kubeconfig: {error}") from error
    # A request's own tries are counted here, where a repeated one can be told from another.
    api.configuration.retries = False
    return Cluster(api, name)


def _by_kubeconfig(context: str | None, kubeconfig: str | None) -> tuple[ApiClient, str]:
    from kubernetes.config import list_kube_config_contexts, new_client_from_config

    contexts, current = list_kube_config_contexts(config_file=kubeconfig)
    name = str(context or (current or {}).get("name") or "")
    _refuse_unknown(name, [entry["name"] for entry in contexts])
    return new_client_from_config(config_file=kubeconfig, context=name), name


def _as_service_account(context: str | None) -> tuple[ApiClient, str]:
    """Its token is read again every minute: the kubelet writes a new one before it ends."""
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import load_incluster_config

    _refuse_unknown(context or IN_CLUSTER, [IN_CLUSTER])
    configuration = Configuration()
    load_incluster_config(client_configuration=configuration)
    return ApiClient(configuration), IN_CLUSTER


def _is_all_that_a_pod_has() -> bool:
    from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

    named = os.environ.get("KUBECONFIG") or Path(KUBE_CONFIG_DEFAULT_LOCATION).expanduser().exists()
    return not named and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _refuse_unknown(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise KubeconfigError(
            f"the kubeconfig has no context {name!r}; it has: {', '.join(sorted(known)) or 'none'}"
        )
