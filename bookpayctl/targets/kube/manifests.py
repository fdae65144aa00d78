"""The manifests of an environment: rendered by kustomize, then made this environment's own.

Rendering is kubectl's, so that what `up` applies is what `kubectl apply -k` would, but for the few
fields that `personal` sets. Those are set in the documents, never in text.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.children import variables
from bookpayctl.targets.environment import DEBEZIUM
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube.cluster import Document
from bookpayctl.targets.kube.options import KubeOptions
from runtime.domain.names import PublisherMode, Service

ENVIRONMENT_LABEL: Final = "bookpay.dev/environment"
DRILLS_LABEL: Final = "bookpay.dev/drills"
DRILLS_ALLOWED: Final = "allowed"
HASH_ANNOTATION: Final = "bookpay.dev/applied-sha256"
CONFIG_ANNOTATION: Final = "bookpay.dev/config-sha256"
IMAGE_ANNOTATION: Final = "bookpay.dev/image-id"

# As the manifests name it; whatever the environment runs takes its place.
IMAGE: Final = "bookpay:dev"
CONFIG_MAP: Final = "bookpay-config"

_RENDER_SECONDS_MAX: Final = 60

# What Debezium stands on, by the API group of its objects.
_UNDER_DEBEZIUM: Final = {
    "kafka.strimzi.io": "Strimzi's Kafka",
    "postgresql.cnpg.io": "CloudNativePG's PostgreSQL",
}
# The labels last: they are for the objects of the component before them, too.
_DEBEZIUM_COMPONENTS: Final = ("debezium", "labels")

# Who must be there before whom: what pods mount and what guards them comes before them.
_ORDER: Final = (
    "Namespace",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "Service",
    "PodDisruptionBudget",
    "StatefulSet",
    "Job",
    "Deployment",
)


class ManifestsError(TargetError):
    """The manifests cannot be rendered here."""

    code = ExitCode.USAGE
    reason = "manifests"


def folder() -> Path:
    """Where the manifests lie: beside the packages, in a clone as in an installed wheel.

    Raises:
        ManifestsError: they are not there.
    """
    package = Path(__file__).parents[2]
    for place in (package.parent / "manifests", package / "manifests"):
        if (place / "base").is_dir():
            return place
    raise ManifestsError(f"no folder manifests/ beside {package}; is the installation whole?")


def overlay_folder(overlay: str) -> Path:
    """The kustomization of a name, or of a path.

    Raises:
        ManifestsError: there is none; the message lists the names.
    """
    place = Path(overlay) if "/" in overlay else folder() / "overlays" / overlay
    if not (place / "kustomization.yaml").is_file():
        known = sorted(path.name for path in (folder() / "overlays").iterdir() if path.is_dir())
        raise ManifestsError(f"no overlay {overlay!r}; there are: {', '.join(known)}, or a path")
    return place


def render(place: Path) -> list[Document]:
    """Every document of a kustomization.

    Raises:
        ManifestsError: there is no kubectl, or it refuses.
    """
    # Found on the user's PATH, which a child here does not get.
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise ManifestsError("kubectl is not on PATH; manifests are rendered with it")
    try:
        done = subprocess.run(
            [kubectl, "kustomize", str(place)],
            capture_output=True,
            text=True,
            check=True,
            timeout=_RENDER_SECONDS_MAX,
            env=variables(),
        )
    except subprocess.CalledProcessError as error:
        raise ManifestsError(f"kubectl kustomize {place}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise ManifestsError(f"kubectl kustomize {place} did not end") from error
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def render_chosen(options: KubeOptions) -> list[Document]:
    """Every document of the chosen overlay, with Debezium laid over it where it is to publish.

    Raises:
        ManifestsError: as `render`; or the overlay and `--publisher` contradict each other.
    """
    place = overlay_folder(options.overlay)
    documents = render(place)
    has_connector = any(document["kind"] == "KafkaConnector" for document in documents)
    if options.publisher != DEBEZIUM:
        if has_connector:
            raise ManifestsError(
                f"overlay {options.overlay!r} has Debezium's connector, and --publisher is"
                f" {options.publisher}: every event would go out twice; say --publisher {DEBEZIUM}"
            )
        return documents
    if has_connector:
        return documents
    groups = {document["apiVersion"].rpartition("/")[0] for document in documents}
    lacking = [title for group, title in _UNDER_DEBEZIUM.items() if group not in groups]
    if lacking:
        raise ManifestsError(
            f"--publisher {DEBEZIUM} needs {' and '.join(lacking)} in the overlay, and"
            f" {options.overlay!r} has none; --overlay operators has both"
        )
    return _laid_over(place, _DEBEZIUM_COMPONENTS)


def _laid_over(place: Path, components: tuple[str, ...]) -> list[Document]:
    """An overlay with components on top, as a kustomization of somebody's own would have them."""
    with tempfile.TemporaryDirectory() as name:
        # kustomize takes no absolute path, and follows links before it goes up.
        here = Path(name).resolve()
        laid = (folder().resolve() / "components" / component for component in components)
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(place.resolve(), here)],
            "components": [os.path.relpath(component, here) for component in laid],
        }
        (here / "kustomization.yaml").write_text(json.dumps(document))
        return render(here)


def personal(documents: list[Document], options: KubeOptions) -> list[Document]:
    """The same documents as this environment has them, in the order in which they are applied."""
    made = copy.deepcopy(documents)
    for document in made:
        _label(document, options.name)
        if document["kind"] == "Namespace":
            document["metadata"]["labels"][DRILLS_LABEL] = DRILLS_ALLOWED
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == CONFIG_MAP:
            document["data"].update(configuration(options))
        for container in containers_of(document):
            if container["image"] == IMAGE:
                container["image"] = options.image
                _stamp_image(document, options.place.image_id)
            _settle_stripe(container, options)
    _stamp(made)
    return sorted(made, key=_rank)


def configuration(options: KubeOptions) -> dict[str, str]:
    """What an environment sets in the ConfigMap that every service reads."""
    window = str(options.webhook_window_seconds)
    return {
        "BOOKPAY_ENV": options.name,
        "BOOKPAY_LOG_LEVEL": options.log_level,
        "BOOKPAY_FAILPOINTS": "on" if options.failpoints else "off",
        "BOOKPAY_WEBHOOK_WINDOW_SECONDS": window,
        "BOOKPAY_EVENT_WINDOW_SECONDS": window,
        "SHADOW_MODE": "on" if options.shadow_mode else "off",
        **publishing(options.publisher),
    }


def publishing(publisher: str) -> dict[str, str]:
    """What the services are told of who publishes; where Debezium does, no publisher runs."""
    captured = publisher == DEBEZIUM
    return {
        "BOOKPAY_PUBLISHER_MODE": PublisherMode.POLL.value if captured else publisher,
        "BOOKPAY_CHANGE_DATA_CAPTURE": "on" if captured else "off",
    }


def containers_of(document: Document) -> Iterator[Document]:
    """Every container of a document's pods, those that run before the others among them."""
    template = _template(document)
    if template is not None:
        yield from template["spec"].get("initContainers") or []
        yield from template["spec"]["containers"]


def digest(document: Any) -> str:
    """What tells one document from another, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _template(document: Document) -> Document | None:
    holder = document["spec"]["jobTemplate"] if document["kind"] == "CronJob" else document
    if document["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob", "DaemonSet"):
        template: Document = holder["spec"]["template"]
        return template
    return None


def _label(document: Document, name: str) -> None:
    metas = [document["metadata"]]
    template = _template(document)
    if template is not None:
        metas.append(template.setdefault("metadata", {}))
    metas += [
        claim["metadata"] for claim in document.get("spec", {}).get("volumeClaimTemplates", [])
    ]
    for meta in metas:
        meta.setdefault("labels", {})[ENVIRONMENT_LABEL] = name


def _stamp_image(document: Document, image_id: str) -> None:
    """Let another image under the same name roll the pods: a name alone would not."""
    template = _template(document)
    if image_id and template is not None:
        template["metadata"].setdefault("annotations", {})[IMAGE_ANNOTATION] = image_id


def _settle_stripe(container: Document, options: KubeOptions) -> None:
    """Which Stripe the gateway asks, and how slow the twin is."""
    if container["name"] == "stripe-twin":
        container["args"] = [
            f"--latency-ms={options.twin_latency_ms}" if word.startswith("--latency-ms=") else word
            for word in container["args"]
        ]
    if options.stripe_api_base is not None and container["name"] == Service.GATEWAY.value:
        variables = container.setdefault("env", [])
        kept = [variable for variable in variables if variable["name"] != "STRIPE_API_BASE"]
        container["env"] = [*kept, {"name": "STRIPE_API_BASE", "value": options.stripe_api_base}]


def _stamp(documents: list[Document]) -> None:
    """Let a changed configuration roll the pods, and a changed Job be seen as another one."""
    config = digest(
        [doc["data"] for doc in documents if doc["kind"] == "ConfigMap" and "data" in doc]
    )
    for document in documents:
        template = _template(document)
        if document["kind"] == "Deployment" and template is not None:
            template["metadata"].setdefault("annotations", {})[CONFIG_ANNOTATION] = config
        if document["kind"] == "Job":
            annotations = document["metadata"].setdefault("annotations", {})
            annotations[HASH_ANNOTATION] = digest(document["spec"])


def _rank(document: Document) -> tuple[int, str, str]:
    kind = document["kind"]
    meta = document["metadata"]
    # Whatever is not listed is an operator's: after the namespaces, before what runs.
    rank = _ORDER.index(kind) if kind in _ORDER else _ORDER.index("Service")
    return rank, meta.get("namespace", ""), meta["name"]
