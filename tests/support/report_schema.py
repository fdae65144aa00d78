"""docs/report.schema.json as a judge of documents that were really printed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from docs.generate.report_schema import CONTEXTS

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "report.schema.json"


@cache
def validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text()), validate_formats=True)


def is_report(document: dict[str, Any]) -> bool:
    """Whether it is one of the documents that the schema speaks of."""
    return document["kind"] in CONTEXTS


def problems(document: dict[str, Any]) -> list[str]:
    """Where the document is not what the schema says; empty when it is."""
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator().iter_errors(document)
    ]
