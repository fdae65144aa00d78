"""The rules of components/monitoring, and the program that tries rules without a cluster."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.lab import lab_script

ALERTS: Final = (
    Path(__file__).parents[2] / "manifests" / "components" / "monitoring" / "alerts.yaml"
)


def rule_groups() -> list[dict[str, Any]]:
    """The groups as Prometheus reads them."""
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["spec"]["groups"]
    return found


def alert_rules() -> dict[str, dict[str, Any]]:
    """Each alert by its name."""
    return {
        rule["alert"]: rule for group in rule_groups() for rule in group["rules"] if "alert" in rule
    }


def promtool() -> list[str] | None:
    """The words that run promtool here; None where there is none."""
    at_hand = shutil.which("promtool")
    if at_hand is not None:
        return [at_hand]
    lab = lab_script()
    # It unpacks its programs below the root's home.
    return ["bash", str(lab), "promtool"] if lab is not None and os.geteuid() == 0 else None
