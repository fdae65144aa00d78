"""What the API server would say of an object's shape, without one.

Core kinds are judged by Kubernetes's own schemas (strict: an unknown field is an error), custom
resources by their project's schema, closed the same way, and by the CEL rules in it. Not seen here:
admission webhooks, rules about a change (`oldSelf`), and whether the thing works.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import celpy
import jsonschema
import kubernetes_validate
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

CRDS: Final = Path(__file__).parents[1] / "crds"
KUBERNETES: Final = "1.36"

Json = Any  # a document as YAML gives it


@dataclass(frozen=True, slots=True)
class CustomResource:
    """One kind: whether it lives in a namespace, its schema, and the schema closed."""

    namespaced: bool
    schema: Mapping[str, Json]
    closed: Mapping[str, Json]


@cache
def custom_resources() -> Mapping[tuple[str, str], CustomResource]:
    """By API version and kind, all that is vendored."""
    found = {}
    for path in sorted(CRDS.glob("*.json.gz")):
        for entry in json.loads(gzip.decompress(path.read_bytes())):
            schema = entry["schema"]
            found[f"{entry['group']}/{entry['version']}", entry["kind"]] = CustomResource(
                entry["scope"] == "Namespaced", schema, _closed(schema, root=True)
            )
    return found


def problems(document: Json) -> list[str]:
    """Why the API server would refuse the object; empty when it would not."""
    resource = custom_resources().get((document["apiVersion"], document["kind"]))
    if resource is not None:
        return [*_of_schema(resource.closed, document), *_of_rules(resource.schema, document)]
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{_place(error.path)}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError:
        return [f"nobody knows {document['apiVersion']} {document['kind']}"]
    return []


def rules_seen(document: Json) -> list[str]:
    """The CEL rules that were asked about the object; those of unset fields are not."""
    resource = custom_resources().get((document["apiVersion"], document["kind"]))
    return [] if resource is None else [asked.rule for asked in _rules(resource.schema, document)]


def _of_schema(closed: Mapping[str, Json], document: Json) -> list[str]:
    validator = jsonschema.Draft4Validator(closed)
    return [f"{_place(error.path)}: {error.message}" for error in validator.iter_errors(document)]


def _place(path: object) -> str:
    return ".".join(str(part) for part in path) or "the object"  # type: ignore[attr-defined]


def _closed(schema: Json, *, root: bool = False) -> Json:
    """The structural schema as JSON Schema that refuses what it does not name.

    Only where the schema says what the parts are: what stands in anyOf and the like says what must
    hold of them, and names a few.
    """
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: value for key, value in schema.items() if not key.startswith("x-") and key != "format"
    }
    if "properties" in schema:
        closed["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
        if root:
            # The API server's own, which no schema of a kind describes.
            closed["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if key in schema:
            closed[key] = _closed(schema[key])
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
        closed["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if closed.pop("nullable", False) and "type" in closed:
        closed["type"] = [closed["type"], "null"]
    return closed


@dataclass(frozen=True, slots=True)
class _Asked:
    """One CEL rule and the value that it is about."""

    place: str
    rule: str
    message: str
    value: Json


def _of_rules(schema: Json, document: Json) -> list[str]:
    return [
        f"{asked.place or 'the object'}: {asked.message}"
        for asked in _rules(schema, document)
        if not _holds(asked)
    ]


def _rules(schema: Json, document: Json, place: str = "") -> list[_Asked]:
    """Every rule that the object's set fields bring with them."""
    found = [
        _Asked(place, rule["rule"], rule.get("message", rule["rule"]), document)
        for rule in schema.get("x-kubernetes-validations", ())
        if "oldSelf" not in rule["rule"]
    ]
    if isinstance(document, dict):
        parts, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, value in document.items():
            part = parts.get(name, rest)
            if isinstance(part, dict):
                found += _rules(part, value, f"{place}/{name}")
    if isinstance(document, list) and isinstance(schema.get("items"), dict):
        for number, value in enumerate(document):
            found += _rules(schema["items"], value, f"{place}/{number}")
    return found


@cache
def _program(rule: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule))


def _holds(asked: _Asked) -> bool:
    try:
        return bool(_program(asked.rule).evaluate({"self": json_to_cel(asked.value)}))
    except CELEvalError:
        # A field that the rule needs is not there: the API server does not let that through either.
        return False
