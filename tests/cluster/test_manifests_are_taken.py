"""A real API server takes every object of the overlays, strictly, and nothing is made.

tests/support/cluster.py says which cluster that is. Custom resources are asked about where their
operator's kinds are installed; tests/unit/manifests validates all of them without a cluster.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.support.cluster import TestCluster
from tests.support.manifests.rendering import OVERLAYS, render

Json = Any  # a document as YAML gives it

SECONDS_MAX: Final = 120


def kubectl(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


@pytest.fixture(scope="module")
def known_kinds(cluster_variables: TestCluster) -> frozenset[tuple[str, str]]:
    """API version and kind of everything that the cluster's server knows."""
    del cluster_variables
    listed = kubectl("api-resources", "--no-headers", "-o", "wide")
    assert listed.returncode == 0, listed.stderr
    return frozenset(_kind(line.split()) for line in listed.stdout.splitlines())


def _kind(words: Sequence[str]) -> tuple[str, str]:
    """Of a line `NAME [SHORTNAMES] APIVERSION NAMESPACED KIND VERBS ...`."""
    at = next(n for n, word in enumerate(words) if word in ("true", "false"))
    return words[at - 1], words[at + 1]


def in_a_namespace_that_is_there(document: Json) -> Json:
    """The same object in `default`: a dry run makes no namespace for those that come after."""
    moved = copy.deepcopy(document)
    if "namespace" in moved["metadata"]:
        moved["metadata"]["namespace"] = "default"
    return moved


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_server_takes_every_object(
    known_kinds: frozenset[tuple[str, str]], overlay: str
) -> None:
    objects = [
        document
        for document in render(overlay).objects
        if (document["apiVersion"], document["kind"]) in known_kinds
    ]

    done = _dry_run(*objects)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(objects)
    assert overlay != "standalone" or len(objects) == len(render(overlay).objects)


def test_the_server_refuses_a_field_that_is_not_there(
    known_kinds: frozenset[tuple[str, str]],
) -> None:
    document = copy.deepcopy(render("standalone").named("Deployment", "notifier"))
    document["spec"]["replica"] = 1

    done = _dry_run(document)

    assert done.returncode != 0
    assert "replica" in done.stderr


def _dry_run(*documents: Json) -> subprocess.CompletedProcess[str]:
    return kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--field-manager=bookpay-tests",
        "--force-conflicts",
        "-f",
        "-",
        stdin="\n---\n".join(json.dumps(in_a_namespace_that_is_there(one)) for one in documents),
    )
