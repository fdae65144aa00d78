"""What is released: a version with its heading, under a licence that is the whole text of it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# The text as the Apache Software Foundation publishes it, appendix included.
APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_version_of_the_project_has_a_heading_with_its_date() -> None:
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", h) for h in headings()[1:]]

    assert None not in released
    assert PROJECT["version"] in {match[1] for match in released if match}


def test_the_newest_release_comes_first() -> None:
    dates = [heading[-10:] for heading in headings()[1:]]

    assert dates == sorted(dates, reverse=True)


def test_the_licence_is_apache_2_unchanged() -> None:
    text = (ROOT / "LICENSE").read_bytes()

    assert hashlib.sha256(text).hexdigest() == APACHE_2_SHA256
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]
