"""Which operators are installed, which are used as they are, and which lack. Pure.

An overlay says by its objects which operators it needs; `--operators` says which of them may be
installed. One that is there and was not installed for this environment is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kube.operators.pins import Operator, pinned_operators

Document = dict[str, Any]

INSTALLED_FOR_LABEL: Final = "bookpay.dev/installed-for"
"""On everything of an operator that `up` installed: the environment it was installed for."""

CNPG: Final = "cnpg"
ALL: Final = "all"

# Published as charts, or with a configuration that is the platform's to decide: not installed here.
_OF_OTHERS: Final = {
    "security.istio.io": "Istio",
    "networking.istio.io": "Istio",
    "external-secrets.io": "External Secrets Operator",
    "keda.sh": "KEDA",
    "monitoring.coreos.com": "prometheus-operator",
}


class OperatorMissingError(TargetError):
    """The overlay needs an operator that is not there and that nobody said to install."""

    code = ExitCode.REFUSED
    reason = "operator_missing"


@dataclass(frozen=True, slots=True)
class OperatorPlan:
    """What is done about the operators that an overlay needs.

    Attributes:
        install: from pinned files, or again where an `up` was killed over it.
        used: titles of those that are there and stay as they are.
    """

    install: tuple[Operator, ...]
    used: tuple[str, ...]


def groups_of(documents: Iterable[Document]) -> frozenset[str]:
    """The API groups that the documents name."""
    return frozenset(document["apiVersion"].rpartition("/")[0] for document in documents)


def needed_operators(documents: Iterable[Document]) -> tuple[Operator, ...]:
    """Those that `up` could install and that the documents need."""
    groups = groups_of(documents)
    return tuple(operator for operator in pinned_operators() if operator.group in groups)


def needed_of_others(documents: Iterable[Document]) -> dict[str, str]:
    """API group -> title of the needed operators that are others' to install."""
    return {group: _OF_OTHERS[group] for group in sorted(groups_of(documents) & _OF_OTHERS.keys())}


def plan_operators(
    needed: Iterable[Operator],
    there: Mapping[str, Mapping[str, str] | None],
    lacking: Iterable[str],
    *,
    chosen: str,
    environment: str,
) -> OperatorPlan:
    """Decide about each.

    Args:
        there: operator's name -> labels of its CustomResourceDefinition; None where it is absent.
        lacking: titles of others' operators that the overlay needs and that are absent.
        chosen: what `--operators` says: `none`, the name of one, or `all`.

    Raises:
        OperatorMissingError: one is absent and is not to be installed; the message names each.
    """
    install: list[Operator] = []
    used: list[str] = []
    missing: list[Operator] = []
    for operator in needed:
        labels = there[operator.name]
        may = chosen in (ALL, operator.name)
        ours = labels is not None and labels.get(INSTALLED_FOR_LABEL) == environment
        if may and (labels is None or ours):
            install.append(operator)
        elif labels is None:
            missing.append(operator)
        else:
            used.append(operator.title)
    _refuse_missing(missing, sorted(set(lacking)))
    return OperatorPlan(tuple(install), tuple(used))


def _refuse_missing(missing: list[Operator], lacking: list[str]) -> None:
    if not missing and not lacking:
        return
    titles = [*(operator.title for operator in missing), *lacking]
    error = OperatorMissingError(
        f"the overlay needs {', '.join(titles)}, and the cluster does not know"
        f" {'its' if len(titles) == 1 else 'their'} kinds; nothing was changed"
    )
    if lacking:
        error.fix = f"install {', '.join(lacking)} as docs/kubernetes.md says"
    else:
        alone = [operator.name for operator in missing] == [CNPG]
        error.fix = f"bookpayctl up --operators {CNPG if alone else ALL}"
    raise error
