"""What goes on top of a base, and the layers made of it: the wheels, the jars, ours.

Wheels and jars are kept and found again as long as what decides them is the same, so that a build
after a change of code takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bookpayctl.image.bytecode import Compiler, compiler_for
from bookpayctl.image.cuts import NOT_INSTALLED
from bookpayctl.image.description import ImageOrigin
from bookpayctl.image.errors import ImageError
from bookpayctl.image.inventory import Inventory
from bookpayctl.image.jars import KafkaJars, write_jars
from bookpayctl.image.layer import Layer
from bookpayctl.image.lock import LockError, Pin, marker_values, pins
from bookpayctl.image.materials import Material
from bookpayctl.image.ours import CodeSource, write_ours
from bookpayctl.image.platforms import ImagePlatform
from bookpayctl.image.sbom import written_sbom
from bookpayctl.image.store import LayerStore, Stored
from bookpayctl.image.wheels import WheelPlan, write_wheels

Tell = Callable[[str, str], None]
"""Called with the part that is worked on and what is done with it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of, beside its base.

    Attributes:
        lock: the file that pins the wheels.
        jars: Kafka's jars; None: an image without them, in which no Kafka can be started.
    """

    source: CodeSource
    lock: Path
    origin: ImageOrigin
    jars: KafkaJars | None


@dataclass(frozen=True, slots=True)
class NamedLayer:
    """A layer of ours; `what` is `python`, `wheels`, `jars` or `bookpay`."""

    what: str
    layer: Layer
    materials: tuple[Material, ...] = ()


def compiler_told(python: str, tell: Tell) -> Compiler | None:
    """What makes the byte code; says so when there is nothing."""
    compiler = compiler_for(python)
    if compiler is None:
        tell("python", f"no Python {python} here to compile with: containers will start slower")
    return compiler


def wheels_layer(
    store: LayerStore,
    recipe: Recipe,
    inside: Inventory,
    platform: ImagePlatform,
    compiler: Compiler | None,
    tell: Tell,
) -> NamedLayer:
    """The lock's wheels for this base.

    Raises:
        ImageError: the lock cannot be read, or a wheel cannot be had.
    """
    chosen = pins_of(recipe.lock, inside.python, platform)
    plan = WheelPlan(chosen, inside.python, platform.machine, inside.glibc_minor, compiler)

    def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
        tell("wheels", f"installing {len(chosen)} of {recipe.lock.name}, a minute or two")
        return write_wheels(plan, path)

    return _told("wheels", store.layer("wheels", plan.inputs(), write), tell)


def jars_layer(store: LayerStore, jars: KafkaJars, tell: Tell) -> NamedLayer:
    """Kafka's jars."""

    def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
        return write_jars(jars, path)

    return _told("jars", store.layer("jars", jars.inputs(), write), tell)


def our_layer(
    recipe: Recipe,
    inside: Inventory,
    base_name: str,
    below: list[NamedLayer],
    compiler: Compiler | None,
    path: Path,
) -> tuple[NamedLayer, str]:
    """Our code and the list of materials, written to `path`; and that list."""
    materials = [material for layer in below for material in layer.materials]
    sbom = written_sbom(recipe.origin, base_name, materials)
    layer = write_ours(recipe.source, inside, sbom, compiler, path)
    return NamedLayer("bookpay", layer), sbom


def pins_of(lock: Path, python: str, platform: ImagePlatform) -> list[Pin]:
    """What of the lock comes into an image with this Python.

    Raises:
        ImageError: it is not there, or no lock.
    """
    try:
        found = pins(lock.read_text(encoding="utf-8"), marker_values(python, platform.machine))
    except FileNotFoundError as error:
        raise ImageError(f"there is no lock {lock}", fix="--lock FILE") from error
    except OSError as error:
        raise ImageError(f"the lock {lock} cannot be read: {error.strerror}") from error
    except (LockError, UnicodeDecodeError) as error:
        raise ImageError(f"the lock {lock}: {error}") from error
    return [pin for pin in found if pin.name not in NOT_INSTALLED]


def megabytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / 1_000_000:.1f} MB"


def _told(what: str, stored: Stored, tell: Tell) -> NamedLayer:
    tell(what, f"{len(stored.materials)}, {megabytes(stored.layer.size_bytes)}")
    return NamedLayer(what, stored.layer, stored.materials)
