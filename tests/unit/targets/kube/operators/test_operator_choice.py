"""Which operators are installed, used or missed, by what an overlay names and a cluster has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import settings
from bookpayctl.targets.kube.manifests import overlay_folder
from bookpayctl.targets.kube.operators.choice import (
    INSTALLED_FOR_LABEL,
    OperatorMissingError,
    OperatorPlan,
    needed_of_others,
    needed_operators,
    plan_operators,
)
from bookpayctl.targets.kube.operators.pins import pinned_operators
from bookpayctl.targets.kube.options import OVERLAY_OF, read_options
from bookpayctl.targets.settings import SettingsError
from tests.support.manifests.rendering import render

BY_NAME = {operator.name: operator for operator in pinned_operators()}
CNPG, STRIMZI = BY_NAME["cnpg"], BY_NAME["strimzi"]

Labels = dict[str, str] | None

ABSENT: Labels = None
SOMEBODYS: Labels = {}
OURS: Labels = {INSTALLED_FOR_LABEL: "shop"}
OF_ANOTHER: Labels = {INSTALLED_FOR_LABEL: "trial"}


def plan(chosen: str, cnpg: Labels, strimzi: Labels = SOMEBODYS, *lacking: str) -> OperatorPlan:
    there = {"cnpg": cnpg, "strimzi": strimzi}
    return plan_operators([CNPG, STRIMZI], there, lacking, chosen=chosen, environment="shop")


@pytest.mark.parametrize(
    ("chosen", "cnpg", "installed"),
    [
        ("cnpg", ABSENT, True),
        ("all", ABSENT, True),
        # A killed `up` left some of it: the same again finishes it.
        ("cnpg", OURS, True),
        ("none", OURS, False),
        # Whoever made it keeps it as it is, whatever is chosen.
        ("none", SOMEBODYS, False),
        ("cnpg", SOMEBODYS, False),
        ("all", SOMEBODYS, False),
        ("all", OF_ANOTHER, False),
    ],
)
def test_an_operator_is_installed_where_it_is_absent_and_chosen(
    chosen: str, cnpg: Labels, installed: bool
) -> None:
    decided = plan(chosen, cnpg)

    assert decided.install == ((CNPG,) if installed else ())
    assert (CNPG.title in decided.used) is not installed


@pytest.mark.parametrize(
    ("chosen", "cnpg", "strimzi", "fix"),
    [
        ("none", ABSENT, SOMEBODYS, "--operators cnpg"),
        ("none", ABSENT, ABSENT, "--operators all"),
        ("none", SOMEBODYS, ABSENT, "--operators all"),
        ("cnpg", ABSENT, ABSENT, "--operators all"),
    ],
)
def test_one_that_is_absent_and_not_chosen_is_refused_with_the_option_that_installs_it(
    chosen: str, cnpg: Labels, strimzi: Labels, fix: str
) -> None:
    with pytest.raises(OperatorMissingError) as refused:
        plan(chosen, cnpg, strimzi)

    assert refused.value.code is ExitCode.REFUSED
    assert fix in refused.value.fix


def test_operators_that_are_others_to_install_are_named_all_at_once() -> None:
    with pytest.raises(OperatorMissingError, match="Istio, KEDA") as refused:
        plan("all", ABSENT, ABSENT, "KEDA", "Istio", "Istio")

    assert "docs/kubernetes.md" in refused.value.fix


@pytest.mark.parametrize(
    ("overlay", "needed", "of_others"),
    [
        ("standalone", [], set()),
        ("cnpg", ["cnpg"], set()),
        ("kind", ["cnpg", "strimzi"], set()),
        (
            "operators",
            ["cnpg", "strimzi"],
            {"Istio", "External Secrets Operator", "KEDA", "prometheus-operator"},
        ),
    ],
)
def test_an_overlay_says_by_its_objects_what_it_needs(
    overlay: str, needed: list[str], of_others: set[str]
) -> None:
    documents = render(overlay).objects

    assert [operator.name for operator in needed_operators(documents)] == needed
    assert set(needed_of_others(documents).values()) == of_others


def test_every_group_of_an_overlay_is_kubernetes_own_or_an_operators_that_is_known() -> None:
    known = {operator.group for operator in pinned_operators()}
    own = {"", "apps", "batch", "policy", "networking.k8s.io", "rbac.authorization.k8s.io"}

    for overlay in ("standalone", "cnpg", "kind", "operators", "prod", "cdc"):
        documents = render(overlay).objects
        groups = {document["apiVersion"].rpartition("/")[0] for document in documents}
        assert groups - own - known - needed_of_others(documents).keys() == set(), overlay


def read(tmp_path: Path, **flags: str) -> Any:
    return read_options(settings.resolve(flags, {}, tmp_path), {})


@pytest.mark.parametrize(("operators", "overlay"), OVERLAY_OF.items())
def test_operators_choose_the_overlay_and_each_is_there(
    tmp_path: Path, operators: str, overlay: str
) -> None:
    assert read(tmp_path, install_operators=operators).overlay == overlay
    assert overlay_folder(overlay).is_dir()


def test_an_overlay_that_is_named_counts_whatever_the_operators(tmp_path: Path) -> None:
    assert read(tmp_path, install_operators="all", overlay="kind").overlay == "kind"
    assert read(tmp_path).overlay == "standalone"


def test_operators_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="install_operators='some'"):
        read(tmp_path, install_operators="some")
