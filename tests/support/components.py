"""Where each component of manifests/components is tried in a real cluster, or why it is not."""

from __future__ import annotations

from typing import Final

_OPERATORS: Final = "tests/cluster/operators"

BY_TESTS: Final = {
    "cnpg": f"{_OPERATORS}/test_cnpg.py",
    "istio": f"{_OPERATORS}/test_istio.py",
    "istio-sidecars": f"{_OPERATORS}/test_istio_sidecars.py",
    "eso": f"{_OPERATORS}/test_eso.py",
    "keda": f"{_OPERATORS}/test_keda.py",
    "monitoring": f"{_OPERATORS}/test_monitoring.py",
    "certify": f"{_OPERATORS}/test_certify_job.py",
}
"""Component -> the tests of its own."""

BY_OVERLAYS: Final = dict.fromkeys(
    (
        *("hardening", "kafka", "labels", "mail-sink", "postgres"),
        *("prepare", "small", "twin"),
    ),
    "standalone",
)
"""Component -> the overlay that the other tests of tests/cluster bring up."""

_STRIMZI: Final = (
    "Strimzi's operator is not in the lab: of its programs only the API's schemas are in a registry"
    " of packages, and images are in none that the lab can reach"
)

NOT_HERE: Final = {
    "strimzi": _STRIMZI,
    "debezium": f"its Kafka Connect is made by Strimzi. {_STRIMZI}; its role and its publication"
    " are tried with CloudNativePG",
    "kafka-users": f"its users are made by Strimzi. {_STRIMZI}; their rights are tried on a broker"
    " of our own (tests/integration/manifests/test_kafka_users.py)",
    "tracing": "no collector's image is in a registry that the lab can reach; what leaves is tried"
    " without a cluster (tests/integration/whole_stack/test_traces.py)",
    "stripe-mock": "its image is upstream's, and in no registry that the lab can reach",
}
"""Component -> why nothing of it runs here."""
