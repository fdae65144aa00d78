"""The JSON Schema of the reports that `check`, `audit`, `drill`, `demo` and their like print.

Verdicts, exit codes, reasons and the fields of an item are taken from the code, so that the schema
cannot lag behind it; what the documents of the other commands look like is not promised here.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any, Final

from bookpayctl.report import result
from bookpayctl.report.attempt import Attempt
from bookpayctl.report.document import API_VERSION
from bookpayctl.report.exit_code import MEANINGS, REASONS, ExitCode
from bookpayctl.report.verdict import MEANINGS as VERDICT_MEANINGS
from bookpayctl.report.verdict import SUPPRESSED, Item, Verdict
from docs.generate.markdown import one_line

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# What each kind of report says about what was looked at. One that was refused only says why.
CONTEXTS: Final[dict[str, tuple[str, ...]]] = {
    "AuditReport": (
        *("environment", "target", "stripe"),
        *("cut_off", "judged_orders", "probes_excluded"),
    ),
    "CertificateReport": (
        *("environment", "target", "stripe", "run"),
        *("profile", "budget", "asked", "left_out"),
    ),
    "CheckReport": ("environment", "target", "stripe", "run"),
    "DemoReport": ("environment", "target", "run"),
    "DrillReport": ("environment", "target", "stripe", "drill", "point", "seed", "run"),
    "DrillSeriesReport": ("environment", "target", "stripe", "drills"),
    "ForgeReport": ("environment", "target", "receiver"),
    "RehearsalReport": ("environment", "target", "runbook", "sha256"),
    "ReplayReport": (
        *("environment", "target", "run"),
        *("mode", "topics", "records", "ledger_at"),
    ),
    "RunbookReport": ("environment", "target", "runbook", "sha256"),
    "SelftestReport": ("asked", "controls"),
    "SimulationReport": ("seeds", "orders", "source", "pace"),
    "StormShrinkReport": ("run", "question", "seed"),
    "VerificationReport": ("run", "rules", "judged_orders"),
}
REFUSED: Final = ("environment", "target", "refused")
NOT_RUN: Final = ("environment", "target", "not_run")

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "minimum": 0},
    "Verdict": {"$ref": "#/$defs/verdict"},
    "tuple[str, ...]": {"type": "array", "items": {"type": "string"}},
}


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The schema, JSON-ready."""
    properties = {
        "apiVersion": {"const": API_VERSION},
        "kind": {"enum": sorted(CONTEXTS)},
        "exit": {"$ref": "#/$defs/exit"},
        "context": {"type": "object", "additionalProperties": {"type": "string"}},
        "notes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "what could not be asked at all, or only of a part; empty where all was",
        },
        "verdict": {"$ref": "#/$defs/verdict"},
        "started_at": {"type": "string", "format": "date-time"},
        "duration_seconds": {"type": "number", "minimum": 0},
        "summary": _summary(),
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        "attempts": {
            "type": "array",
            "items": {"$ref": "#/$defs/attempt"},
            "description": "each time of asking, oldest first; empty where nothing is asked again",
        },
        "reports_lost": {
            "type": "array",
            "items": {"type": "string"},
            "description": "reports that were asked for and could not be written, with the reason",
        },
        "run_dir": {
            "type": ["string", "null"],
            "description": "the folder with the evidence; null where a command keeps none",
        },
    }
    return {
        "$schema": DIALECT,
        "$id": f"https://bookpay.example/{API_VERSION}/report.schema.json",
        "title": "Reports of bookpayctl",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "allOf": [_context_of(kind, names) for kind, names in CONTEXTS.items()],
        "$defs": {"verdict": _verdict(), "exit": _exit(), "item": _item(), "attempt": _attempt()},
    }


def _summary() -> dict[str, Any]:
    names = [*(verdict.value for verdict in Verdict), SUPPRESSED]
    counts = {name: {"type": "integer", "minimum": 0} for name in names}
    return {
        "description": "how many items have each verdict; what is suppressed is counted apart",
        "type": "object",
        "properties": counts,
        "required": list(counts),
        "additionalProperties": False,
    }


def _context_of(kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "if": {"properties": {"kind": {"const": kind}}},
        "then": {
            "properties": {
                "context": {"anyOf": [{"required": list(way)} for way in (names, REFUSED, NOT_RUN)]}
            }
        },
    }


def _verdict() -> dict[str, Any]:
    return {"oneOf": [{"const": v.value, "description": VERDICT_MEANINGS[v]} for v in Verdict]}


def _exit() -> dict[str, Any]:
    return {
        "description": "the exit status of the command and its reason, one for one",
        "type": "object",
        "oneOf": [
            {
                "properties": {"code": {"const": int(exit_code)}, "reason": {"const": reason}},
                "description": MEANINGS[exit_code],
            }
            for exit_code, reason in REASONS.items()
        ],
        "required": ["code", "reason"],
        "additionalProperties": False,
        "properties": {
            "code": {"enum": sorted(map(int, ExitCode))},
            "reason": {"enum": sorted(REASONS.values())},
        },
    }


def _item() -> dict[str, Any]:
    sample = Item("I00", "title", Verdict.HOLDS, "required", "observed", 1)
    documented = _attributes_of(Item)
    kinds = {part.name: str(part.type) for part in fields(Item)}
    kinds["controls"] = "tuple[str, ...]"
    properties = {
        name: {**_TYPES[kinds[name]], **documented.get(name, {})}
        for name in result.item_document(sample)
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _attempt() -> dict[str, Any]:
    answer = {
        "id": {"type": "string"},
        "verdict": {"$ref": "#/$defs/verdict"},
        "observed": {"type": "string"},
        "reason": {"type": "string"},
    }
    documented = _attributes_of(Attempt)
    properties: dict[str, Any] = {
        "number": {"type": "integer", "minimum": 1, **documented["number"]},
        "began_at": {"type": "string", "format": "date-time", **documented["began_at"]},
        "answers": {"type": "array", "items": _closed(answer), **documented["answers"]},
    }
    return _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties, all of them and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _attributes_of(kind: type) -> dict[str, dict[str, str]]:
    """The sentences of the section Attributes of a class's docstring."""
    section = (kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", section, re.MULTILINE)
    return {name: {"description": one_line(words)} for name, words in found}
