"""Every setting of both programs, as the code itself asks for it.

The runtime has no table of its settings: its functions ask a `Source`. Here each is asked by a
source that writes down what it is asked for, so name, kind, default and bounds are the code's own;
only what a setting is for is text, `meanings.MEANINGS`.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from bookpayctl.targets import settings
from docs.generate.markdown import code, table
from runtime import config
from runtime.__main__ import MODULES
from runtime.config import Source
from runtime.meanings import MEANINGS

ROOT: Final = Path(config.__file__).parents[1]
SERVICES: Final = ROOT / "runtime" / "services"

# What stands in where a setting has no default; it only has to be of the right form.
_STAND_INS: Final = {"DB_DSN": "postgresql://user@host/database"}

# Set, so that what is asked for only then is asked for as well.
_SWITCHES: Final = {
    "KAFKA_USERNAME": "user",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One setting as the code asks for it; `default` is None where it must be set."""

    name: str
    kind: str
    default: str | None
    bounds: str = ""


class _Noting(Mapping[str, str]):
    """An empty environment that remembers which names were looked up in it."""

    def __init__(self, asked: dict[str, Asked]) -> None:
        self._asked = asked

    def __getitem__(self, name: str) -> str:
        self._asked.setdefault(name, Asked(name, "text", ""))
        return _SWITCHES[name]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _Recorder(Source):
    """A source that answers with defaults and keeps what it was asked."""

    asked: dict[str, Asked] = field(default_factory=dict)

    def text(self, name: str, default: str | None = None) -> str:
        self.asked[name] = Asked(name, "text", default)
        return default or _STAND_INS.get(name, "text")

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        self.asked[name] = Asked(name, "number", f"{default:g}", f"{least:g} to {most:,.0f}")
        return default

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        bounds = f"{least} to {most:,}"
        self.asked[name] = Asked(name, "whole number", str(default), bounds)
        return default

    def flag(self, name: str) -> bool:
        self.asked[name] = Asked(name, "on or off", "off")
        return False

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        self.asked[name] = Asked(name, " or ".join(allowed), default)
        return default

    def url(self, name: str, default: str | None = None) -> str:
        self.asked[name] = Asked(name, "URL", default)
        return default or "http://localhost"

    def secret(self, name: str) -> str:
        self.asked[name] = Asked(name, "secret", None)
        return _STAND_INS.get(name, "secret")


@cache
def asked_for() -> dict[str, tuple[Asked, list[str]]]:
    """Every setting of the runtime by name, with the services that read it."""
    found: dict[str, tuple[Asked, list[str]]] = {}
    for function, readers in _readers().items():
        for asked in _asked_by(function):
            known, services = found.setdefault(asked.name, (asked, []))
            services += [reader for reader in readers if reader not in services]
            if known.default == "" and asked.kind != "text":
                found[asked.name] = (asked, services)
    return dict(sorted(found.items()))


def _asked_by(function: str) -> list[Asked]:
    asked: dict[str, Asked] = {}
    recorder = _Recorder(_Noting(asked), asked)
    arguments = ["<service>", None] if function == "common" else []
    getattr(config, function)(recorder, *arguments)
    return list(asked.values())


def _readers() -> dict[str, list[str]]:
    """Each function of config that takes a source, with the services whose code calls it."""
    functions = [
        name
        for name, function in inspect.getmembers(config, inspect.isfunction)
        if next(iter(inspect.signature(function).parameters), "") == "source"
        and not name.startswith("_")
    ]
    calls = {folder: _calls_in(folder) for folder in _service_folders()}
    return {
        name: ["all"]
        if name == "common"
        else [service for folder, service in _service_folders().items() if name in calls[folder]]
        for name in functions
    }


def _service_folders() -> dict[Path, str]:
    """Folder of each service's code -> its name."""
    return {
        SERVICES / module.split(".")[2]: str(service) for (service, _), module in MODULES.items()
    }


def _calls_in(folder: Path) -> set[str]:
    """Functions of config that the service's code calls, or what it imports calls for it."""
    waiting, seen = list(folder.glob("*.py")), set[Path]()
    calls: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        calls |= set(re.findall(r"\bconfig\.([a-z_]+)\(", text))
        waiting += _imported_by(text)
    return calls


def _imported_by(text: str) -> Iterator[Path]:
    """Files of the runtime that a module imports, but for config, which calls only itself."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "runtime":
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                path = ROOT.joinpath(*str(name).split(".")).with_suffix(".py")
                if path.exists() and path != Path(config.__file__):
                    yield path


def runtime() -> str:
    """The table of the runtime's settings."""
    return table(
        ("variable", "type", "default", "read by", "what it does"),
        [
            (
                code(asked.name),
                _kind(asked),
                "**must be set**" if asked.default is None else code(asked.default) or "-",
                ", ".join(services),
                MEANINGS[asked.name],
            )
            for asked, services in asked_for().values()
        ],
    )


def _kind(asked: Asked) -> str:
    unit = "seconds" if asked.name.endswith("_SECONDS") and "RATE" not in asked.name else asked.kind
    return f"{unit}, {asked.bounds}" if asked.bounds else unit


def bookpayctl() -> str:
    """The table of an environment's settings, as `bookpayctl config show` knows them."""
    return table(
        ("bookpay.toml", "flag", "variable", "default", "what it is"),
        [
            (
                code(setting.key),
                code(setting.flag) or "-",
                code(setting.variable),
                code(setting.default) or "-",
                setting.meaning,
            )
            for setting in settings.SETTINGS
        ],
    )


def variables() -> str:
    """The table of what bookpayctl reads from its environment beside settings."""
    return table(
        ("variable", "what it does"),
        [(code(name), meaning) for name, meaning in sorted(settings.VARIABLES.items())],
    )
