"""What `up` makes an environment's own in the rendered documents, and in which order it applies."""

from __future__ import annotations

from typing import Any

from bookpayctl.targets.kube.manifests import (
    CONFIG_ANNOTATION,
    ENVIRONMENT_LABEL,
    HASH_ANNOTATION,
    IMAGE_ANNOTATION,
    personal,
)
from bookpayctl.targets.kube.options import ClusterPlace, KubeOptions

Document = dict[str, Any]


def options(**more: Any) -> KubeOptions:
    given = {
        "name": "shop",
        "context": None,
        "allowed": (),
        "overlay": "standalone",
        "image": "registry.example/bookpay:7",
        "twin_latency_ms": 250,
        "webhook_window_seconds": 30,
        "shadow_mode": False,
        "publisher": "poll",
        "failpoints": True,
        "stripe_shared": False,
        "log_level": "DEBUG",
        "timeout_seconds": 60.0,
    }
    return KubeOptions(**{**given, **more})


def workload(kind: str, name: str, image: str = "bookpay:dev", **container: Any) -> Document:
    spec = {"containers": [{"name": name, "image": image, **container}]}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"template": {"metadata": {}, "spec": spec}},
    }


def config(**data: str) -> Document:
    meta = {"name": "bookpay-config", "namespace": "n"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}


def namespace() -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}


def test_everything_bears_the_environment_and_pods_too() -> None:
    made = personal([workload("Deployment", "notifier"), namespace()], options())
    deployment = made[1]
    assert [doc["metadata"]["labels"][ENVIRONMENT_LABEL] for doc in made] == ["shop", "shop"]
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"][ENVIRONMENT_LABEL] == "shop"


def test_only_our_image_is_replaced() -> None:
    ours, other = personal(
        [workload("Deployment", "a"), workload("Deployment", "b", "stripe/stripe-mock:v0.197.0")],
        options(),
    )
    images = [doc["spec"]["template"]["spec"]["containers"][0]["image"] for doc in (ours, other)]
    assert images == ["registry.example/bookpay:7", "stripe/stripe-mock:v0.197.0"]


def test_what_a_cron_job_will_start_is_the_environments_too() -> None:
    of_a_night = {"spec": {"jobTemplate": {"spec": workload("Job", "certify")["spec"]}}}
    (made,) = personal([{**workload("CronJob", "certify"), **of_a_night}], options())

    template = made["spec"]["jobTemplate"]["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "registry.example/bookpay:7"
    assert template["metadata"]["labels"][ENVIRONMENT_LABEL] == "shop"


def test_namespaces_first_and_what_pods_mount_before_the_pods() -> None:
    given = [workload("Deployment", "a"), config(), workload("StatefulSet", "b"), namespace()]
    kinds = [doc["kind"] for doc in personal(given, options())]
    assert kinds == ["Namespace", "ConfigMap", "StatefulSet", "Deployment"]


def test_a_changed_configuration_rolls_the_pods() -> None:
    def stamp(level: str) -> str:
        given = [workload("Deployment", "a"), config(OTHER="x")]
        (_, deployment) = personal(given, options(log_level=level))
        return str(deployment["spec"]["template"]["metadata"]["annotations"][CONFIG_ANNOTATION])

    assert stamp("INFO") == stamp("INFO")
    assert stamp("INFO") != stamp("DEBUG")


def test_another_image_under_the_same_name_rolls_the_pods_that_run_it() -> None:
    def stamps(image_id: str) -> list[str | None]:
        given = [workload("Deployment", "a"), workload("Deployment", "b", "mock:1")]
        made = personal(given, options(place=ClusterPlace(image_id=image_id)))
        annotations = [doc["spec"]["template"]["metadata"]["annotations"] for doc in made]
        return [found.get(IMAGE_ANNOTATION) for found in annotations]

    assert stamps("sha256:1") == ["sha256:1", None]
    # Where nobody knows what the nodes hold, nothing is said of it.
    assert stamps("") == [None, None]


def test_a_job_tells_whether_its_template_changed() -> None:
    def stamp(image: str) -> str:
        (job,) = personal([workload("Job", "migrate")], options(image=image))
        return str(job["metadata"]["annotations"][HASH_ANNOTATION])

    assert stamp("a:1") == stamp("a:1")
    assert stamp("a:1") != stamp("a:2")


def test_the_twin_is_as_slow_as_asked_and_another_stripe_is_asked_instead() -> None:
    twin = workload("StatefulSet", "stripe-twin", args=["--port=8080", "--latency-ms=50"])
    (made,) = personal([twin], options())
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["--port=8080", "--latency-ms=250"]
    for env in ([{"name": "STRIPE_API_BASE", "value": "http://stripe-twin:8080"}], []):
        gateway = workload("Deployment", "payments-gateway", env=env)
        (made,) = personal([gateway], options(stripe_api_base="http://mock:12111"))
        container = made["spec"]["template"]["spec"]["containers"][0]
        assert container["env"] == [{"name": "STRIPE_API_BASE", "value": "http://mock:12111"}]


def test_what_was_rendered_stays_as_it_was() -> None:
    rendered = [workload("Deployment", "a")]
    personal(rendered, options())
    assert "labels" not in rendered[0]["metadata"]
